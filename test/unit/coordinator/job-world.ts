import type { SourceSplit } from '../../../src/api/source.ts'
import { type AttemptId, type CheckpointId, checkpointId } from '../../../src/common/ids.ts'
import { decide } from '../../../src/coordinator/job-master/decide.ts'
import { assertInvariants } from '../../../src/coordinator/job-master/invariants.ts'
import type { JobMasterEffect, JobMasterMessage, JobTimer } from '../../../src/coordinator/job-master/messages.ts'
import type { JobMasterState } from '../../../src/coordinator/job-master/state.ts'
import type { CheckpointRecord } from '../../../src/state/checkpoint-record.ts'
import type { TransactionLedger } from '../../../src/state/transaction-ledger.ts'
import type { FromSlot, SubtaskDeployment, ToSlot } from '../../../src/task/slot-protocol.ts'
import { ModelSlots, type World } from './model-slots.ts'

type StoreEffect = Extract<
  JobMasterEffect,
  {
    readonly type:
      | 'beginCheckpoint'
      | 'completeCheckpoint'
      | 'markCommitted'
      | 'readPreviousCheckpoint'
      | 'recordTransactions'
      | 'markRestoredCommitted'
  }
>

export class Violation extends Error {}

/** The store of one run, which may outlive a JobMaster. */
export interface ModelStore {
  begun: number
  readonly records: Map<CheckpointId, CheckpointRecord>
  readonly marked: Set<CheckpointId>
  ledger: TransactionLedger
}

export const newStore = (): ModelStore => ({ begun: 0, records: new Map(), marked: new Set(), ledger: [] })

const newestOf = (store: ModelStore): number => Math.max(0, ...store.records.keys())

/**
 * A JobMaster in a world of slots, a store and time that does anything it is allowed to do, in an order that the seed
 * decides. Throws a Violation where the JobMaster breaks a rule.
 */
export class JobWorld {
  state: JobMasterState
  outcome: string | undefined
  readonly trace: string[] = []
  readonly slots: ModelSlots
  readonly #world: World
  readonly #store: ModelStore
  readonly #random: () => number
  readonly #restored: CheckpointRecord | undefined
  /** The record of another run is marked, or there is none to mark. */
  #restoredMarked: boolean
  readonly #attemptIds = new Set<AttemptId>()
  readonly #timers = new Map<string, { readonly timer: JobTimer; readonly due: number }>()
  readonly #operations: StoreEffect[] = []
  readonly #delayed: (() => void)[] = []
  #now = 1000
  /** No record after it may come. */
  #endedAfter = Number.POSITIVE_INFINITY
  #lastTriggered = 0
  /** A record was handed to the store, and the JobMaster has no answer yet. */
  #undetermined = false

  constructor(state: JobMasterState, world: World, store: ModelStore, random: () => number) {
    this.state = state
    this.slots = new ModelSlots(state.facts, world, random)
    this.#world = world
    this.#store = store
    this.#random = random
    this.#restored = state.restorePoint?.record
    this.#lastTriggered = store.begun
    const point = state.restorePoint
    this.#restoredMarked = point === undefined || point.ownRun || point.committed
    this.send({ type: 'start' })
  }

