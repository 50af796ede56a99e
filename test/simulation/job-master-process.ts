import type { SourceSplit } from '../../src/api/source.ts'
import type { AttemptId } from '../../src/common/ids.ts'
import type { Decision, Moment } from '../../src/coordinator/decision.ts'
import { adoptJob } from '../../src/coordinator/job-master/adopt.ts'
import { decide } from '../../src/coordinator/job-master/decide.ts'
import { remoteSlotsOf } from '../../src/coordinator/job-master/deployment.ts'
import { assertInvariants } from '../../src/coordinator/job-master/invariants.ts'
import { type JobRecord, recordChanged, recordOf } from '../../src/coordinator/job-master/job-record.ts'
import type { JobMasterEffect, JobMasterMessage, JobTimer } from '../../src/coordinator/job-master/messages.ts'
import type { JobMasterState } from '../../src/coordinator/job-master/state.ts'
import type { Inventory } from '../../src/coordinator/task-manager/inventory.ts'
import type { SlotJob } from '../../src/coordinator/task-manager/state.ts'
import type { TransactionLedger } from '../../src/state/transaction-ledger.ts'
import type { FromSlot } from '../../src/task/slot-protocol.ts'
import type { LeaderSession } from './leader-session.ts'
import type { Answer } from './redis-model.ts'

interface Adopted {
  readonly record: JobRecord
  readonly inventories: readonly Inventory[]
  /** Of the JobMasters of this leader. */
  readonly number: number
}

type EndEvent = Extract<FromSlot, { readonly type: 'finished' | 'failed' | 'canceled' }>

const local: ReadonlySet<string> = new Set(['setTimer', 'cancelTimer', 'log'])
const storage = { code: 'MR_STORAGE', message: 'Redis did not answer' } as const

/** A job's JobMaster: the decide functions of the product, and its record written before anything follows from it (R23 a). */
export class SimulatedJobMaster {
  readonly #session: LeaderSession
  readonly #job: SlotJob
  readonly #submission: JobRecord['submission']
  readonly #timers = new Map<string, number>()
  #state: JobMasterState | undefined
  #waiting: { readonly revision: number; readonly action: () => void }[] = []
  #revision = 0
  #durable = 0
  #isWriting = false
  #ended = false
  readonly #early: JobMasterMessage[] = []
  readonly #adopted: Adopted

