/*
 * Differs from the sketch: `begin` takes no splits and finished flag (they stand in the ack and the record, not in the
 * manifest). `begin` must be called in the same turn as the operators' synchronous snapshots.
 */
import type { AttemptId, JobId, VertexId } from '../common/ids.ts'
import type { BlobReference, BlobStore } from './blob-store.ts'
import type { CheckpointBarrier } from './checkpoint-record.ts'
import type { KeyedSnapshot } from './keyed-snapshot.ts'
import type { OperatorStateSnapshot } from './operator-state-backend.ts'
import type { PendingList, SubtaskManifest } from './subtask-manifest.ts'

export interface SubtaskSnapshotsOptions {
  readonly blobStore: BlobStore
  readonly jobId: JobId
  readonly vertexId: VertexId
  readonly attemptId: AttemptId
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  /** The own manifest of the restored checkpoint where it may be a base (RestoreFrom.ownManifestIsBase). */
  readonly baseManifest?: SubtaskManifest | undefined
}

/** As OperatorSnapshot of the task layer. */
export interface OperatorPart {
  readonly keyed: KeyedSnapshot | undefined
  readonly operatorState: OperatorStateSnapshot | undefined
  readonly committables: Promise<readonly PendingList[]> | undefined
  readonly watermark: number
}

const unwritten = (): never => {
  throw new Error('unwritten')
}

/** The snapshots of one subtask, one after another; keeps the manifests that may be a base (R1). */
export class SubtaskSnapshots {
  readonly options: SubtaskSnapshotsOptions

  constructor(options: SubtaskSnapshotsOptions) {
    this.options = options
  }

  /** Cancels an unfinished older one (R2). */
  begin(
    _barrier: CheckpointBarrier,
    _operators: readonly { readonly uid: string; readonly snapshot: OperatorPart }[],
  ): SubtaskSnapshot {
    return unwritten()
  }

  /** Losing this call loses nothing (R1). */
  checkpointCompleted(_checkpointId: number): void {
    unwritten()
  }

  /** Cancels that snapshot where it still runs. Losing this call loses nothing (R1). */
  checkpointAborted(_checkpointId: number): void {
    unwritten()
  }
}

export class SubtaskSnapshot {
  /** Drains one slice of about `maxEntries`; true: drained, `finish` may be called. Full blobs are put as they fill. */
  step(_maxEntries: number): boolean {
    return unwritten()
  }

  /**
   * Resolves when blobs and manifest are durable: now the subtask may ack.
   * @throws MillraceError MR_STORAGE and the like: the subtask declines
   */
  finish(): Promise<{
    readonly manifest: BlobReference
    readonly writtenBytes: number
    readonly hasCommittables: boolean
  }> {
    return unwritten()
  }

  cancel(): void {
    unwritten()
  }
}
