import { MillraceError } from '../../common/errors.ts'
import type { CheckpointId, JobId } from '../../common/ids.ts'
import { noCheckpoint } from '../../common/ids.ts'
import type { JobPlan } from '../../graph/job-graph.ts'
import type { TransactionLedger } from '../../state/transaction-ledger.ts'
import type { BlobStoreReference, JobReference } from '../../task/slot-protocol.ts'
import type { CheckpointSummary } from '../checkpoints/state.ts'
import type { Moment } from '../decision.ts'
import type { RestartState } from '../restart-strategies.ts'
import type { RestorePoint } from '../restore.ts'
import type { AnsweredRequest } from './requests.ts'
import type {
  GrantedSlot,
  JobMasterState,
  JobPhase,
  RegionExecution,
  RestoredCommits,
  SourceCoordination,
  SubtaskExecution,
} from './state.ts'

/**
 * A job as it stands in the durable store: what a new leader needs to go on where the old one was (R23). Plain JSON.
 * What is lost with a leader is not in it: an open checkpoint, timers, and what stands in the checkpoint store.
 */
export interface JobRecord {
  readonly formatVersion: 1
  /** Of the JobMaster that wrote it. */
  readonly token: string
  readonly submission: RecordedSubmission
  /** Requests of clients with their answers (R24). */
  readonly requests: readonly AnsweredRequest[]
  readonly phase: JobPhase
  readonly draining: boolean
  /** By the job's own slot number; null: it was lost, and another one is asked for. */
  readonly slots: readonly (GrantedSlot | null)[]
  /** By index in ExecutionGraph.subtasks. */
  readonly subtasks: readonly RecordedSubtask[]
  /** By index in ExecutionGraph.regions. */
  readonly regions: readonly RecordedRegion[]
  readonly sources: readonly SourceCoordination[]
  /** Its times are of the wall clock. */
  readonly restartState: RestartState
  readonly restarts: number
  readonly lastFailure: JobMasterState['lastFailure'] | null
  readonly restoredCommits: RestoredCommits
  readonly transactions: RecordedTransactions
  readonly checkpoints: RecordedCheckpoints
}

export interface RecordedSubmission {
  readonly jobId: JobId
  readonly plan: JobPlan
  readonly job: JobReference
  readonly blobStore: BlobStoreReference
  readonly hasCheckpointStore: boolean
  /** The checkpoint of another run that the job was started from. */
  readonly restored: RestoreReference | null
  /** Of the request to submit it: repeating that gives this job (R24). */
  readonly requestId: string | null
}

/** A completed checkpoint, by where its record stands. */
export interface RestoreReference {
  /** Of the run that the record is of. */
  readonly jobId: JobId
  readonly checkpointId: CheckpointId
  readonly blobStore: BlobStoreReference
  readonly committed: boolean
  readonly ownRun: boolean
}

export type RecordedSubtask =
  | { readonly type: 'none' }
  | Omit<Extract<SubtaskExecution, { readonly type: 'attempt' }>, 'lateSplits'>
  | { readonly type: 'finished' }

export interface RecordedRegion {
  readonly status: RegionExecution['status']
  readonly fallback: RestoreReference | null
}

export interface RecordedTransactions {
  /** Fences that were asked for so far: their numbers are not used again. */
  readonly fences: number
  /** Where the checkpoint store holds it: null. */
  readonly ledger: TransactionLedger | null
}

/** Where the record is older than the checkpoint store, that is right. */
export interface RecordedCheckpoints {
  readonly newest: CheckpointId
  readonly incremental: boolean
  readonly completed: number
  readonly failed: number
  readonly last: CheckpointSummary | null
}

/** The store of one job's record, fenced by the leader's token. */
export interface JobRecords {
  /** Durable when it resolves (R3). @throws MillraceError MR_FENCED where this process does not lead any more; any other error leaves it undetermined */
  write(record: JobRecord): Promise<void>
}

/** What of a submission stands in its record. */
export type RecordableSubmission = Omit<RecordedSubmission, 'restored' | 'requestId'> & {
  readonly restore: RestorePoint | undefined
  readonly requestId?: string
}

