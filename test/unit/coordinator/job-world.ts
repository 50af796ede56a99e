import type { SourceSplit } from '../../../src/api/source.ts'
import { type CheckpointId, checkpointId } from '../../../src/common/ids.ts'
import type { Decision, Moment } from '../../../src/coordinator/decision.ts'
import { decide } from '../../../src/coordinator/job-master/decide.ts'
import { assertInvariants } from '../../../src/coordinator/job-master/invariants.ts'
import { recordChanged, recordOf } from '../../../src/coordinator/job-master/job-record.ts'
import type { JobMasterEffect, JobMasterMessage, JobTimer } from '../../../src/coordinator/job-master/messages.ts'
import type { JobMasterState } from '../../../src/coordinator/job-master/state.ts'
import type { RestorePoint } from '../../../src/coordinator/restore.ts'
import type { CheckpointRecord } from '../../../src/state/checkpoint-record.ts'
import type { TransactionLedger } from '../../../src/state/transaction-ledger.ts'
import type { FromSlot } from '../../../src/task/slot-protocol.ts'
import { adoptFrom } from './adoption.ts'
import { DurableRecord } from './durable-record.ts'
import { JobRules } from './job-rules.ts'
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

/** The store of one run, which may outlive a JobMaster. */
export interface ModelStore {
  begun: number
  readonly records: Map<CheckpointId, CheckpointRecord>
  readonly marked: Set<CheckpointId>
  ledger: TransactionLedger
}

export const newStore = (): ModelStore => ({ begun: 0, records: new Map(), marked: new Set(), ledger: [] })

const slotsOfTaskManager = 2
const local: ReadonlySet<string> = new Set(['setTimer', 'cancelTimer', 'log'])

/**
 * A JobMaster in a world of slots, a store and time that does anything it is allowed to do, in an order that the seed
 * decides; its leaders and TaskManagers may die. Throws a Violation where the JobMaster breaks a rule.
 */
export class JobWorld {
  state: JobMasterState
  outcome: string | undefined
  readonly trace: string[] = []
  readonly slots: ModelSlots
  readonly #store: ModelStore
  readonly #random: () => number
  readonly #rules: JobRules
  readonly #record: DurableRecord
  readonly #startedFrom: RestorePoint | undefined
  readonly #timers = new Map<string, { readonly timer: JobTimer; readonly due: number }>()
  readonly #operations: StoreEffect[] = []
  readonly #delayed: (() => void)[] = []
  readonly #taskManagers = new Set<string>()
  #leading = true
  #leaders = 1
  #grantedSlots = 0
  #now = 1000

  constructor(state: JobMasterState, world: World, store: ModelStore, random: () => number) {
    this.state = state
    this.slots = new ModelSlots(state.facts, world, random)
    this.#store = store
    this.#random = random
    this.#startedFrom = state.restorePoint
    const { facts } = state
    const restored = state.restorePoint?.record
    this.#rules = new JobRules({ facts, slots: this.slots, world, store, restored })
    const point = state.restorePoint
    this.#rules.restoredMarked = point === undefined || point.ownRun || point.committed
    this.#record = new DurableRecord(this.#recorded())
    this.send({ type: 'start' })
  }

