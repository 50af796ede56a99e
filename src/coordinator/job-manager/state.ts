import type { JobId } from '../../common/ids.ts'
import type { JobPlan } from '../../graph/job-graph.ts'
import type { TransactionLedger } from '../../state/transaction-ledger.ts'
import type { BlobStoreReference, JobReference } from '../../task/slot-protocol.ts'
import type { GrantedSlot, JobOutcome, SlotAddress } from '../job-master/state.ts'
import type { RestorePoint } from '../restore.ts'
import {
  type Membership,
  type MembershipEffect,
  type MembershipMessage,
  type MembershipTimeouts,
  newMembership,
} from './membership.ts'

/** What a client submits: a graph as data, with the bundle that the slots run (R27). */
export interface Submission {
  readonly jobId: JobId
  readonly plan: JobPlan
  readonly job: JobReference
  readonly blobStore: BlobStoreReference
  readonly hasCheckpointStore: boolean
  readonly restore: RestorePoint | undefined
  /** Transactional ids that earlier runs and processes may have left open (R16). */
  readonly leftTransactions: TransactionLedger
}

/** The jobs and slots of a cluster. Plain data, changed by `decide` alone. */
export interface JobManagerState {
  readonly jobs: readonly KnownJob[]
  readonly slots: readonly KnownSlot[]
  /** In order of arrival. */
  readonly waiting: readonly SlotRequest[]
  /** `slot.request.timeout`: 0 where no TaskManager can come later, as in one process. */
  readonly slotRequestTimeoutMs: number
  /** Requests for slots so far. */
  readonly requests: number
  /** undefined: everything is in one process, where nobody comes or goes unseen. */
  readonly membership: Membership | undefined
}

export interface KnownJob {
  readonly jobId: JobId
  /** Of the submission: repeating it gives the first answer (R24). */
  readonly requestId: string
  readonly running: boolean
  /** How it ended; undefined: it has not, or nobody can say. */
  readonly outcome?: JobOutcome
  /** Submissions that wait until the record is durable: their clients are answered then (R24). */
  readonly recording?: { readonly clients: readonly string[] }
}

export interface KnownSlot {
  readonly address: SlotAddress
  /** Of its TaskManager. */
  readonly dataAddress: string
  /** undefined: free. */
  readonly jobId: JobId | undefined
  /** Its job has ended, its thread not yet (R32). */
  readonly releasing: boolean
}

export interface SlotRequest {
  readonly number: number
  readonly jobId: JobId
  readonly count: number
}

export type JobManagerMessage =
  | {
      readonly type: 'registerTaskManager'
      readonly taskManager: string
      readonly numberOfSlots: number
      /** Where its data network listens (R28); empty where there is none. */
      readonly dataAddress: string
      readonly host: string
      readonly pid: number
    }
  | MembershipMessage
  | { readonly type: 'taskManagerLost'; readonly taskManager: string }
  | { readonly type: 'submitJob'; readonly requestId: string; readonly client: string; readonly submission: Submission }
  /** The job's first record is durable (R24). */
  | { readonly type: 'jobRecorded'; readonly jobId: JobId }
  /** Nobody knows the job: its record was not written. */
  | { readonly type: 'jobNotRecorded'; readonly jobId: JobId }
  | { readonly type: 'requestSlots'; readonly jobId: JobId; readonly count: number }
  | { readonly type: 'jobEnded'; readonly jobId: JobId; readonly outcome?: JobOutcome }
  /** Its JobMaster was stopped, and has not failed. */
  | { readonly type: 'jobMasterGone'; readonly jobId: JobId }
  | { readonly type: 'slotFreed'; readonly slot: SlotAddress; readonly jobId: JobId }
  | { readonly type: 'slotRequestTimeout'; readonly jobId: JobId; readonly request: number }

export type JobManagerEffect =
  | MembershipEffect
  | { readonly type: 'startJobMaster'; readonly submission: Submission; readonly client: string }
  /** Writes the job's first record, then `jobRecorded`. */
  | {
      readonly type: 'recordJob'
      readonly submission: Submission
      readonly requestId: string
      readonly client: string
    }
  | { readonly type: 'submitted'; readonly client: string; readonly jobId: JobId }
  | { readonly type: 'grantSlots'; readonly jobId: JobId; readonly slots: readonly GrantedSlot[] }
  | { readonly type: 'refuseSlots'; readonly jobId: JobId; readonly required: number; readonly available: number }
  | { readonly type: 'tellJobMaster'; readonly jobId: JobId; readonly lost: string }
  /** The job has ended; each slot comes back by `slotFreed`. */
  | { readonly type: 'releaseSlots'; readonly jobId: JobId; readonly slots: readonly SlotAddress[] }
  | { readonly type: 'setTimer'; readonly jobId: JobId; readonly request: number; readonly delayMs: number }

/** `timeouts` undefined: everything is in one process. */
export function newJobManager(slotRequestTimeoutMs: number, timeouts?: MembershipTimeouts): JobManagerState {
  const membership = timeouts === undefined ? undefined : newMembership(timeouts)
  return { jobs: [], slots: [], waiting: [], slotRequestTimeoutMs, requests: 0, membership }
}

export function isRunning(state: JobManagerState, jobId: JobId): boolean {
  return state.jobs.some((job) => job.jobId === jobId && job.running)
}
