import { MillraceError } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'

/** The keys of a cluster's control plane: under one hash tag, so that one script can touch any of them. */
export interface ControlKeys {
  /** `mr:{<clusterId>}:` */
  readonly prefix: string
  readonly lease: string
  /** The token of the leader: `<nanoid>:<epoch>`. KEYS[1] of each fenced script. */
  readonly leader: string
  readonly epoch: string
  /** Another one where Redis has lost its data (I12). */
  readonly incarnation: string
  /** Set of incarnations whose loss was accepted (R25). */
  readonly acceptedLosses: string
  readonly leaderAddress: string
  readonly leaderInbox: string
  readonly taskManagers: string
  readonly jobs: string
  inbox(taskManagerId: string): string
  job(jobId: JobId): string
  bundle(sha256: string): string
  /** Counters, marks, starts and the ledger of a job's checkpoints. */
  checkpoints(jobId: JobId): string
  checkpointRecords(jobId: JobId): string
  checkpointGarbage(jobId: JobId): string
  /** When a job was first found of which there are blobs and that nobody knows (R10). */
  readonly unknownJobs: string
}

/** @throws MillraceError MR_CONFIGURATION where the id could be taken for a part of a key */
export function controlKeys(clusterId: string): ControlKeys {
  if (!/^[\w.-]+$/.test(clusterId)) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      `high-availability.cluster-id: ${JSON.stringify(clusterId)} is not allowed; it takes letters, digits, '.', '_' and '-'`,
    )
  }
  const prefix = `mr:{${clusterId}}:`
  return {
    prefix,
    lease: `${prefix}lease`,
    leader: `${prefix}leader`,
    epoch: `${prefix}epoch`,
    incarnation: `${prefix}incarnation`,
    acceptedLosses: `${prefix}accepted-losses`,
    leaderAddress: `${prefix}leader-address`,
    leaderInbox: `${prefix}inbox:leader`,
    taskManagers: `${prefix}taskmanagers`,
    jobs: `${prefix}jobs`,
    inbox: (taskManagerId) => `${prefix}inbox:${taskManagerId}`,
    job: (jobId) => `${prefix}job:${jobId}`,
    bundle: (sha256) => `${prefix}bundle:${sha256}`,
    checkpoints: (jobId) => `${prefix}job:${jobId}:checkpoints`,
    checkpointRecords: (jobId) => `${prefix}job:${jobId}:checkpoints:records`,
    checkpointGarbage: (jobId) => `${prefix}job:${jobId}:checkpoints:garbage`,
    unknownJobs: `${prefix}unknown-jobs`,
  }
}
