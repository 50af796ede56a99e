import type { BlobStore } from './blob-store.ts'
import type { CheckpointRecord } from './checkpoint-record.ts'
import { readManifest } from './subtask-manifest.ts'

/** Names of blobs hold the checkpoint that wrote them. */
const checkpointOfBlob = /\/chk-(\d+)\//

/**
 * R10: the blobs that may go: their checkpoint is older than the oldest retained, and no retained manifest names them.
 * An open checkpoint names only what its base names, which is retained (R1).
 */
export function garbageOf(
  blobs: readonly string[],
  named: ReadonlySet<string>,
  oldestRetained: number,
): readonly string[] {
  return blobs.filter((name) => {
    const checkpointId = checkpointOfBlob.exec(name)?.[1]
    return checkpointId !== undefined && Number(checkpointId) < oldestRetained && !named.has(name)
  })
}

/** Deletes the blobs of one job that no retained checkpoint needs. */
export class BlobSweeper {
  readonly #blobStore: BlobStore
  /** Blobs by the manifest that names them, so that each manifest is read once. */
  #named = new Map<string, readonly string[]>()

  constructor(blobStore: BlobStore) {
    this.#blobStore = blobStore
  }

  /** `retained`: the records that stay, at least one, oldest first. */
  async sweep(retained: readonly CheckpointRecord[]): Promise<void> {
    const [oldest] = retained
    if (oldest === undefined) return
    const named = new Map<string, readonly string[]>()
    for (const { vertices } of retained) {
      for (const { subtasks } of vertices) {
        for (const { manifest } of subtasks) {
          const known = this.#named.get(manifest.name)
          const blobs = known ?? (await readManifest(this.#blobStore, manifest)).blobs.map(({ name }) => name)
          named.set(manifest.name, blobs)
        }
      }
    }
    this.#named = named
    const keep = new Set([...named.keys(), ...[...named.values()].flat()])
    await this.#blobStore.delete(garbageOf(await this.#blobStore.list(`${oldest.jobId}/`), keep, oldest.id))
  }
}