  constructor(session: LeaderSession, adopted: Adopted) {
    this.#session = session
    this.#adopted = adopted
    const { jobId, plan, job, blobStore } = adopted.record.submission
    this.#submission = adopted.record.submission
    this.#job = {
      start: { jobId, job, plan, blobStore },
      cancellationTimeoutMs: plan.configuration.cancellationTimeoutMs,
    }
    this.#readFacts()
  }

  /** What the checkpoint store knows, in one read that follows every write of this connection. */
  #readFacts(): void {
    const { redis } = this.#session.settings
    this.#session.write(
      'a read',
      () => {
        const record = redis.newest()
        return { record, ledger: redis.ledger, committed: record !== undefined && redis.marked.has(record.id) }
      },
      (answer) => {
        if (this.#ended) return
        if (answer.type === 'done') this.#takeOver(answer.value)
        else this.#session.candidate.elect({ type: 'claimAgain', reason: 'the checkpoints were not read' })
      },
    )
  }

  #takeOver(found: {
    readonly record: ReturnType<LeaderSession['settings']['redis']['newest']>
    readonly ledger: TransactionLedger
    readonly committed: boolean
  }): void {
    const { record, inventories, number } = this.#adopted
    const { blobStore } = record.submission
    const latest =
      found.record === undefined
        ? undefined
        : { record: found.record, blobStore, committed: found.committed, ownRun: true }
    const facts = { latest, points: [], ledger: found.ledger }
    const token = `${this.#session.token.replace(':', 'e')}n${number}`
    this.#log(() => `adopts ${JSON.stringify(record.subtasks).slice(0, 300)}`)
    this.#follow(adoptJob({ record, token, inventories, facts }, this.#moment()), true)
    for (const { taskManager, slots } of inventories) {
      const ends = slots.flatMap(({ attempts }) => attempts).filter(({ state }) => isEnd(state))
      this.#acknowledge(
        taskManager,
        ends.map(({ attemptId }) => attemptId),
      )
    }
    for (const message of this.#early.splice(0)) this.send(message)
  }

  end(): void {
    this.#ended = true
    this.#waiting = []
  }

  /** The job as it stands, for the next JobMaster of this leader. */
  record(): JobRecord {
    if (this.#state === undefined) return this.#adopted.record
    const { requestId, restored, ...rest } = this.#submission
    return JSON.parse(JSON.stringify(recordOf(this.#state, { ...rest, restore: undefined }, this.#moment())))
  }

  publishLater(): void {
    this.#write()
  }

  report(event: FromSlot, from: string): void {
    if (event.type === 'ready' || event.type === 'slotFailed' || event.type === 'metrics') return
    this.send({ type: 'attempt', event: this.#mutated(event) })
    if (isEnd(event.type)) this.#acknowledge(from, [(event as EndEvent).attemptId])
  }

  #mutated(event: Extract<JobMasterMessage, { readonly type: 'attempt' }>['event']): typeof event {
    const { mutation, rules, job } = this.#session.settings
    const isOff = mutation === 'I7 acknowledgements count whoever sends them'
    if (!isOff || event.type !== 'checkpointAcknowledged') return event
    const writer = rules.writerOf(event.manifest.name) ?? ''
    const before = job.acknowledgements.get(writer)
    job.acknowledgements.set(writer, event)
    return before === undefined || before.attemptId === event.attemptId
      ? event
      : { ...event, manifest: before.manifest }
  }

  #acknowledge(from: string, attemptIds: readonly AttemptId[]): void {
    if (attemptIds.length === 0 || from === '') return
    const { jobId } = this.#submission
    this.#afterRecord(() => this.#session.command(from, { type: 'endsAcknowledged', jobId, attemptIds }))
  }

  send(message: JobMasterMessage): void {
    if (this.#ended) return
    const state = this.#state
    if (state === undefined) {
      this.#early.push(message)
      return
    }
    this.#log(() => `· ${JSON.stringify(message).slice(0, 160)}`)
    this.#follow(decide(state, message, this.#moment()), false)
  }

  #log(text: () => string): void {
    this.#session.settings.scheduler.log(this.#session.candidate.name, text)
  }

  #moment(): Moment {
    const { scheduler, redis } = this.#session.settings
    return { epochMs: scheduler.nowMs + redis.clockMs, monotonicMs: scheduler.nowMs, random: scheduler.random() }
  }

  #follow({ state, effects }: Decision<JobMasterState, JobMasterEffect>, isFirst: boolean): void {
    assertInvariants(state)
    const change = this.#state === undefined || isFirst ? 'now' : recordChanged(this.#state, state)
    this.#state = state
    if (change === 'now') this.#revision++
    for (const effect of effects) {
      if (local.has(effect.type)) this.#perform(effect)
      else this.#afterRecord(() => this.#perform(effect))
    }
    this.#write()
  }

  #afterRecord(action: () => void): void {
    if (this.#waiting.length === 0 && this.#durable === this.#revision) action()
    else this.#waiting.push({ revision: this.#revision, action })
  }

  #write(): void {
    if (this.#isWriting || this.#ended || this.#durable === this.#revision) return
    const session = this.#session
    const { redis } = session.settings
    const revision = this.#revision
    const text = JSON.stringify(this.record())
    this.#isWriting = true
    session.write(
      'a record',
      () => redis.writeRecord(session.token, session.revision, text),
      (answer) => {
        // R3: whether it is there is not known; the next claim keeps it from coming late.
        if (answer.type !== 'done') return session.candidate.elect({ type: 'claimAgain', reason: 'a lost answer' })
        session.revision = answer.value
        if (!this.#ended) this.#written(revision)
      },
    )
  }

  #written(revision: number): void {
    this.#isWriting = false
    this.#durable = revision
    while (!this.#ended && (this.#waiting[0]?.revision ?? Number.POSITIVE_INFINITY) <= revision) {
      this.#waiting.shift()?.action()
    }
    this.#write()
  }

  #perform(effect: JobMasterEffect): void {
    this.#log(() => `! ${JSON.stringify(effect).slice(0, 200)}`)
    switch (effect.type) {
      case 'requestSlots':
        this.#session.requestSlots(effect.count)
        break
      case 'prepareSlots':
      case 'deploy':
      case 'cancelAttempts':
      case 'toSlots':
        this.#tellTaskManagers(effect)
        break
      case 'locateSplits': {
        const { vertexId, known } = effect
        const fresh = this.#session.settings.job.splits.map((id): SourceSplit => ({ id, position: 0 }))
        this.#later({ type: 'splitsLocated', vertexId, splits: known ?? fresh, discoveryIntervalMs: undefined })
        break
      }
      case 'setTimer':
        this.#setTimer(effect.timer, effect.delayMs)
        break
      case 'cancelTimer':
        this.#timers.delete(JSON.stringify(effect.timer))
        break
      case 'jobEnded':
        this.#session.settings.job.outcome = effect.outcome
        break
      default:
        this.#store(effect)
    }
  }

  #later(message: JobMasterMessage): void {
    const { settings, candidate } = this.#session
    settings.scheduler.after(settings.scheduler.between(1, 50), candidate.main, () => this.send(message))
  }

  #setTimer(timer: JobTimer, delayMs: number): void {
    const { scheduler } = this.#session.settings
    const key = JSON.stringify(timer)
    const number = scheduler.random()
    this.#timers.set(key, number)
    scheduler.after(delayMs, this.#session.candidate.main, () => {
      if (this.#timers.get(key) !== number) return
      this.#timers.delete(key)
      this.send({ type: 'timer', timer })
    })
  }

  #tellTaskManagers(
    effect: Extract<JobMasterEffect, { readonly type: 'prepareSlots' | 'deploy' | 'cancelAttempts' | 'toSlots' }>,
  ): void {
    const session = this.#session
    const job = this.#job
    switch (effect.type) {
      case 'prepareSlots':
        for (const [address, slots] of Map.groupBy(effect.slots, ({ taskManager }) => taskManager)) {
          session.command(address, { type: 'prepareSlots', job, slotIndexes: slots.map(({ slotIndex }) => slotIndex) })
        }
        break
      case 'deploy':
        this.#checkRestore(effect)
        for (const [address, entries] of Map.groupBy(effect.slots, ({ slot }) => slot.taskManager)) {
          const slots = entries.map(({ slot: { slotIndex }, jobSlot, subtasks }) => ({ slotIndex, jobSlot, subtasks }))
          const remoteSlots = remoteSlotsOf(effect.slots, address)
          session.command(address, { type: 'deploy', job, deploymentId: effect.deploymentId, slots, remoteSlots })
        }
        break
      case 'cancelAttempts':
        for (const [address, entries] of Map.groupBy(effect.attempts, ({ slot }) => slot.taskManager)) {
          const attemptIds = entries.map(({ attemptId }) => attemptId)
          session.command(address, { type: 'cancelAttempts', jobId: job.start.jobId, attemptIds })
        }
        break
      case 'toSlots':
        for (const [address, slots] of Map.groupBy(effect.slots, ({ taskManager }) => taskManager)) {
          const slotIndexes = slots.map(({ slotIndex }) => slotIndex)
          session.command(address, { type: 'toSlots', slotIndexes, message: effect.message })
        }
        break
    }
  }

  /** Checked where it still leads: one that has lost the claim meanwhile is not heard. */
  #checkRestore({ slots }: Extract<JobMasterEffect, { readonly type: 'deploy' }>): void {
    const { redis, rules } = this.#session.settings
    if (!redis.isCurrent(this.#session.token)) return
    for (const { subtasks } of slots) {
      for (const { restore } of subtasks) rules.deployed(restore?.checkpointId ?? 0)
    }
  }

  #ask<T>(what: string, command: () => T, answered: (answer: Answer<T>) => JobMasterMessage): void {
    this.#session.write(what, command, (answer) => this.send(answered(answer)))
  }

  #store(effect: JobMasterEffect): void {
    const { redis, mutation } = this.#session.settings
    const { token } = this.#session
    switch (effect.type) {
      case 'beginCheckpoint':
        this.#ask(
          'an id',
          () => redis.beginCheckpoint(token),
          (answer) =>
            answer.type === 'done'
              ? { type: 'checkpointBegun', id: answer.value }
              : { type: 'checkpointBeginFailed', error: storage },
        )
        break
      case 'completeCheckpoint': {
        const { id } = effect.record
        this.#ask(
          'a checkpoint',
          () => redis.completeCheckpoint(token, effect.record),
          (answer) =>
            answer.type === 'done'
              ? { type: 'checkpointCompleted', id }
              : { type: 'completionUndetermined', id, error: storage },
        )
        if (mutation === 'I8 completions are told before they are durable') {
          this.send({ type: 'checkpointCompleted', id })
        }
        break
      }
      case 'markCommitted': {
        const id = effect.checkpointId
        const mark = (): void => {
          redis.fence(token, 'a mark')
          redis.marked.add(id)
        }
        this.#ask('a mark', mark, (answer) =>
          answer.type === 'done' ? { type: 'markedCommitted', id } : { type: 'markFailed', id, error: storage },
        )
        break
      }
      case 'recordTransactions': {
        const { revision, ledger } = effect
        const record = (): void => {
          redis.fence(token, 'a ledger')
          redis.ledger = ledger
        }
        this.#ask('a ledger', record, (answer) =>
          answer.type === 'done'
            ? { type: 'transactionsRecorded', revision }
            : { type: 'transactionsNotRecorded', revision, error: storage },
        )
        break
      }
      default:
    }
  }
}

function isEnd(type: string): boolean {
  return type === 'finished' || type === 'failed' || type === 'canceled'
}
