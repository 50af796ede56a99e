import type { ErrorData } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import { unreachable } from '../coordinator/decision.ts'
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
import type { Actor, ActorContext, Behaviour, EndedActor } from './runtime/actor.ts'

/** Makes the JobMaster of a job, with the resources of its process. */
export type StartJobMaster = (submission: Submission, client: string) => Behaviour<JobMasterInbox>

/** The shell of the cluster's coordinator: starts a JobMaster a job, and hands out slots. */
export class JobManager implements Actor<JobManagerMessage> {
  readonly #context: ActorContext<JobManagerMessage>
  readonly #startJobMaster: StartJobMaster
  /** Running jobs by the address of their JobMaster. */
  readonly #jobs = new Map<string, { readonly submission: Submission; readonly client: string }>()
  #state: JobManagerState

  constructor(
    context: ActorContext<JobManagerMessage>,
    options: { readonly slotRequestTimeoutMs: number; readonly startJobMaster: StartJobMaster },
  ) {
    this.#context = context
    this.#startJobMaster = options.startJobMaster
    this.#state = newJobManager(options.slotRequestTimeoutMs)
  }

  receive(message: JobManagerMessage): void {
    if (message.type === 'registerTaskManager') this.#context.watch({ address: message.taskManager })
    const { state, effects } = decide(this.#state, message)
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  watchedEnded(ended: EndedActor): void {
    const job = this.#jobs.get(ended.address)
    if (job === undefined) {
      this.receive({ type: 'taskManagerLost', taskManager: ended.address })
      return
    }
    this.#jobs.delete(ended.address)
    // An ordinary end was reported by the JobMaster itself.
    if (ended.error !== undefined) this.#jobMasterFailed(job, ended.error)
  }

  #perform(effect: JobManagerEffect): void {
    switch (effect.type) {
      case 'startJobMaster': {
        const { submission, client } = effect
        const { address } = jobMasterReference(submission.jobId)
        this.#jobs.set(address, { submission, client })
        this.#context.spawn(address, this.#startJobMaster(submission, client))
        return
      }
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
        this.#context.schedule(effect.delayMs, { type: 'slotRequestTimeout', jobId: effect.jobId })
        return
      default:
        unreachable(effect)
    }
  }

  #tellJobMaster(jobId: JobId, message: JobMasterInbox): void {
    this.#context.tell(jobMasterReference(jobId), message)
  }

  /** A bug in the JobMaster: its job has failed, and its slots are emptied. */
  #jobMasterFailed({ submission, client }: { submission: Submission; client: string }, error: ErrorData): void {
    const state = newJobMaster({ ...submission, token: '' })
    const failed = { ...state, phase: { type: 'ended', outcome: 'FAILED', error } } as const
    this.#context.tell(clientReference(client), { type: 'ended', status: jobStatus(failed, noMetrics) })
    this.receive({ type: 'jobEnded', jobId: submission.jobId })
  }
}
