import type { ErrorData } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import type { ControlStore, StoredJob } from '../coordinator/control-store.ts'
import type { LedJob, MembershipTimeouts } from '../coordinator/job-manager/membership.ts'
import type { Submission } from '../coordinator/job-manager/state.ts'
import type { ObeyedLeader } from './obeyed-leader.ts'

/** What a JobManager has that leads TaskManagers of other processes. */
export interface JobManagerCluster {
  readonly clock: Clock
  readonly timeouts: MembershipTimeouts
  readonly store: ControlStore
  /** The record of a job that was just submitted. */
  newRecord(submission: Submission, requestId: string): object
  /** What a JobManager has to know of a stored job. */
  readJob(stored: StoredJob): LedJob
  /** Empties the stores of a job whose checkpoints are not kept (R14), before its record goes. */
  removeState?(jobId: StoredJob['jobId']): Promise<void>
  /** When a read of the inbox last returned, empty or not (monotonic): only time in which reads return counts (R26). */
  inboxReadAtMs(): number
  /** Up to where this process has handled its own stream; undefined: there is none to trim. */
  ownPosition(): string | undefined
  /** Removes what was handled of a stream: a TaskManager's, or `leader`. */
  trim(taskManagerId: string, lowestKept: string): Promise<void>
  /** This process leads no more, or does not know any more what it has written: it stands by, and claims again (R3). */
  onFenced(): void
  /** A TaskManager obeys another leader: it claims again above that epoch (I4). */
  onSuperseded(token: string): void
  /** Whether nothing listens there: the process is dead. Never waits long. */
  connectionRefused?(dataAddress: string): Promise<boolean>
}

/** What a TaskManager has whose leader is in another process, and changes. */
export interface TaskManagerCluster {
  /** `heartbeat.interval` */
  readonly heartbeatIntervalMs: number
  readonly host: string
  readonly pid: number
  /** Also asked by the transport of the process. */
  readonly obeyed: ObeyedLeader
  /** Up to where this process has handled its stream. */
  position(): string
  /** Whether this process's stream is still there: it is deleted with a TaskManager that was declared lost (R22). */
  inboxExists(): Promise<boolean>
  /** The process has to end, for its supervisor to start it anew under a new id. */
  giveUp(error: ErrorData): void
  /** The process may end (R29); `clean` false: its slots were not empty yet. */
  left(clean: boolean): void
}

/** Whether a failed write means that another one leads, or that it is not known who wrote what (R3, R25). */
export function endsLeadership(code: string): boolean {
  return code === 'MR_FENCED' || code === 'MR_REVISION_MISMATCH' || code === 'MR_REDIS_UNDETERMINED'
}
