import type { SourceSplit } from '../api/source.ts'
import type { CheckpointId, VertexId } from '../common/ids.ts'
import type { CheckpointRecord } from './checkpoint-record.ts'
import type { TransactionLedger } from './transaction-ledger.ts'

/**
 * The records of one job's checkpoints, each change durable when its promise resolves (R3). One writer at a time: the
 * folder store by an exclusive lock (R11), the Redis store by the fencing token.
 */
export interface CheckpointStore {
  /**
   * Where a source of the run starts, as numbers, before anything of it is deployed (R18): whoever goes on with the run
   * before its first checkpoint starts there too.
   */
  recordStart(vertexId: VertexId, splits: readonly SourceSplit[]): Promise<void>
  /** undefined: it has not been recorded. */
  recordedStart(vertexId: VertexId): Promise<readonly SourceSplit[] | undefined>
  /** Which transactional ids of the run's sinks may have been used: durable before they are (R15). */
  recordTransactions(ledger: TransactionLedger): Promise<void>
  /** Empty where nothing was recorded. */
  recordedTransactions(): Promise<TransactionLedger>
  /** Mints the next id and records that it has begun (R2). */
  begin(): Promise<CheckpointId>
  /** What is wrong with a record that is not written yet: older chunks that its base does not name (R1); undefined: nothing. */
  baseViolation(record: CheckpointRecord): Promise<string | undefined>
  /** Writes the record in one exclusive step. @throws MillraceError MR_STORAGE where a record of that id exists already */
  complete(record: CheckpointRecord): Promise<void>
  /** A record that is there may not have reached the disk: called before anyone acts on one that was found, not written (R3, R11). */
  makeDurable(id: CheckpointId): Promise<void>
  /** All sink subtasks have reported their commits (R17). */
  markCommitted(id: CheckpointId): Promise<void>
  /** A later checkpoint's commit is one of all before it (R16). */
  isCommitted(id: CheckpointId): Promise<boolean>
  /** Completed checkpoints, oldest first. */
  list(): Promise<readonly CheckpointId[]>
  read(id: CheckpointId): Promise<CheckpointRecord>
  /** Deletes records and the blobs that no retained record names, keeping the newest `retained` (R10, R14). */
  retain(retained: number): Promise<void>
  /**
   * The job has ended, and nothing of it writes any more. On a cluster what stands of its checkpoints is deleted when it
   * finished or was cancelled, in one process it is kept (R14). What a crash leaves undone is done by calling it again.
   */
  ended(outcome: EndOfJob): Promise<void>
}

export type EndOfJob = 'FINISHED' | 'CANCELED' | 'FAILED' | 'SUSPENDED'
