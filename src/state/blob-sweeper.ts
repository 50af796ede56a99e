import type { BlobStore } from './blob-store.ts'
import type { CheckpointRecord } from './checkpoint-record.ts'
import type { ManifestHeaders } from './manifest-headers.ts'

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
  readonly #headers: ManifestHeaders

  constructor(blobStore: BlobStore, headers: ManifestHeaders) {
    this.#blobStore = blobStore
    this.#headers = headers
  }

  /** `retained`: the records that stay, at least one, oldest first. */
  async sweep(retained: readonly CheckpointRecord[]): Promise<void> {
    const [oldest] = retained
    if (oldest === undefined) return
    const named = new Map<string, readonly string[]>()
    for (const { vertices } of retained) {
      for (const { subtasks } of vertices) {
        for (const { manifest } of subtasks) {
          const { blobs } = await this.#headers.of(manifest)
          named.set(
            manifest.name,
            blobs.map(({ name }) => name),
          )
        }
      }
    }
    this.#headers.keep(named)
    const keep = new Set([...named.keys(), ...[...named.values()].flat()])
    await this.#blobStore.delete(garbageOf(await this.#blobStore.list(`${oldest.jobId}/`), keep, oldest.id))
  }
}
