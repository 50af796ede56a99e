import type { BlobReference, BlobStore } from './blob-store.ts'
import { readManifest, type SubtaskManifest } from './subtask-manifest.ts'

/** What a manifest says of its base and its blobs; without its chunks, which may be many. */
export type ManifestHeader = Omit<SubtaskManifest, 'operators'>

/** The headers of a store's manifests: each is read once, for the check at its completion and for the sweeps after it. */
export class ManifestHeaders {
  readonly #blobStore: BlobStore
  readonly #headers = new Map<string, ManifestHeader>()

  constructor(blobStore: BlobStore) {
    this.#blobStore = blobStore
  }

  /** @throws MillraceError MR_CHECKPOINT_DAMAGED */
  async of(reference: BlobReference): Promise<ManifestHeader> {
    const known = this.#headers.get(reference.name)
    if (known !== undefined) return known
    const { operators: _, ...header } = await readManifest(this.#blobStore, reference)
    this.#headers.set(reference.name, header)
    return header
  }

  /** Forgets all but these. */
  keep(names: ReadonlyMap<string, unknown>): void {
    for (const name of this.#headers.keys()) if (!names.has(name)) this.#headers.delete(name)
  }
}
