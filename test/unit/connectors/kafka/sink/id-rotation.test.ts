import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IdRotation } from '../../../../../src/connectors/kafka/sink/id-rotation.ts'

/** What happens to a writer, in an order that is possible: barriers with records, commits after completions; a barrier after another one aborts it. */
const events = fc.array(fc.constantFrom('barrier', 'complete', 'commit', 'grant'), { maxLength: 200 })

/** A writer as the rotation sees it, and the lists of its checkpoints. */
class ModelWriter {
  readonly #rotation = new IdRotation(16)
  /** Prepared and not committed: accumulated over aborted checkpoints (R16). */
  #pending: { readonly id: number; readonly checkpoint: number }[] = []
  readonly #lists = new Map<number, readonly number[]>()
  #newest = 0
  #completed = 0
  #open = this.#rotation.take()

  grant(): void {
    this.#rotation.raise(this.#rotation.mark + 4)
  }

  barrier(): void {
    if (this.#open === undefined) return
    this.#newest++
    this.#rotation.cut(this.#newest)
    this.#rotation.prepared(this.#open, this.#newest)
    this.#pending.push({ id: this.#open, checkpoint: this.#newest })
    this.#lists.set(
      this.#newest,
      this.#pending.map(({ id }) => id),
    )
    this.#open = this.#rotation.take()
    // Whoever restores the newest completed checkpoint, or the open one, ends what it lists by id and epoch.
    const kept = [this.#completed, this.#newest].flatMap((checkpoint) => this.#lists.get(checkpoint) ?? [])
    if (this.#open !== undefined) expect(kept).not.toContain(this.#open)
  }

  complete(): void {
    this.#completed = this.#newest
  }

  commit(): void {
    for (const { id, checkpoint } of this.#pending) {
      if (checkpoint > this.#completed) continue
      this.#rotation.committed(id)
      this.#rotation.completed(this.#completed)
    }
    this.#pending = this.#pending.filter(({ checkpoint }) => checkpoint > this.#completed)
  }
}

test('an id is used again only after a checkpoint that does not list its last transaction has completed (R15)', () => {
  fc.assert(
    fc.property(events, (sequence) => {
      const writer = new ModelWriter()
      for (const event of sequence) writer[event]()
    }),
    { numRuns: 500 },
  )
})

test('with each checkpoint committed before the next, a handful of ids is enough for ever', () => {
  const rotation = new IdRotation(16)
  let open = rotation.take()
  for (let checkpoint = 1; checkpoint < 1000; checkpoint++) {
    rotation.cut(checkpoint)
    rotation.prepared(open ?? -1, checkpoint)
    const last = open
    open = rotation.take()
    rotation.committed(last ?? -1)
    rotation.completed(checkpoint)
    expect(open).toBeLessThan(6)
  }
  expect(rotation.free).toBeGreaterThan(9)
})

test('the oldest transaction that waits for its commit is known', () => {
  const rotation = new IdRotation(16)
  expect(rotation.oldestPreparedMs()).toBe(Number.POSITIVE_INFINITY)
  rotation.prepared(rotation.take() ?? -1, 700)
  rotation.prepared(rotation.take() ?? -1, 900)
  expect(rotation.oldestPreparedMs()).toBe(700)
  rotation.committed(0)
  expect(rotation.oldestPreparedMs()).toBe(900)
})
