import type { AttemptId, CheckpointId } from '../../src/common/ids.ts'
import type { CheckpointRecord, SubtaskRecord } from '../../src/state/checkpoint-record.ts'

/** A rule that was broken, named by its invariant. */
export class Violation extends Error {}

/** A guard that the model leaves out, for the simulator to find (one of each invariant that is checked). */
export const mutations = [
  'I1 writes are not fenced',
  'I2 the claim does not count up',
  'I3 the deadline is not looked at',
  'I4 every leader is obeyed',
  'I5 checkpoint ids are used again',
  'I6 the newest checkpoint is not seen',
  'I7 acknowledgements count whoever sends them',
  'I8 completions are told before they are durable',
  'I9 repeated messages are acted on',
  'I9 lost messages are not noticed',
  'I11 the lease never ends',
  'I13 the lease is renewed whatever the main loop does',
] as const

export type Mutation = (typeof mutations)[number]

/** What has happened, kept apart from what the model believes: checks the invariants of docs/protocol.md. */
export class Rules {
  readonly #tokens = new Set<string>()
  readonly #begun = new Set<number>()
  readonly #completed = new Map<CheckpointId, CheckpointRecord>()
  /** Manifest → who has written it, in which checkpoint. */
  readonly #acknowledged = new Map<string, { readonly subtask: string; readonly attemptId: AttemptId; id: number }>()
  readonly #started = new Set<AttemptId>()
  readonly #latestOf = new Map<string, AttemptId>()
  readonly #obeyed = new Map<string, number>()
  #highestEpoch = 0

  claimed(token: string, epoch: number): void {
    if (epoch <= this.#highestEpoch) throw new Violation(`I2: epoch ${epoch} after ${this.#highestEpoch}`)
    if (this.#tokens.has(token)) throw new Violation(`I2: token ${token} twice`)
    this.#tokens.add(token)
    this.#highestEpoch = epoch
  }

  /** A write that the store has accepted. */
  written(token: string, what: string): void {
    const epoch = Number(token.slice(token.lastIndexOf(':') + 1))
    if (epoch < this.#highestEpoch) throw new Violation(`I1: ${what} of ${token} after epoch ${this.#highestEpoch}`)
  }

  /** A write that a leader sends. */
  issued(what: string, nowMs: number, deadlineMs: number): void {
    if (nowMs >= deadlineMs) throw new Violation(`I3: ${what} is sent ${nowMs - deadlineMs} ms after the deadline`)
  }

  obeyed(taskManager: string, token: string): void {
    const epoch = Number(token.slice(token.lastIndexOf(':') + 1))
    const before = this.#obeyed.get(taskManager) ?? 0
    if (epoch < before) throw new Violation(`I4: ${taskManager} obeys epoch ${epoch} after ${before}`)
    this.#obeyed.set(taskManager, epoch)
  }

  begun(id: number): void {
    if (this.#begun.has(id)) throw new Violation(`I5: checkpoint id ${id} is used again`)
    this.#begun.add(id)
  }

  started(attemptId: AttemptId, subtask: string): void {
    if (this.#started.has(attemptId)) throw new Violation(`I9: attempt ${attemptId} is started twice`)
    this.#started.add(attemptId)
    this.#latestOf.set(subtask, attemptId)
  }

  acknowledged(manifest: string, subtask: string, attemptId: AttemptId, id: number): void {
    this.#acknowledged.set(manifest, { subtask, attemptId, id })
  }

  /** I5: every part is what an attempt has acknowledged for this checkpoint, or carried; I7: and that attempt is current. */
  completed(record: CheckpointRecord): void {
    if (this.#completed.has(record.id)) return
    const newest = this.newest()
    if (record.id <= (newest?.id ?? 0)) throw new Violation(`I5: checkpoint ${record.id} completes after ${newest?.id}`)
    for (const vertex of record.vertices) {
      if (vertex.subtasks.length !== vertex.parallelism) throw new Violation(`I5: ${record.id} lacks a subtask`)
      const before = newest?.vertices.find(({ vertexId }) => vertexId === vertex.vertexId)
      for (const [index, part] of vertex.subtasks.entries()) {
        this.#checkPart(part, {
          id: record.id,
          subtask: `${vertex.vertexId}/${index}`,
          before: before?.subtasks[index],
        })
      }
    }
    this.#completed.set(record.id, record)
  }

  #checkPart(
    { manifest, finished }: SubtaskRecord,
    {
      id,
      subtask,
      before,
    }: { readonly id: CheckpointId; readonly subtask: string; readonly before: SubtaskRecord | undefined },
  ): void {
    const written = this.#acknowledged.get(manifest.name)
    if (written?.subtask !== subtask) throw new Violation(`I5: a part of ${id} is nobody's`)
    if (finished && before?.manifest.name === manifest.name) return
    const isCurrent = this.#latestOf.get(subtask) === written.attemptId
    if (!isCurrent) throw new Violation(`I7: checkpoint ${id} has a part of the old ${written.attemptId}`)
    if (written.id !== id) throw new Violation(`I5: a part of ${id} is of checkpoint ${written.id}`)
  }

  /** Who has written a manifest: `<vertex>/<subtask>`. */
  writerOf(manifest: string): string | undefined {
    return this.#acknowledged.get(manifest)?.subtask
  }

  newest(): CheckpointRecord | undefined {
    return [...this.#completed.values()].at(-1)
  }

  /** Checked where the deployment starts, by a leader that may write. */
  deployed(restoredFrom: number): void {
    const newest = this.newest()?.id ?? 0
    if (restoredFrom < newest) throw new Violation(`I6: restored from ${restoredFrom} though ${newest} is complete`)
  }

  committed(list: string): void {
    const id = Number(list.slice(list.lastIndexOf('/') + 1)) as CheckpointId
    // The list is of this checkpoint or accumulated until a later one.
    if ((this.newest()?.id ?? 0) < id) throw new Violation(`I8: ${list} is committed and ${id} is not complete`)
  }

  /** Every result once. */
  results(found: readonly string[], expected: readonly string[]): void {
    const counts = new Map<string, number>()
    for (const result of found) counts.set(result, (counts.get(result) ?? 0) + 1)
    const wrong = expected.find((result) => counts.get(result) !== 1)
    if (wrong !== undefined) throw new Violation(`exactly once: ${wrong} is there ${counts.get(wrong) ?? 0} times`)
    if (found.length !== expected.length) {
      throw new Violation(`exactly once: ${found.length} results, not ${expected.length}`)
    }
  }
}
