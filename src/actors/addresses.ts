import type { JobId } from '../common/ids.ts'
import type { JobManagerMessage } from '../coordinator/job-manager/state.ts'
import type { JobStatus } from '../coordinator/job-master/job-status.ts'
import type { JobMasterMessage } from '../coordinator/job-master/messages.ts'
import type { Inventory } from '../coordinator/task-manager/inventory.ts'
import type { MembershipMessage } from '../coordinator/task-manager/membership.ts'
import type { TaskManagerMessage } from '../coordinator/task-manager/state.ts'
import type { FromSlot } from '../task/slot-protocol.ts'
import type { ActorReference } from './runtime/actor.ts'

export const jobManagerReference: ActorReference<JobManagerMessage> = { address: 'job-manager' }

export function taskManagerReference(address: string): ActorReference<TaskManagerInbox> {
  return { address }
}

export function jobMasterReference(jobId: JobId): ActorReference<JobMasterInbox> {
  return { address: `job-master/${jobId}` }
}

export function clientReference(address: string): ActorReference<ClientMessage> {
  return { address }
}

export type TaskManagerInbox = TaskManagerMessage | MembershipMessage

/** Counts do not change what is decided, so they go past `decide`. */
export type JobMasterInbox =
  | JobMasterMessage
  /**
   * All TaskManagers that are there have said what they have: a JobMaster that waits for it takes its job over (R23).
   * `request`: of its `inventoriesWanted`; 0: it has not asked.
   */
  | { readonly type: 'adopt'; readonly request?: number; readonly inventories: readonly Inventory[] }
  /** Messages between it and a TaskManager may be lost: it asks for inventories, and takes its job over anew (R22). */
  | { readonly type: 'adoptAgain' }
  /** The TaskManager wants to leave: `vacated` to the JobManager when a checkpoint taken from now on has completed (R29). */
  | { readonly type: 'vacate'; readonly taskManager: string }
  | {
      readonly type: 'metrics'
      readonly slot: string
      readonly report: Extract<FromSlot, { readonly type: 'metrics' }>
    }

/** What the client of a job is told. The last one has an ended state. */
export type ClientMessage =
  | { readonly type: 'submitted'; readonly jobId: JobId }
  | { readonly type: 'status'; readonly status: JobStatus }
  /** The final status; everything of the job that was to be written is written. */
  | { readonly type: 'ended'; readonly status: JobStatus }
