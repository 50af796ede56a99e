import { type AttemptId, checkpointId } from '../../../src/common/ids.ts'
import type { JobMasterEffect } from '../../../src/coordinator/job-master/messages.ts'
import type { JobFacts } from '../../../src/coordinator/job-master/state.ts'
import type { CheckpointRecord } from '../../../src/state/checkpoint-record.ts'
import type { SubtaskDeployment, ToSlot } from '../../../src/task/slot-protocol.ts'
import type { ModelStore } from './job-world.ts'
import type { ModelSlots, World } from './model-slots.ts'

export class Violation extends Error {}

export interface RuledWorld {
  readonly facts: JobFacts
  readonly slots: ModelSlots
  readonly world: World
  readonly store: ModelStore
  /** The record of another run or the same one that the job was started from. */
  readonly restored: CheckpointRecord | undefined
}

export const newestOf = (store: ModelStore): number => Math.max(0, ...store.records.keys())

/** What a JobMaster may never do, over all leaders of a job. */
export class JobRules {
  /** The record of another run is marked, or there is none to mark. */
  restoredMarked = true
  /** A record was handed to the store, and the JobMaster has no answer yet. */
  undetermined = false
  readonly #facts: JobFacts
  readonly #slots: ModelSlots
  readonly #world: World
  readonly #store: ModelStore
  readonly #restored: CheckpointRecord | undefined
  readonly #attemptIds = new Set<AttemptId>()
  /** No record after it may come. */
  #endedAfter = Number.POSITIVE_INFINITY
  #lastTriggered: number

  constructor({ facts, slots, world, store, restored }: RuledWorld) {
    this.#facts = facts
    this.#slots = slots
    this.#world = world
    this.#store = store
    this.#restored = restored
    this.#lastTriggered = store.begun
  }

  deploy({ slots }: Extract<JobMasterEffect, { readonly type: 'deploy' }>): void {
    if (this.undetermined) throw new Violation('a region is deployed while a completion is undetermined (R3)')
    for (const { slot, subtasks } of slots) {
      for (const deployment of subtasks) {
        if (this.#attemptIds.has(deployment.attemptId)) throw new Violation(`attempt id ${deployment.attemptId} twice`)
        this.#attemptIds.add(deployment.attemptId)
        this.#checkSlot(slot.slotIndex, deployment)
        this.#checkRestore(deployment)
        this.#checkIds(deployment)
      }
    }
  }

  #checkSlot(slot: number, { vertexId }: SubtaskDeployment): void {
    for (const attempt of this.#slots.attempts.values()) {
      if (attempt.slot !== slot || attempt.deployment.vertexId !== vertexId) continue
      throw new Violation(`slot ${slot} gets a second subtask of ${vertexId}`)
    }
  }

  #checkRestore({ restore }: SubtaskDeployment): void {
    const newest = newestOf(this.#store)
    const isOwn = restore === undefined || (restore.blobStore.type === 'memory' && restore.blobStore.name === 'own')
    if (newest === 0 || !this.#facts.exactlyOnce) return
    if (!isOwn || (restore?.checkpointId ?? 0) < newest) {
      throw new Violation(`restored from ${restore?.checkpointId} though ${newest} is complete (I6)`)
    }
  }

  /** R15: what an attempt may use stands in the record before. */
  #checkIds({ attemptId, vertexId, transactionalIds }: SubtaskDeployment): void {
    const vertex = this.#facts.plan.vertices.find(({ id }) => id === vertexId)
    const prefix = vertex?.operators[0]?.sink?.transactionalIdPrefix
    if (prefix !== undefined) this.#checkMark(attemptId, transactionalIds)
  }

