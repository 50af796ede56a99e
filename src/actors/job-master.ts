import type { EnumeratorOf } from '../api/source.ts'
import { errorData, messageOf } from '../common/errors.ts'
import type { AttemptId } from '../common/ids.ts'
import type { Logger } from '../common/logger.ts'
import type { Ports } from '../common/ports.ts'
import { type Decision, type Moment, unreachable } from '../coordinator/decision.ts'
import { type AdoptedJob, adoptJob } from '../coordinator/job-master/adopt.ts'
import { decide } from '../coordinator/job-master/decide.ts'
import { remoteSlotsOf } from '../coordinator/job-master/deployment.ts'
import { assertInvariants } from '../coordinator/job-master/invariants.ts'
import {
  type JobRecord,
  type JobRecords,
  type RecordableSubmission,
  recordChanged,
  recordOf,
} from '../coordinator/job-master/job-record.ts'
import { type JobStatus, jobStatus } from '../coordinator/job-master/job-status.ts'
import type { JobMasterEffect, JobMasterMessage, JobTimer } from '../coordinator/job-master/messages.ts'
import { noMetrics, type ReportedMetrics, withReport } from '../coordinator/job-master/metrics.ts'
import { type JobMasterState, newJobMaster, type SlotAddress } from '../coordinator/job-master/state.ts'
import { isVacated, type Vacating, vacatingOf } from '../coordinator/job-master/vacating.ts'
import type { SlotJob } from '../coordinator/task-manager/state.ts'
import type { CheckpointStore } from '../state/checkpoint-store.ts'
import { clientReference, type JobMasterInbox, jobManagerReference, taskManagerReference } from './addresses.ts'
import { CheckpointStorage } from './checkpoint-storage.ts'
import { Enumerators } from './enumerators.ts'
import { KeyedTimers } from './keyed-timers.ts'
import { RecordedEffects } from './recorded-effects.ts'
import type { Actor, ActorContext, Sender } from './runtime/actor.ts'

/** What a JobMaster works with that is no data. */
export interface JobMasterResources {
  readonly ports: Ports
  readonly logger: Logger
  readonly checkpointStore: CheckpointStore | undefined
  /** Where the record of another run was restored from: for the checkpoint before it (R9). */
  readonly restoredStore: CheckpointStore | undefined
  /** Where the job's record stands for the next leader; undefined in one process, where none comes. */
  readonly records?: JobRecords | undefined
  readonly enumeratorOf: EnumeratorOf
}

export interface JobMasterStart {
  readonly submission: RecordableSubmission
  readonly client: string
  /** How the leader before has left the job; undefined: it is new. */
  readonly adopted?: Omit<AdoptedJob, 'token'>
}

/** What happens in this process only: it does not wait for the record. */
const unrecorded: ReadonlySet<JobMasterEffect['type']> = new Set(['setTimer', 'cancelTimer', 'log'])

/** The shell of one job: performs what `decide` says, and turns what comes of it into messages. */
export class JobMaster implements Actor<JobMasterInbox> {
  readonly #context: ActorContext<JobMasterInbox>
  readonly #resources: JobMasterResources
  readonly #client: string
  readonly #job: SlotJob
  readonly #storage: CheckpointStorage
  readonly #enumerators: Enumerators
  readonly #timers: KeyedTimers<JobTimer>
  readonly #submission: RecordableSubmission
  readonly #recorded: RecordedEffects | undefined
  /** Who waits for the answer to a request, by its id (R24). */
  readonly #askers = new Map<string, readonly Sender[]>()
  /** TaskManagers that want to leave (R29). */
  readonly #vacating: Vacating[] = []
  #handedOver = false
  #state: JobMasterState
  #metrics: ReportedMetrics = noMetrics
  #publishedStatus = ''

