import type { CheckpointId } from '../common/ids.ts'
import type { CheckpointRecord } from './checkpoint-record.ts'

/**
 * The records of one job's checkpoints, each change durable when its promise resolves (R3). One writer at a time: the
 * folder store by an exclusive lock (R11), the Redis store by the fencing token.
 */
export interface CheckpointStore {
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
  isCommitted(id: CheckpointId): Promise<boolean>
  /** Completed checkpoints, oldest first. */
  list(): Promise<readonly CheckpointId[]>
  read(id: CheckpointId): Promise<CheckpointRecord>
  /** Deletes records and the blobs that no retained record names, keeping the newest `retained` (R10, R14). */
  retain(retained: number): Promise<void>
}