  /** One random event; false: nothing can happen. */
  step(): boolean {
    const events = this.slots.events((message) => this.#report(message))
    if (this.#delayed.length > 0) events.push(() => this.#delayed.shift()?.())
    if (this.#operations.length > 0) events.push(() => this.#runOperation())
    if (events.length === 0) return this.#fireTimer()
    if (!this.slots.healed && this.#random() < 0.03 && this.#fireTimer()) return true
    events[Math.floor(this.#random() * events.length)]?.()
    return true
  }

  send(message: JobMasterMessage): void {
    this.trace.push(`→ ${JSON.stringify(message).slice(0, 200)}`)
    const moment = { epochMs: this.#now, monotonicMs: this.#now, random: this.#random() }
    const { state, effects } = decide(this.state, message, moment)
    assertInvariants(state)
    this.state = state
    for (const effect of effects) this.#perform(effect)
  }

  #report(event: FromSlot): void {
    if (event.type === 'ready' || event.type === 'slotFailed' || event.type === 'metrics') return
    this.send({ type: 'attempt', event })
  }

  #fireTimer(): boolean {
    const next = [...this.#timers.values()].sort((a, b) => a.due - b.due)[0]
    if (next === undefined) return false
    this.#timers.delete(JSON.stringify(next.timer))
    this.#now = Math.max(this.#now, next.due)
    this.send({ type: 'timer', timer: next.timer })
    return true
  }

  // ---- what the JobMaster does ----

  #perform(effect: JobMasterEffect): void {
    this.trace.push(`   ${JSON.stringify(effect).slice(0, 300)}`)
    switch (effect.type) {
      case 'requestSlots': {
        const slots = Array.from({ length: effect.count }, (_, slotIndex) => ({
          taskManager: 'tm',
          slotIndex,
          dataAddress: '',
        }))
        this.#delayed.push(() => this.send({ type: 'slotsGranted', slots }))
        break
      }
      case 'locateSplits': {
        const { vertexId, parallelism, known } = effect
        const fresh = Array.from({ length: parallelism * 2 }, (_, id): SourceSplit => ({ id: `s${id}`, position: 0 }))
        const located = { vertexId, splits: known ?? fresh, discoveryIntervalMs: undefined }
        this.#delayed.push(() => this.send({ type: 'splitsLocated', ...located }))
        break
      }
      case 'deploy':
        this.#deploy(effect)
        break
      case 'cancelAttempts':
        for (const { slot, attemptId } of effect.attempts)
          this.slots.send(slot, { type: 'cancel', attemptIds: [attemptId] })
        break
      case 'toSlots':
        this.#checkToSlots(effect.message)
        for (const slot of effect.slots) this.slots.send(slot, effect.message)
        break
      case 'setTimer':
        this.#timers.set(JSON.stringify(effect.timer), { timer: effect.timer, due: this.#now + effect.delayMs })
        break
      case 'cancelTimer':
        this.#timers.delete(JSON.stringify(effect.timer))
        break
      case 'jobEnded':
        this.#ended(effect.outcome)
        break
      default:
        this.#enqueue(effect)
    }
  }

  #enqueue(effect: JobMasterEffect): void {
    switch (effect.type) {
      case 'completeCheckpoint':
        this.#checkRecord(effect.record)
        this.#undetermined = true
        this.#operations.push(effect)
        break
      case 'beginCheckpoint':
      case 'markCommitted':
      case 'readPreviousCheckpoint':
      case 'recordTransactions':
      case 'markRestoredCommitted':
        this.#operations.push(effect)
        break
      default:
    }
  }

  #deploy({ slots }: Extract<JobMasterEffect, { readonly type: 'deploy' }>): void {
    if (this.#undetermined) throw new Violation('a region is deployed while a completion is undetermined (R3)')
    for (const { slot, jobSlot, subtasks } of slots) {
      for (const deployment of subtasks) {
        if (this.#attemptIds.has(deployment.attemptId)) throw new Violation(`attempt id ${deployment.attemptId} twice`)
        this.#attemptIds.add(deployment.attemptId)
        this.#checkSlot(slot.slotIndex, deployment)
        this.#checkRestore(deployment)
        this.#checkIds(deployment)
      }
      this.slots.send(slot, { type: 'deploy', jobSlot, subtasks, peers: [] })
    }
  }

  #checkSlot(slot: number, { vertexId }: SubtaskDeployment): void {
    for (const attempt of this.slots.attempts.values()) {
      if (attempt.slot !== slot || attempt.deployment.vertexId !== vertexId) continue
      throw new Violation(`slot ${slot} gets a second subtask of ${vertexId}`)
    }
  }

  #checkRestore({ restore }: SubtaskDeployment): void {
    const newest = newestOf(this.#store)
    const isOwn = restore === undefined || (restore.blobStore.type === 'memory' && restore.blobStore.name === 'own')
    if (newest === 0 || !this.state.facts.exactlyOnce) return
    if (!isOwn || (restore?.checkpointId ?? 0) < newest) {
      throw new Violation(`restored from ${restore?.checkpointId} though ${newest} is complete (I6)`)
    }
  }

  /** R15: what an attempt may use stands in the record before. */
  #checkIds({ attemptId, vertexId, transactionalIds }: SubtaskDeployment): void {
    const vertex = this.state.facts.plan.vertices.find(({ id }) => id === vertexId)
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
    for (const attempt of this.slots.attempts.keys()) {
      if (isFenced(attempt)) throw new Violation(`the living attempt ${attempt} is fenced (R16)`)
    }
    const newest = checkpointId(newestOf(this.#store))
    const marked = [...this.#store.marked].some((id) => id >= newest)
    const own = marked ? undefined : this.#store.records.get(newest)
    const restored = this.#restoredMarked ? undefined : this.#restored
    for (const record of [own, restored]) {
      for (const { manifest, hasCommittables } of record?.vertices.flatMap((vertex) => vertex.subtasks) ?? []) {
        if (!hasCommittables) continue
        const listed = this.#world.lists.get(manifest.name)?.find((list) => isFenced(list.split('/')[0] ?? ''))
        if (listed !== undefined) throw new Violation(`${listed} is listed in ${record?.id} and fenced (R16)`)
      }
    }
  }

  #checkToSlots(message: ToSlot): void {
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
  #checkRecord(record: CheckpointRecord): void {
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

  #ended(outcome: string): void {
    if (this.slots.attempts.size > 0) throw new Violation(`the job ended ${outcome} and an attempt lives`)
    this.outcome = outcome
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

  // ---- the store ----

  #runOperation(): void {
    const effect = this.#operations.shift()
    if (effect === undefined) return
    const luck = this.slots.healed ? 1 : this.#random()
    const error = { code: 'MR_STORAGE', message: 'the disk is full' } as const
    switch (effect.type) {
      case 'beginCheckpoint':
        this.#store.begun++
        if (luck < 0.1) this.send({ type: 'checkpointBeginFailed', error })
        else this.send({ type: 'checkpointBegun', id: checkpointId(this.#store.begun) })
        break
      case 'completeCheckpoint': {
        const { id } = effect.record
        if (!effect.repeated && luck > 0.9 && luck < 0.95) {
          this.#undetermined = false
          this.send({ type: 'completionRefused', id, error: { code: 'MR_INTERNAL', message: 'a foreign chunk' } })
          break
        }
        if (luck > 0.2 || luck < 0.1) this.#store.records.set(id, effect.record)
        if (luck >= 0.2) this.#undetermined = false
        this.send(luck < 0.2 ? { type: 'completionUndetermined', id, error } : { type: 'checkpointCompleted', id })
        break
      }
      case 'markCommitted': {
        const id = effect.checkpointId
        if (luck >= 0.2) this.#store.marked.add(id)
        this.send(luck < 0.2 ? { type: 'markFailed', id, error } : { type: 'markedCommitted', id })
        break
      }
      case 'recordTransactions':
      case 'markRestoredCommitted':
        this.#runLedgerOperation(effect, luck)
        break
      case 'readPreviousCheckpoint': {
        const older = [...this.#store.records.values()].filter(({ id }) => id < effect.point.record.id).at(-1)
        const point = older === undefined ? undefined : { ...effect.point, record: older }
        this.send({ type: 'previousCheckpoint', region: effect.region, point })
        break
      }
    }
  }

  #runLedgerOperation(
    effect: Extract<StoreEffect, { readonly type: 'recordTransactions' | 'markRestoredCommitted' }>,
    luck: number,
  ): void {
    const failed = luck < 0.2
    const error = { code: 'MR_STORAGE', message: 'the disk is full' } as const
    if (effect.type === 'markRestoredCommitted') {
      if (!failed) this.#restoredMarked = true
      this.send({ type: 'restoredMarked', error: failed ? error : undefined })
      return
    }
    const { revision, ledger } = effect
    // A write that gave an error may be there all the same.
    if (!failed || luck < 0.1) this.#store.ledger = ledger
    this.send(
      failed ? { type: 'transactionsNotRecorded', revision, error } : { type: 'transactionsRecorded', revision },
    )
  }
}