  constructor(context: ActorContext<JobMasterInbox>, start: JobMasterStart, resources: JobMasterResources) {
    const { submission, client, adopted } = start
    const { jobId, job, plan, blobStore } = submission
    this.#context = context
    this.#resources = resources
    this.#client = client
    this.#job = {
      start: { jobId, job, plan, blobStore },
      cancellationTimeoutMs: plan.configuration.cancellationTimeoutMs,
    }
    const tellSelf = (message: JobMasterMessage): void => {
      if (!this.#handedOver) context.tell(context.self, message)
    }
    const stores = { own: resources.checkpointStore, restored: resources.restoredStore }
    this.#storage = new CheckpointStorage(stores, tellSelf, resources.logger, () => context.stop())
    const { clock } = resources.ports
    this.#enumerators = new Enumerators(
      resources.enumeratorOf,
      { clock, logger: resources.logger, starts: resources.checkpointStore },
      tellSelf,
    )
    this.#timers = new KeyedTimers((delayMs, timer) => context.schedule(delayMs, { type: 'timer', timer }))
    this.#submission = submission
    this.#recorded = resources.records === undefined ? undefined : this.#recordIn(resources.records)
    const token = resources.ports.ids.unique()
    this.#state = newJobMaster({ leftTransactions: [], ...submission, token })
    if (adopted === undefined) tellSelf({ type: 'start' })
    else this.#adopt({ ...adopted, token })
  }

  receive(message: JobMasterInbox, sender: Sender): void {
    switch (message.type) {
      case 'metrics':
        this.#metrics = withReport(this.#metrics, message.slot, message.report)
        break
      case 'adopt':
      case 'adoptAgain':
        // It has no use for inventories: it leads this job already.
        break
      case 'vacate':
        this.#vacating.push(vacatingOf(this.#state, message.taskManager))
        this.#follow(decide(this.#state, { type: 'checkpointJob' }, this.#moment()), false)
        break
      default:
        if ('requestId' in message && message.requestId !== undefined) {
          this.#askers.set(message.requestId, [...(this.#askers.get(message.requestId) ?? []), sender])
        }
        this.#follow(decide(this.#state, message, this.#moment()), message.type === 'start')
        if (message.type === 'attempt' && isEnd(message.event.type)) {
          this.#acknowledgeEnds(sender.address, [message.event.attemptId])
        }
    }
    this.#tellVacated()
    this.#publish()
  }

  /** Nothing of it is left to do but to say so. */
  get hasEnded(): boolean {
    return this.#state.phase.type === 'ended'
  }

  /**
   * Ends it for another one to take the job over in this process; what has been decided and not performed is not
   * performed any more. Gives the record as it is then, for that one to write first.
   */
  async handOver(): Promise<JobRecord> {
    this.#handedOver = true
    const record = recordOf(this.#state, this.#submission, this.#moment())
    await this.ended()
    // What the store is doing has an outcome, which is to be found there.
    await this.#storage.idle()
    return record
  }

  /** Also where it has failed itself, so that the sources' connections are closed. */
  async ended(): Promise<void> {
    this.#recorded?.close()
    this.#timers.cancelAll()
    await this.#enumerators.close()
  }

  #adopt(job: AdoptedJob): void {
    this.#follow(adoptJob(job, this.#moment()), true)
    const { jobId } = this.#state.facts
    for (const { taskManager, slots } of job.inventories) {
      const attempts = slots.filter((slot) => slot.jobId === jobId).flatMap((slot) => slot.attempts)
      const ends = attempts.filter(({ state }) => isEnd(state)).map(({ attemptId }) => attemptId)
      if (ends.length > 0) this.#acknowledgeEnds(taskManager, ends)
    }
    this.#publish()
  }

  /** How an attempt has ended is remembered by its TaskManager until it stands in the record (R23 c). */
  #acknowledgeEnds(taskManager: string, attemptIds: readonly AttemptId[]): void {
    const { jobId } = this.#state.facts
    this.#recorded?.perform(() =>
      this.#context.tell(taskManagerReference(taskManager), { type: 'endsAcknowledged', jobId, attemptIds }),
    )
  }

  /** R29: the JobManager lets a TaskManager go when this job can go on elsewhere. */
  #tellVacated(): void {
    const { jobId } = this.#state.facts
    for (const vacating of this.#vacating.filter((candidate) => isVacated(this.#state, candidate))) {
      const { taskManager } = vacating
      this.#vacating.splice(this.#vacating.indexOf(vacating), 1)
      this.#context.tell(jobManagerReference, { type: 'vacated', taskManager, jobId })
    }
  }

  #recordIn(records: JobRecords): RecordedEffects {
    const { logger, ports } = this.#resources
    return new RecordedEffects({
      records,
      clock: ports.clock,
      record: () => recordOf(this.#state, this.#submission, this.#moment()),
      warn: (error) =>
        logger.warn({ error: errorData(error) }, `the job's record was not written, tried again: ${messageOf(error)}`),
      fenced: () => this.#context.stop(),
    })
  }

  /** Takes the step over; what follows from it is done when the record of it is durable (R3, R23 a). */
  #follow({ state, effects }: Decision<JobMasterState, JobMasterEffect>, isFirst: boolean): void {
    assertInvariants(state)
    const change = isFirst ? 'now' : recordChanged(this.#state, state)
    this.#state = state
    if (change === 'now') this.#recorded?.changed()
    if (change === 'later') this.#recorded?.changedForLater()
    for (const effect of effects) {
      if (this.#recorded === undefined || unrecorded.has(effect.type)) this.#perform(effect)
      else this.#recorded.perform(() => this.#perform(effect))
    }
  }

  #moment(): Moment {
    const { clock, random } = this.#resources.ports
    return { epochMs: clock.now(), monotonicMs: clock.monotonicMs(), random: random.next() }
  }

  #perform(effect: JobMasterEffect): void {
    switch (effect.type) {
      case 'requestSlots': {
        const { jobId } = this.#state.facts
        this.#context.tell(jobManagerReference, { type: 'requestSlots', jobId, count: effect.count })
        return
      }
      case 'answerRequest':
        for (const asker of this.#askers.get(effect.requestId) ?? []) asker.answer(effect.answer)
        this.#askers.delete(effect.requestId)
        return
      case 'prepareSlots':
      case 'deploy':
      case 'cancelAttempts':
      case 'toSlots':
        this.#tellTaskManagers(effect)
        return
      case 'locateSplits':
        void this.#enumerators.locate(effect)
        return
      case 'discoverSplits':
        void this.#enumerators.discover(effect.vertexId, effect.knownIds)
        return
      case 'tellEnumerator':
        void this.#enumerators.checkpointCompleted(effect.vertexId, effect.splits)
        return
      case 'beginCheckpoint':
        this.#storage.begin()
        return
      case 'completeCheckpoint':
        this.#storage.complete(effect.record, effect.repeated)
        return
      case 'markCommitted':
        this.#storage.markCommitted(effect.checkpointId)
        return
      case 'recordTransactions':
        this.#storage.recordTransactions(effect.revision, effect.ledger)
        return
      case 'markRestoredCommitted':
        this.#storage.markRestored(effect.checkpointId)
        return
      case 'retainCheckpoints':
        this.#storage.retain(effect.retained)
        return
      case 'readPreviousCheckpoint':
        this.#storage.readPrevious(effect.region, effect.point)
        return
      case 'setTimer':
        this.#timers.set(effect.timer, effect.delayMs)
        return
      case 'cancelTimer':
        this.#timers.cancel(effect.timer)
        return
      case 'log':
        this.#resources.logger[effect.level]({}, effect.text)
        return
      case 'jobEnded':
        void this.#end()
        return
      default:
        unreachable(effect)
    }
  }

  #tellTaskManagers(
    effect: Extract<JobMasterEffect, { readonly type: 'prepareSlots' | 'deploy' | 'cancelAttempts' | 'toSlots' }>,
  ): void {
    const job = this.#job
    switch (effect.type) {
      case 'prepareSlots':
        for (const [address, slots] of byTaskManager(effect.slots, (slot) => slot)) {
          const slotIndexes = slots.map((slot) => slot.slotIndex)
          this.#context.tell(taskManagerReference(address), { type: 'prepareSlots', job, slotIndexes })
        }
        return
      case 'deploy':
        for (const [address, entries] of byTaskManager(effect.slots, (entry) => entry.slot)) {
          const { deploymentId } = effect
          const slots = entries.map(({ slot: { slotIndex }, jobSlot, subtasks }) => ({ slotIndex, jobSlot, subtasks }))
          const remoteSlots = remoteSlotsOf(effect.slots, address)
          this.#context.tell(taskManagerReference(address), { type: 'deploy', job, deploymentId, slots, remoteSlots })
        }
        return
      case 'cancelAttempts':
        for (const [address, entries] of byTaskManager(effect.attempts, (entry) => entry.slot)) {
          const attemptIds = entries.map((entry) => entry.attemptId)
          const { jobId } = job.start
          this.#context.tell(taskManagerReference(address), { type: 'cancelAttempts', jobId, attemptIds })
        }
        return
      case 'toSlots':
        for (const [address, slots] of byTaskManager(effect.slots, (slot) => slot)) {
          const slotIndexes = slots.map((slot) => slot.slotIndex)
          this.#context.tell(taskManagerReference(address), { type: 'toSlots', slotIndexes, message: effect.message })
        }
        return
    }
  }

  /** The client has its result when everything that was to be written is written. */
  async #end(): Promise<void> {
    this.#timers.cancelAll()
    const { facts, phase } = this.#state
    const outcome = phase.type === 'ended' ? { outcome: phase.outcome } : {}
    this.#context.tell(jobManagerReference, { type: 'jobEnded', jobId: facts.jobId, ...outcome })
    if (phase.type === 'ended') this.#storage.ended(phase.outcome)
    await this.#storage.idle()
    await this.#enumerators.close()
    this.#context.tell(clientReference(this.#client), { type: 'ended', status: this.#status() })
    this.#context.stop()
  }

  #status(): JobStatus {
    return jobStatus(this.#state, this.#metrics)
  }

  /** Only what has changed: most messages change nothing that a person sees. */
  #publish(): void {
    const status = this.#status()
    const text = JSON.stringify(status)
    if (text === this.#publishedStatus || this.#state.phase.type === 'ended') return
    this.#publishedStatus = text
    this.#context.tell(clientReference(this.#client), { type: 'status', status })
  }
}

function isEnd(type: string): boolean {
  return type === 'finished' || type === 'failed' || type === 'canceled'
}

function byTaskManager<T>(entries: readonly T[], slotOf: (entry: T) => SlotAddress): ReadonlyMap<string, readonly T[]> {
  return Map.groupBy(entries, (entry) => slotOf(entry).taskManager)
}