  #checkMark(attemptId: AttemptId, mark: number): void {
    const entry = this.#store.ledger.find((candidate) => candidate.attemptId === attemptId)
    if ((entry?.mark ?? 0) >= mark) return
    throw new Violation(`attempt ${attemptId} may use ${mark} ids, ${entry?.mark} are durable (R15)`)
  }

  /** R16: never those of a living attempt, and never those that somebody may still have to commit. */
  #checkFence(ids: readonly string[]): void {
    const isFenced = (attempt: string): boolean => ids.some((id) => id.includes(`-${attempt}-`))
    for (const attempt of this.#slots.attempts.keys()) {
      if (isFenced(attempt)) throw new Violation(`the living attempt ${attempt} is fenced (R16)`)
    }
    const newest = checkpointId(newestOf(this.#store))
    const marked = [...this.#store.marked].some((id) => id >= newest)
    const own = marked ? undefined : this.#store.records.get(newest)
    const restored = this.restoredMarked ? undefined : this.#restored
    for (const record of [own, restored]) {
      for (const { manifest, hasCommittables } of record?.vertices.flatMap((vertex) => vertex.subtasks) ?? []) {
        if (!hasCommittables) continue
        const listed = this.#world.lists.get(manifest.name)?.find((list) => isFenced(list.split('/')[0] ?? ''))
        if (listed !== undefined) throw new Violation(`${listed} is listed in ${record?.id} and fenced (R16)`)
      }
    }
  }

  toSlots(message: ToSlot): void {
    if (message.type === 'transactionalIdsGranted') this.#checkMark(message.attemptId, message.mark)
    if (message.type === 'fenceTransactions') this.#checkFence(message.transactionalIds)
    if (message.type === 'triggerCheckpoint') {
      const { id, base } = message.barrier
      if (id > this.#store.begun) throw new Violation(`checkpoint ${id} is triggered before it has begun (R2)`)
      if (id <= this.#lastTriggered) throw new Violation(`checkpoint id ${id} is used again (R2)`)
      if (base !== 0 && base !== newestOf(this.#store)) throw new Violation(`base ${base} is not the newest (R1)`)
      this.#lastTriggered = id
    }
    if (message.type === 'checkpointsEnded') {
      this.#endedAfter = message.newest
      if (message.newest < newestOf(this.#store)) throw new Violation(`lists of a durable record are given up (R16)`)
    }
    if (message.type === 'checkpointCompleted' && !this.#store.records.has(message.checkpointId)) {
      throw new Violation(`checkpoint ${message.checkpointId} is announced and not durable (R3)`)
    }
  }

  /** I5: every part is the acknowledgement of an attempt of this checkpoint, or carried from the record before. */
  completing(record: CheckpointRecord): void {
    if (record.id > this.#endedAfter) throw new Violation(`${record.id} completes when its lists are given up (R16)`)
    const before = this.#store.records.get(checkpointId(newestOf(this.#store)))
    for (const vertex of record.vertices) {
      if (vertex.subtasks.length !== vertex.parallelism) throw new Violation(`record ${record.id} lacks a subtask (I5)`)
      for (const [index, part] of vertex.subtasks.entries()) {
        const acked = this.#world.acks.get(`${record.id}/${part.manifest.name}`)
        if (acked === `${vertex.vertexId}/${index}`) continue
        const old = before?.vertices.find(({ vertexId }) => vertexId === vertex.vertexId)?.subtasks[index]
        const isCarried = old?.finished === true && old.manifest.name === part.manifest.name
        const again = before?.id === record.id
        if (!isCarried && !again) throw new Violation(`record ${record.id} has a part that nobody acknowledged (I5)`)
      }
    }
  }

  ended(outcome: string): void {
    if (this.#slots.attempts.size > 0) throw new Violation(`the job ended ${outcome} and an attempt lives`)
    if (outcome !== 'FINISHED') return
    const newest = this.#store.records.get(checkpointId(newestOf(this.#store)))
    const parts = newest?.vertices.flatMap((vertex) => vertex.subtasks) ?? []
    if (!parts.every((part) => part.finished)) throw new Violation('FINISHED, and the last record says otherwise (R12)')
    const restored = this.#restored?.vertices.flatMap((vertex) => vertex.subtasks) ?? []
    for (const { manifest } of [...parts, ...restored]) {
      const open = this.#world.lists.get(manifest.name)?.find((list) => !this.#world.committedLists.has(list))
      if (open !== undefined) throw new Violation(`FINISHED, and the list ${open} is not committed (R12)`)
    }
  }
}
