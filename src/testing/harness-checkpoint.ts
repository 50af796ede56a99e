import type { BlobReference, BlobStore } from '../state/blob-store.ts'
import type { SubtaskSnapshot } from '../state/subtask-snapshots.ts'

/** Where the snapshots of related harnesses lie. */
export interface HarnessStorage {
  readonly blobStore: BlobStore
  /** Executions so far: each writes under a name of its own. */
  attempts: number
}

/** A snapshot of one harness: what another one restores from. */
export interface HarnessSnapshot {
  readonly checkpointId: number
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  /** @internal */
  readonly manifest: BlobReference
  /** @internal */
  readonly storage: HarnessStorage
}

/** What a checkpoint does to its harness when it ends. */
export interface CheckpointEnd {
  completed(manifest: BlobReference): Promise<HarnessSnapshot>
  aborted(): void
}

/** A checkpoint after its barrier: the harness may go on with records while the state is written out. */
export class HarnessCheckpoint {
  readonly id: number
  readonly #snapshot: SubtaskSnapshot
  readonly #end: CheckpointEnd
  #drained = false

  /** @internal */
  constructor(id: number, snapshot: SubtaskSnapshot, end: CheckpointEnd) {
    this.id = id
    this.#snapshot = snapshot
    this.#end = end
  }

  /** Writes out about `maxEntries` entries of state; true: all are written. */
  step(maxEntries = 100): boolean {
    if (!this.#drained) this.#drained = this.#snapshot.step(maxEntries)
    return this.#drained
  }

  /** Writes out the rest and completes the checkpoint: the operator is told, and later ones write only what changes. */
  async complete(): Promise<HarnessSnapshot> {
    while (!this.step()) {
      // Each step is one slice.
    }
    const { manifest } = await this.#snapshot.finish()
    return this.#end.completed(manifest)
  }

  /** The checkpoint fails, as if another subtask had declined it. */
  abort(): void {
    this.#end.aborted()
  }
}
