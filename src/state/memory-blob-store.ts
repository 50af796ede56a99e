import { MillraceError } from '../common/errors.ts'
import type { BlobStore } from './blob-store.ts'

/** Blobs held by this process: for tests and for jobs without a checkpoint folder. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<string, Buffer>()

  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#blobs.set(name, Buffer.from(bytes))
  }

  async get(name: string): Promise<Buffer> {
    return Buffer.from(this.#existing(name))
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    const blob = this.#existing(name)
    if (offset + length > blob.length) throw tooShort(name, blob.length)
    return Buffer.from(blob.subarray(offset, offset + length))
  }

  async delete(names: readonly string[]): Promise<void> {
    for (const name of names) this.#blobs.delete(name)
  }

  async list(prefix: string): Promise<readonly string[]> {
    return [...this.#blobs.keys()].filter((name) => name.startsWith(prefix)).sort()
  }

  #existing(name: string): Buffer {
    const blob = this.#blobs.get(name)
    if (blob === undefined) throw missing(name)
    return blob
  }
}

export function missing(name: string): MillraceError {
  return new MillraceError('MR_CHECKPOINT_DAMAGED', `The blob ${name} is missing.`)
}

export function tooShort(name: string, length: number): MillraceError {
  return new MillraceError('MR_CHECKPOINT_DAMAGED', `The blob ${name} is damaged: it has only ${length} bytes.`)
}