export function recordOf(state: JobMasterState, submission: RecordableSubmission, now: Moment): JobRecord {
  const { jobId, plan, job, blobStore, hasCheckpointStore, restore, requestId } = submission
  const { checkpoints, transactions, facts } = state
  const foreign = restore === undefined || restore.ownRun ? null : referenceTo(restore)
  return {
    formatVersion: 1,
    token: facts.token,
    submission: {
      ...{ jobId, plan, job, blobStore, hasCheckpointStore },
      restored: foreign,
      requestId: requestId ?? null,
    },
    requests: state.requests,
    phase: state.phase,
    draining: state.draining,
    slots: state.slots.map((slot) => slot ?? null),
    subtasks: state.subtasks.map(recordedSubtask),
    regions: state.regions.map(({ status, fallback }) => ({
      status,
      fallback: fallback === undefined ? null : referenceTo(fallback),
    })),
    sources: state.sources,
    restartState: shifted(state.restartState, now.epochMs - now.monotonicMs),
    restarts: state.restarts,
    lastFailure: state.lastFailure ?? null,
    restoredCommits: state.restoredCommits,
    transactions: {
      fences: transactions?.fences ?? 0,
      ledger: facts.checkpointing === undefined ? (transactions?.ledger ?? null) : null,
    },
    checkpoints: {
      newest: checkpoints?.latest?.id ?? noCheckpoint,
      incremental: checkpoints?.incremental ?? true,
      completed: checkpoints?.completed ?? 0,
      failed: checkpoints?.failed ?? 0,
      last: checkpoints?.last ?? null,
    },
  }
}

/** A record as it was read. @throws MillraceError MR_INTERNAL for one of another version */
export function readRecord(value: unknown): JobRecord {
  const record = value as JobRecord
  if (record.formatVersion === 1) return record
  throw new MillraceError('MR_INTERNAL', `the job's record has the version ${String(record.formatVersion)}, not 1`)
}

/** Slots that are the job's, whether anything runs in them or not. */
export function heldSlots(record: JobRecord): readonly GrantedSlot[] {
  return record.slots.flatMap((slot) => (slot === null ? [] : [slot]))
}

/** Monotonic times are of one process: they stand in a record as times of the wall clock. */
export function shifted(restartState: RestartState, byMs: number): RestartState {
  return { ...restartState, recentMs: restartState.recentMs.map((timeMs) => timeMs + byMs) }
}

function recordedSubtask(subtask: SubtaskExecution): RecordedSubtask {
  if (subtask.type !== 'attempt') return subtask
  const { lateSplits, ...recorded } = subtask
  return recorded
}

function referenceTo({ record, blobStore, committed, ownRun }: RestorePoint): RestoreReference {
  return { jobId: record.jobId, checkpointId: record.id, blobStore, committed, ownRun }
}

/**
 * Whether a step has changed what the record holds. `now`: nothing that follows from the step may happen before the
 * record is durable (R3, R23 a). `later`: it is for people, or known from elsewhere, and can wait for the next write.
 */
export type RecordChange = 'none' | 'later' | 'now'

/** Cheap: by reference, and entry by entry only where a list is another one. */
export function recordChanged(before: JobMasterState, after: JobMasterState): RecordChange {
  if (before === after) return 'none'
  if (isChangedNow(before, after)) return 'now'
  const isSame =
    before.lastFailure === after.lastFailure &&
    before.checkpoints?.completed === after.checkpoints?.completed &&
    before.checkpoints?.failed === after.checkpoints?.failed
  return isSame ? 'none' : 'later'
}

function isChangedNow(before: JobMasterState, after: JobMasterState): boolean {
  const isSame =
    before.phase === after.phase &&
    before.requests === after.requests &&
    before.draining === after.draining &&
    before.slots === after.slots &&
    before.sources === after.sources &&
    before.restartState === after.restartState &&
    before.restarts === after.restarts &&
    before.restoredCommits === after.restoredCommits &&
    before.checkpoints?.incremental === after.checkpoints?.incremental &&
    sameTransactions(before, after) &&
    sameEntries(before.subtasks, after.subtasks, sameSubtask) &&
    sameEntries(before.regions, after.regions, sameRegion)
  return !isSame
}

function sameTransactions(before: JobMasterState, after: JobMasterState): boolean {
  if (before.transactions?.fences !== after.transactions?.fences) return false
  return after.facts.checkpointing !== undefined || before.transactions?.ledger === after.transactions?.ledger
}

function sameEntries<T>(before: readonly T[], after: readonly T[], same: (one: T, other: T) => boolean): boolean {
  if (before === after) return true
  return before.every((entry, index) => entry === after[index] || same(entry, after[index] as T))
}

/** What an attempt is doing is told by its TaskManager; that it exists stands in the record (R23 a). */
function sameSubtask(before: SubtaskExecution, after: SubtaskExecution): boolean {
  if (before.type !== 'attempt' || after.type !== 'attempt') return before.type === after.type
  return before.attemptId === after.attemptId
}

function sameRegion(before: RegionExecution, after: RegionExecution): boolean {
  if (before.fallback?.record.id !== after.fallback?.record.id) return false
  if (before.status.type !== 'restarting' || after.status.type !== 'restarting') {
    return before.status.type === after.status.type
  }
  return before.status.number === after.status.number
}
