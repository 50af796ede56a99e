import type { ErrorData } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { Logger } from '../common/logger.ts'
import { decide } from '../coordinator/job-manager/decide.ts'
import {
  type JobManagerEffect,
  type JobManagerMessage,
  type JobManagerState,
  newJobManager,
  type Submission,
} from '../coordinator/job-manager/state.ts'
import { jobStatus } from '../coordinator/job-master/job-status.ts'
import { noMetrics } from '../coordinator/job-master/metrics.ts'
import { newJobMaster } from '../coordinator/job-master/state.ts'
import { clientReference, type JobMasterInbox, jobMasterReference, taskManagerReference } from './addresses.ts'
import type { JobManagerCluster } from './cluster-ports.ts'
import { JobManagerMembers, type StoredRecords } from './job-manager-members.ts'
import type { Actor, ActorContext, Behaviour, EndedActor, Interruption } from './runtime/actor.ts'

/** `fresh`: in one process. `adopted`: from a record in the durable store, which is also how submissions begin on a cluster (R23, R24). */
export type StartedJob =
  | { readonly type: 'fresh'; readonly submission: Submission; readonly client: string }
  | {
      readonly type: 'adopted'
      readonly jobId: JobId
      /** Of src/coordinator/job-master/job-record.ts, as it was read or written. */
      readonly record: unknown
      readonly records: StoredRecords
      readonly client: string
    }

/** Makes the JobMaster of a job, with the resources of its process. */
export type StartJobMaster = (job: StartedJob) => Behaviour<JobMasterInbox>

export interface JobManagerOptions {
  /** `slot.request.timeout`: 0 where no TaskManager can come later, as in one process. */
  readonly slotRequestTimeoutMs: number
  readonly startJobMaster: StartJobMaster
  /** undefined: everything is in one process. */
  readonly cluster?: JobManagerCluster & { readonly logger: Logger }
}

/** The shell of the cluster's coordinator: starts a JobMaster a job, and hands out slots. */
export class JobManager implements Actor<JobManagerMessage> {
  readonly #context: ActorContext<JobManagerMessage>
  readonly #startJobMaster: StartJobMaster
  /** Running jobs by the address of their JobMaster. */
  readonly #jobs = new Map<string, StartedJob>()
  readonly #members: JobManagerMembers | undefined
  /** What came before the durable store was read; undefined: it is read. */
  #early: JobManagerMessage[] | undefined
  #state: JobManagerState

  constructor(context: ActorContext<JobManagerMessage>, options: JobManagerOptions) {
    const { slotRequestTimeoutMs, startJobMaster, cluster } = options
    this.#context = context
    this.#startJobMaster = startJobMaster
    this.#state = newJobManager(slotRequestTimeoutMs, cluster?.timeouts)
    if (cluster === undefined) return
    this.#early = []
    this.#members = new JobManagerMembers(context, cluster, cluster.logger)
    void this.#members.lead()
  }

  receive(message: JobManagerMessage): void {
    if (this.#early !== undefined && message.type !== 'lead') {
      this.#early.push(message)
      return
    }
    // On a cluster heartbeats tell who lives.
    if (message.type === 'registerTaskManager' && this.#members === undefined) {
      this.#context.watch({ address: message.taskManager })
    }
    const { state, effects } = decide(this.#state, message)
    this.#state = state
    for (const effect of effects) this.#perform(effect)
    const early = this.#early ?? []
    this.#early = undefined
    for (const waiting of early) this.receive(waiting)
  }

  interrupted({ from }: Interruption): void {
    if (this.#members !== undefined) this.receive({ type: 'interrupted', taskManager: from })
  }

  ended(): void {
    this.#members?.end()
  }

  watchedEnded(ended: EndedActor): void {
    const job = this.#jobs.get(ended.address)
    if (job === undefined) {
      this.receive({ type: 'taskManagerLost', taskManager: ended.address })
      return
    }
    this.#jobs.delete(ended.address)
    // An ordinary end was reported by the JobMaster itself; that message may still wait here.
    if (ended.error === undefined)
      this.#context.tell(this.#context.self, { type: 'jobMasterGone', jobId: jobIdOf(job) })
    else this.#jobMasterFailed(job, ended.error)
  }

  #perform(effect: JobManagerEffect): void {
    switch (effect.type) {
      case 'startJobMaster': {
        const { submission, client } = effect
        this.#start({ type: 'fresh', submission, client })
        return
      }
      case 'adoptJob': {
        const led = this.#members?.takeJob(effect.jobId)
        if (led !== undefined) this.#start({ type: 'adopted', ...led, client: `client/${effect.jobId}` })
        return
      }
      case 'recordJob':
        void this.#members?.recordJob(effect.submission, effect.requestId)
        return
      case 'submitted':
        this.#context.tell(clientReference(effect.client), { type: 'submitted', jobId: effect.jobId })
        return
      case 'grantSlots':
        this.#tellJobMaster(effect.jobId, { type: 'slotsGranted', slots: effect.slots })
        return
      case 'refuseSlots': {
        const { required, available } = effect
        this.#tellJobMaster(effect.jobId, { type: 'slotsRefused', required, available })
        return
      }
      case 'tellJobMaster': {
        const error: ErrorData = { code: 'MR_SLOT_LOST', message: `the TaskManager ${effect.lost} has failed` }
        this.#tellJobMaster(effect.jobId, { type: 'taskManagerLost', taskManager: effect.lost, error })
        return
      }
      case 'releaseSlots':
        for (const [address, slots] of Map.groupBy(effect.slots, (slot) => slot.taskManager)) {
          const slotIndexes = slots.map((slot) => slot.slotIndex)
          const { jobId } = effect
          this.#context.tell(taskManagerReference(address), { type: 'releaseSlots', jobId, slotIndexes })
        }
        return
      case 'setTimer':
        this.#context.schedule(effect.delayMs, {
          type: 'slotRequestTimeout',
          jobId: effect.jobId,
          request: effect.request,
        })
        return
      default:
        this.#members?.perform(effect)
    }
  }

  #start(job: StartedJob): void {
    const { address } = jobMasterReference(jobIdOf(job))
    this.#jobs.set(address, job)
    this.#context.spawn(address, this.#startJobMaster(job))
  }

  #tellJobMaster(jobId: JobId, message: JobMasterInbox): void {
    this.#context.tell(jobMasterReference(jobId), message)
  }

  /** A bug in the JobMaster: its job has failed, and its slots are emptied. */
  #jobMasterFailed(job: StartedJob, error: ErrorData): void {
    const jobId = jobIdOf(job)
    if (job.type === 'fresh') {
      const state = newJobMaster({ ...job.submission, token: '' })
      const failed = { ...state, phase: { type: 'ended', outcome: 'FAILED', error } } as const
      this.#context.tell(clientReference(job.client), { type: 'ended', status: jobStatus(failed, noMetrics) })
    }
    this.receive({ type: 'jobEnded', jobId })
  }
}

function jobIdOf(job: StartedJob): JobId {
  return job.type === 'fresh' ? job.submission.jobId : job.jobId
}
