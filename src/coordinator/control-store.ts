import type { JobId, LeaderToken } from '../common/ids.ts'

/**
 * What a cluster remembers of itself: jobs, TaskManagers, bundles. Each write is fenced by the leader's token and durable
 * when it resolves (I1, R3). Two implementations: in memory for tests, and Redis; one conformance suite holds both.
 *
 * Every write throws MillraceError MR_FENCED where this leader may not write any more, and MR_REDIS_UNDETERMINED where
 * it is not known whether it was done: the leader then stands by and claims again (R3).
 */
export interface ControlStore {
  /** All stored jobs, in no order. */
  jobs(): Promise<readonly StoredJob[]>
  /**
   * Writes a job's record and gives its new revision. `expectedRevision`: the one that this leader has read or written
   * last, 0 for a new job. A write of this same leader whose answer was lost does not count as another's.
   * @throws MillraceError MR_REVISION_MISMATCH where the store holds another one: it has lost data (R25)
   */
  writeJob(jobId: JobId, expectedRevision: number, record: object): Promise<number>
  /** Removes the record; without effect where there is none. */
  removeJob(jobId: JobId): Promise<void>
  /** All registered TaskManagers, in no order. */
  taskManagers(): Promise<readonly RegisteredTaskManager[]>
  /** Registers a TaskManager, or changes what is known of it; its inbox is there when this resolves. */
  writeTaskManager(entry: RegisteredTaskManager): Promise<void>
  /** Forgets a TaskManager and deletes its inbox: one that lives on notices that (R22). */
  removeTaskManager(id: string): Promise<void>
  /** Keeps the bundle of a job by its content. @throws MillraceError MR_JOB_BUNDLE where the SHA-256 is another one's */
  putBundle(sha256: string, bytes: Uint8Array): Promise<void>
  /** @throws MillraceError MR_JOB_BUNDLE where there is none, or it is damaged */
  bundle(sha256: string): Promise<Buffer>
  /** Without effect where there is none. The caller knows that no job needs it. */
  removeBundle(sha256: string): Promise<void>
}

export interface StoredJob {
  readonly jobId: JobId
  /** Counts the writes. */
  readonly revision: number
  /** A JobRecord of src/coordinator/job-master/job-record.ts, as plain JSON. */
  readonly record: unknown
}

/** A TaskManager process in one of its lives. */
export interface RegisteredTaskManager {
  /** A nanoid, a new one each life of its process. */
  readonly id: string
  readonly slots: number
  /** `host:port` where it takes connections of other TaskManagers. */
  readonly dataAddress: string
  /** For people. */
  readonly host: string
  readonly pid: number
}

/** What a write needs of the one who leads. */
export interface LeaderAuthority {
  readonly token: LeaderToken
  /** Whether the lease has not ended: past its deadline nothing is even sent (I3). */
  isValid(): boolean
}
