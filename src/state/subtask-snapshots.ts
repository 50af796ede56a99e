/*
 * Differs from the sketch: `begin` takes no splits and finished flag (they stand in the ack and the record, not in the
 * manifest). `begin` must be called in the same turn as the operators' synchronous snapshots.
 */
import type { AttemptId, JobId, VertexId } from '../common/ids.ts'
import { keyGroupRange } from '../common/key-groups.ts'
import type { BlobStore } from './blob-store.ts'
import type { CheckpointBarrier } from './checkpoint-record.ts'
import type { KeyedSnapshot } from './keyed-snapshot.ts'
import type { OperatorStateSnapshot } from './operator-state-backend.ts'
import { fullPiecesDueOf } from './piece-chains.ts'
import type { PendingList, SubtaskManifest } from './subtask-manifest.ts'
import { SubtaskSnapshot } from './subtask-snapshot.ts'

export { SubtaskSnapshot, type SubtaskSnapshotResult } from './subtask-snapshot.ts'

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

export interface OperatorWithPart {
  readonly uid: string
  readonly snapshot: OperatorPart
}

/** The snapshots of one subtask, one after another; keeps the manifests that may be a base (R1). */
export class SubtaskSnapshots {
  readonly #options: SubtaskSnapshotsOptions
  /** Manifests that were written out and not aborted, by checkpoint. */
  readonly #manifests = new Map<number, SubtaskManifest>()
  #open: SubtaskSnapshot | undefined

  constructor(options: SubtaskSnapshotsOptions) {
    this.#options = options
    const { baseManifest } = options
    if (baseManifest !== undefined) this.#manifests.set(baseManifest.checkpointId, baseManifest)
  }

  /** Cancels an unfinished older one (R2). */
  begin(barrier: CheckpointBarrier, operators: readonly OperatorWithPart[]): SubtaskSnapshot {
    this.#open?.cancel()
    for (const id of this.#manifests.keys()) if (id < barrier.base) this.#manifests.delete(id)
    // R1: lacking the own manifest of the base, everything is written. Base 0 has none.
    const base = this.#manifests.get(barrier.base)
    const { subtaskIndex, parallelism, maxParallelism } = this.#options
    const keyGroups = keyGroupRange(subtaskIndex, parallelism, maxParallelism)
    for (const { uid, snapshot } of operators) {
      const operator = base?.operators.find((candidate) => candidate.uid === uid)
      snapshot.keyed?.plan({
        base: base?.checkpointId ?? 0,
        fullKeyGroups: fullPiecesDueOf(operator, keyGroups.to - keyGroups.from),
      })
    }
    this.#open = new SubtaskSnapshot(this.#options, { barrier, base, operators }, (manifest) => {
      this.#manifests.set(manifest.checkpointId, manifest)
    })
    return this.#open
  }

  /** Losing this call loses nothing (R1). */
  checkpointCompleted(checkpointId: number): void {
    for (const id of this.#manifests.keys()) if (id < checkpointId) this.#manifests.delete(id)
  }

  /** Cancels that snapshot where it still runs, and deletes what it wrote. Losing this call loses nothing (R1). */
  checkpointAborted(checkpointId: number): void {
    this.#manifests.delete(checkpointId)
    if (this.#open?.barrier.id !== checkpointId) return
    this.#open.cancel()
    this.#open.discard()
  }
}
