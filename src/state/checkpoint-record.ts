import type { SourceSplit } from '../api/source.ts'
import type { CheckpointId, JobId, VertexId } from '../common/ids.ts'
import type { BlobReference } from './blob-store.ts'

/** `full`: everything is written (base = 0), as after a restore from another job's snapshot. Savepoints come with the cluster. */
export type SnapshotKind = 'checkpoint'

/** What trigger and barrier carry (R1). */
export interface CheckpointBarrier {
  readonly id: CheckpointId
  /** The newest completed checkpoint; an entry changed after it is written. 0: everything is. */
  readonly base: CheckpointId
  readonly kind: SnapshotKind
}

/** A completed checkpoint: the one record that is written in one exclusive, durable step (R4). Plain data. */
export interface CheckpointRecord {
  readonly formatVersion: 1
  readonly jobId: JobId
  readonly jobName: string
  readonly id: CheckpointId
  readonly kind: SnapshotKind
  /** Epoch milliseconds of the trigger. */
  readonly triggeredAt: number
  readonly completedAt: number
  readonly graphHash: string
  readonly vertices: readonly VertexRecord[]
}

export interface VertexRecord {
  readonly vertexId: VertexId
  readonly operatorUids: readonly string[]
  readonly parallelism: number
  readonly maxParallelism: number
  /** By subtask index. */
  readonly subtasks: readonly SubtaskRecord[]
}

export interface SubtaskRecord {
  readonly manifest: BlobReference
  /** Positions of the subtask's splits, by the head source; empty for others. */
  readonly splits: readonly SourceSplit[]
  /** The subtask's input had ended before this checkpoint and it has flushed (R12). */
  readonly finished: boolean
  /** Whether it prepared anything that waits to be committed. */
  readonly hasCommittables: boolean
}
