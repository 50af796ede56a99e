import type { BlobReference, BlobStore } from './blob-store.ts'
import { blobReferenceOf } from './subtask-manifest.ts'

/** Chunks of one checkpoint are packed into blobs of up to this size (R5); a larger chunk is a blob of its own. */
export const maxBlobBytes = 8 * 1024 * 1024

/** Where a chunk came to lie. */
export interface PackedChunk {
  readonly blobName: string
  readonly offset: number
}

/** Packs the chunks of one subtask and checkpoint into blobs, and puts each as it fills. */
export class BlobPacker {
  readonly #blobStore: BlobStore
  readonly #prefix: string
  readonly #puts: Promise<BlobReference>[] = []
  #open: Buffer[] = []
  #openBytes = 0
  #writtenBytes = 0

  /** `prefix`: of blob names, with job, attempt and checkpoint, so that a zombie can only write garbage. */
  constructor(blobStore: BlobStore, prefix: string) {
    this.#blobStore = blobStore
    this.#prefix = prefix
  }

  get writtenBytes(): number {
    return this.#writtenBytes
  }

  /** Of the blobs so far, the open one included. */
  get names(): readonly string[] {
    return Array.from({ length: this.#puts.length + 1 }, (_, index) => `${this.#prefix}/${index}`)
  }

  add(chunk: Buffer): PackedChunk {
    if (this.#openBytes > 0 && this.#openBytes + chunk.length > maxBlobBytes) this.#flush()
    const packed = { blobName: this.#name(), offset: this.#openBytes }
    this.#open.push(chunk)
    this.#openBytes += chunk.length
    return packed
  }

  /** Resolves when all are durable: the blobs that were written. */
  async finish(): Promise<readonly BlobReference[]> {
    if (this.#openBytes > 0) this.#flush()
    return await Promise.all(this.#puts)
  }

  /** Deletes all that was put, once nothing is being put any more. */
  async discard(): Promise<void> {
    await Promise.allSettled(this.#puts)
    await this.#blobStore.delete(this.names)
  }

  #flush(): void {
    const put = this.#put(this.#name(), Buffer.concat(this.#open, this.#openBytes))
    // Until `finish` nobody waits for it: a failure is seen there.
    put.catch(() => undefined)
    this.#puts.push(put)
    this.#writtenBytes += this.#openBytes
    this.#open = []
    this.#openBytes = 0
  }

  async #put(name: string, bytes: Buffer): Promise<BlobReference> {
    await this.#blobStore.put(name, bytes)
    return blobReferenceOf(name, bytes)
  }

  #name(): string {
    return `${this.#prefix}/${this.#puts.length}`
  }
}