  /** One random event; false: nothing can happen. */
  step(): boolean {
    const events = this.slots.events(this.#leading ? (message) => this.#report(message) : undefined)
    if (this.#delayed.length > 0) events.push(() => this.#delayed.shift()?.())
    if (this.#operations.length > 0) events.push(() => this.#runOperation())
    const write = this.#leading ? this.#record.event(() => this.#recorded()) : undefined
    if (write !== undefined) events.push(write)
    if (events.length === 0) return this.#fireTimer()
    if (!this.slots.healed && this.#random() < 0.03 && this.#fireTimer()) return true
    events[Math.floor(this.#random() * events.length)]?.()
    return true
  }

  /** The leader dies: what it was about to do is not done, what it was writing may be written or not. */
  loseLeader(): void {
    if (this.outcome !== undefined || !this.#leading) return
    this.trace.push('the leader dies')
    this.#leading = false
    this.#record.leaderLost(this.#random() < 0.5)
    if (this.#operations.length > 0 && this.#random() < 0.5) this.#runOperation()
    this.#operations.length = 0
    this.#delayed.length = 0
    this.#timers.clear()
    this.#rules.undetermined = false
  }

  /** The next leader takes the job over. */
  nextLeader(): void {
    if (this.outcome !== undefined || this.#leading) return
    this.#leading = true
    this.#leaders++
    this.#now += 3000
    this.slots.changeLeader()
    const adoption = adoptFrom({
      record: this.#record.stored,
      token: `leader${this.#leaders}`,
      ...{ slots: this.slots, store: this.#store, startedFrom: this.#startedFrom, now: this.#moment() },
      taskManagers: [...this.#taskManagers].map((name) => ({ name, slots: slotsOf(name) })),
    })
    this.trace.push(`→ adopts ${JSON.stringify(adoption.decision.state.regions).slice(0, 200)}`)
    this.#follow(adoption.decision, true)
    this.#record.perform(() => {
      for (const attemptId of adoption.ends) this.slots.ends.delete(attemptId)
    })
  }

  /** A TaskManager that has slots of the job dies. */
  loseTaskManager(): void {
    const names = [...this.#taskManagers]
    const taskManager = names[Math.floor(this.#random() * names.length)]
    if (taskManager === undefined) return
    this.trace.push(`${taskManager} dies`)
    this.#taskManagers.delete(taskManager)
    this.slots.lose(slotsOf(taskManager))
    const error = { code: 'MR_SLOT_LOST', message: `${taskManager} is gone` } as const
    if (this.#leading) this.#delayed.push(() => this.send({ type: 'taskManagerLost', taskManager, error }))
  }

  send(message: JobMasterMessage): void {
    if (!this.#leading) return
    this.trace.push(`→ ${JSON.stringify(message).slice(0, 200)}`)
    this.#follow(decide(this.state, message, this.#moment()), false)
  }

  #follow({ state, effects }: Decision<JobMasterState, JobMasterEffect>, isFirst: boolean): void {
    assertInvariants(state)
    const change = isFirst ? 'now' : recordChanged(this.state, state)
    this.state = state
    if (change === 'now') this.#record.changed()
    for (const effect of effects) {
      if (local.has(effect.type)) this.#perform(effect)
      else this.#record.perform(() => this.#perform(effect))
    }
  }

  #moment(): Moment {
    return { epochMs: this.#now, monotonicMs: this.#now, random: this.#random() }
  }

  #recorded() {
    const { jobId, plan, blobStore } = this.state.facts
    const job = { bundleUrl: '', arguments: [], configuration: {} }
    const submission = { jobId, plan, job, blobStore, hasCheckpointStore: true, restore: this.#startedFrom }
    return recordOf(this.state, submission, { epochMs: this.#now, monotonicMs: this.#now, random: 0 })
  }

  #report(event: FromSlot): void {
    if (event.type === 'ready' || event.type === 'slotFailed' || event.type === 'metrics') return
    this.send({ type: 'attempt', event })
    if (event.type !== 'finished' && event.type !== 'failed' && event.type !== 'canceled') return
    this.#record.perform(() => this.slots.ends.delete(event.attemptId))
  }

  #grant(count: number) {
    const slots = Array.from({ length: count }, () => {
      const slotIndex = this.#grantedSlots++
      return { taskManager: `tm${Math.floor(slotIndex / slotsOfTaskManager)}`, slotIndex, dataAddress: '' }
    })
    // Each grant is of other TaskManagers, so that one which was lost does not come again.
    this.#grantedSlots = Math.ceil(this.#grantedSlots / slotsOfTaskManager) * slotsOfTaskManager
    for (const { taskManager } of slots) this.#taskManagers.add(taskManager)
    return slots
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
        this.#delayed.push(() => this.send({ type: 'slotsGranted', slots: this.#grant(effect.count) }))
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
        this.#rules.deploy(effect)
        for (const { slot, jobSlot, subtasks } of effect.slots) {
          this.slots.send(slot, { type: 'deploy', jobSlot, subtasks, peers: [] })
        }
        break
      case 'cancelAttempts':
        for (const { slot, attemptId } of effect.attempts)
          this.slots.send(slot, { type: 'cancel', attemptIds: [attemptId] })
        break
      case 'toSlots':
        this.#rules.toSlots(effect.message)
        for (const slot of effect.slots) this.slots.send(slot, effect.message)
        break
      case 'setTimer':
        this.#timers.set(JSON.stringify(effect.timer), { timer: effect.timer, due: this.#now + effect.delayMs })
        break
      case 'cancelTimer':
        this.#timers.delete(JSON.stringify(effect.timer))
        break
      case 'jobEnded':
        this.#rules.ended(effect.outcome)
        this.outcome = effect.outcome
        break
      default:
        this.#enqueue(effect)
    }
  }

  #enqueue(effect: JobMasterEffect): void {
    switch (effect.type) {
      case 'completeCheckpoint':
        this.#rules.completing(effect.record)
        this.#rules.undetermined = true
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
          this.#rules.undetermined = false
          this.send({ type: 'completionRefused', id, error: { code: 'MR_INTERNAL', message: 'a foreign chunk' } })
          break
        }
        if (luck > 0.2 || luck < 0.1) this.#store.records.set(id, effect.record)
        if (luck >= 0.2) this.#rules.undetermined = false
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
      if (!failed) this.#rules.restoredMarked = true
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

function slotsOf(taskManager: string): readonly number[] {
  const first = Number(taskManager.slice(2)) * slotsOfTaskManager
  return Array.from({ length: slotsOfTaskManager }, (_, index) => first + index)
}
