import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StateTtlConfig } from '../../../src/api/state-ttl.ts'
import { checkpointId } from '../../../src/common/ids.ts'
import { hashKey } from '../../../src/common/key.ts'
import { keyGroupOf } from '../../../src/common/key-groups.ts'
import type { KeyedStateBackend } from '../../../src/state/keyed-state-backend.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { readManifest } from '../../../src/state/restore.ts'
import type { SubtaskManifest } from '../../../src/state/subtask-manifest.ts'
import { backendOf, restoreInto, snapshotsIn } from './support/one-operator.ts'
import { applyChange, TtlModel, type TtlStates, timeToLive, ttlChange, ttlStatesOf } from './support/ttl-states.ts'

const keys = ['a', 'b', 'c', 'a key of some length']
const step = fc.record({ key: fc.constantFrom(...keys), change: ttlChange })
const round = fc.record({
  before: fc.array(step, { maxLength: 25 }),
  draining: fc.array(fc.oneof(step, fc.record({ drain: fc.integer({ min: 1, max: 40 }) })), { maxLength: 12 }),
  restart: fc.constantFrom('none', 'none', 'own manifest is base', 'no base'),
})
const settings = fc.record({
  declared: fc.boolean(),
  ttl: fc.record({
    timeToLive: fc.constant(timeToLive),
    updateType: fc.constantFrom('onCreateAndWrite', 'onReadAndWrite'),
    incrementalCleanup: fc.constantFrom(false, undefined, { entriesPerAccess: 1 }, { onEveryRecord: true }),
  }) as fc.Arbitrary<StateTtlConfig>,
})

type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
type Round = typeof round extends fc.Arbitrary<infer T> ? T : never

/** One subtask under virtual time beside its model, through checkpoints and restarts. */
class Run {
  readonly #settings: Settings
  readonly #blobStore = new MemoryBlobStore()
  readonly #clock = { time: 1000, now: () => this.#clock.time }
  #backend: KeyedStateBackend
  #states: TtlStates
  #model = new Map<string, TtlModel>(keys.map((key) => [key, new TtlModel()]))
  #attempt = 0
  #lastId = 0
  #base = 0
  #snapshots = snapshotsIn(this.#blobStore)

  constructor(settings: Settings) {
    this.#settings = settings
    this.#backend = backendOf({ clock: this.#clock, freezeValues: true })
    this.#states = ttlStatesOf(this.#backend, settings)
  }

  async round({ before, draining, restart }: Round): Promise<void> {
    for (const next of before) this.#apply(next)
    const id = ++this.#lastId
    const barrier = { id: checkpointId(id), base: checkpointId(this.#base), kind: 'checkpoint' } as const
    const atBarrier = new Map(Array.from(this.#model, ([key, model]) => [key, model.copy()]))
    const keyed = this.#backend.snapshot(barrier)
    const part = { keyed, operatorState: undefined, committables: undefined, watermark: 0 }
    const snapshot = this.#snapshots.begin(barrier, [{ uid: 'sample', snapshot: part }])
    for (const next of draining) {
      if ('drain' in next) snapshot.step(next.drain)
      else this.#apply(next)
    }
    while (!snapshot.step(100));
    const { manifest: reference } = await snapshot.finish()
    this.#snapshots.checkpointCompleted(checkpointId(id))
    this.#base = id
    const manifest = await readManifest(this.#blobStore, reference)
    await this.#expectRestores(manifest, atBarrier)
    if (restart !== 'none') await this.#restart(manifest, atBarrier, restart === 'own manifest is base')
  }

  #apply({ key, change }: Step): void {
    if (change.type === 'wait') this.#clock.time += change.n
    this.#backend.setCurrentKey(key, hashKey(key))
    const expected = this.#modelOf(this.#model, key).apply(change, this.#clock.time, this.#renewsOnRead)
    expect(applyChange(this.#states, change)).toEqual(expected)
  }

  /** With the same and with another parallelism. */
  async #expectRestores(manifest: SubtaskManifest, atBarrier: ReadonlyMap<string, TtlModel>): Promise<void> {
    for (const parallelism of [1, 3]) {
      for (let subtaskIndex = 0; subtaskIndex < parallelism; subtaskIndex++) {
        const backend = backendOf({ clock: this.#clock }, subtaskIndex, parallelism)
        await restoreInto(backend, this.#blobStore, { manifest, subtaskIndex, parallelism })
        const states = ttlStatesOf(backend, this.#settings)
        const { from, to } = backend.keyGroups
        for (const key of keys) {
          const keyGroup = keyGroupOf(hashKey(key), 8)
          if (keyGroup < from || keyGroup >= to) continue
          backend.setCurrentKey(key, hashKey(key))
          const model = this.#modelOf(atBarrier, key).copy()
          const expected = model.apply({ type: 'readAll' }, this.#clock.time, this.#renewsOnRead)
          expect(applyChange(states, { type: 'readAll' })).toEqual(expected)
        }
      }
    }
  }

  async #restart(manifest: SubtaskManifest, atBarrier: Map<string, TtlModel>, isBase: boolean): Promise<void> {
    this.#backend = backendOf({ clock: this.#clock, freezeValues: true })
    await restoreInto(this.#backend, this.#blobStore, { manifest, isBase })
    this.#states = ttlStatesOf(this.#backend, this.#settings)
    this.#model = atBarrier
    this.#snapshots = snapshotsIn(this.#blobStore, `attempt-${++this.#attempt}`, isBase ? manifest : undefined)
    if (!isBase) this.#base = 0
  }

  get #renewsOnRead(): boolean {
    return this.#settings.ttl.updateType === 'onReadAndWrite'
  }

  #modelOf(models: ReadonlyMap<string, TtlModel>, key: string): TtlModel {
    return models.get(key) ?? new TtlModel()
  }
}

test('state with a time to live is what the definition says, on reading and after a restore with any parallelism (R6, R8)', async () => {
  await fc.assert(
    fc.asyncProperty(settings, fc.array(round, { minLength: 1, maxLength: 6 }), async (chosen, rounds) => {
      const run = new Run(chosen)
      for (const next of rounds) await run.round(next)
    }),
    { numRuns: Number(process.env['STATE_RUNS'] ?? 60) },
  )
}, 120_000)
