import type { ErrorData } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { JsonValue } from '../common/json.ts'
import type { CheckpointSummary } from '../coordinator/checkpoints/state.ts'
import type { JobState, JobStatus } from '../coordinator/job-master/job-status.ts'
import type { JobPlan } from '../graph/job-graph.ts'

/**
 * What a leading process offers to its REST server. A promise that resolves says that the answer will outlive this
 * leader; one that leads no more rejects with a retryable error, and the client asks again with the same `requestId`.
 */
export interface ClusterGateway {
  /**
   * Resolves when the job is durable (R24); repeating a `requestId` gives the first answer, whoever leads by then.
   * @throws MillraceError MR_CONFIGURATION, MR_CHECKPOINT_NOT_FOUND where the request can not be carried out
   */
  submit(request: SubmitRequest): Promise<JobId>
  /** In order of submission; ended ones too, as long as they are known. */
  jobs(): Promise<readonly ClusterJob[]>
  /** @throws MillraceError MR_JOB_NOT_FOUND */
  job(jobId: JobId): Promise<ClusterJob>
  /** No last checkpoint; one that has ended stays as it is. @throws MillraceError MR_JOB_NOT_FOUND */
  cancel(jobId: JobId, requestId: string): Promise<void>
  /** One last checkpoint, no final watermark (R12). @throws MillraceError MR_JOB_NOT_FOUND */
  suspend(jobId: JobId, requestId: string): Promise<void>
  /** The sources end, all windows fire. @throws MillraceError MR_JOB_NOT_FOUND */
  drain(jobId: JobId, requestId: string): Promise<void>
  taskManagers(): Promise<readonly ClusterTaskManager[]>
  /** What a TaskManager has logged from this byte on. @throws MillraceError MR_TASK_MANAGER_NOT_FOUND */
  log(taskManagerId: string, fromByte: number): Promise<LogPart>
}

/** A job as its client has evaluated it (R27), with what the slots import. */
export interface SubmitRequest {
  /** Of the client's making, one a submission (R24). */
  readonly requestId: string
  /** Text of one ES module (R40). */
  readonly bundle: Buffer
  readonly plan: JobPlan
  readonly arguments: readonly string[]
  /** As the client has resolved it, without secrets of the client itself. */
  readonly configuration: Readonly<Record<string, JsonValue>>
  readonly restore?: RestoreRequest
}

export interface RestoreRequest {
  /** `latest` of the job's name, the id of a job, such an id with `/chk-<n>`, or a path. */
  readonly from: string
  /** An older checkpoint than the newest is allowed, though its output is published (R9). */
  readonly acceptDuplicates: boolean
}

/** A job with what was seen of it so far by the process that leads now. */
export interface ClusterJob {
  readonly plan: JobPlan
  readonly status: JobStatus
  /** When it was submitted, epoch milliseconds. */
  readonly startedAt: number
  /** undefined: it has not ended. */
  readonly endedAt: number | undefined
  /** When it was last seen to come into a state, epoch milliseconds. */
  readonly stateTimes: Readonly<Partial<Record<JobState, number>>>
  /** The newest first, not all. */
  readonly checkpoints: readonly ObservedCheckpoint[]
  /** Failures of the job and of its checkpoints, the newest first, not all. */
  readonly failures: readonly ObservedFailure[]
}

export interface ObservedCheckpoint extends CheckpointSummary {
  /** Subtasks of the job. */
  readonly subtasks: number
}

export interface ObservedFailure {
  readonly error: ErrorData
  /** Epoch milliseconds. */
  readonly at: number
}

export interface ClusterTaskManager {
  /** The nanoid of its address. */
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Where its data network listens; empty: nowhere. */
  readonly dataAddress: string
  readonly slots: number
  readonly freeSlots: number
  /** Epoch milliseconds. */
  readonly lastHeartbeatAt: number
  readonly managedMemoryBytes: number
  readonly heapLimitBytes: number
}

export interface LogPart {
  readonly text: string
  /** Where the next part begins. */
  readonly nextByte: number
}

/** It does not change any more. */
export function hasEnded({ state }: JobStatus): boolean {
  return state === 'FINISHED' || state === 'CANCELED' || state === 'FAILED' || state === 'SUSPENDED'
}
