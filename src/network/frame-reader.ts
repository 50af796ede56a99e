import { MillraceError } from '../common/errors.ts'
import { frameTypes, headerLength } from './frames.ts'
import type { NetworkLimits } from './limits.ts'

/** What becomes of the frames that have arrived. */
export interface FrameHandler {
  /** Room for a batch that is about to arrive; undefined: its link is not known, it is skipped (R28). */
  room(link: number, bytes: number): ArrayBuffer | undefined
  batch(link: number, buffer: ArrayBuffer, bytes: number): void
  /** All others. `payload` may be looked at during the call only. */
  frame(type: number, link: number, payload: Buffer): void
}

/** Cuts what arrives into frames. Nothing is allocated for a frame that is larger than its kind may be. */
export class FrameReader {
  readonly #handler: FrameHandler
  readonly #limits: Pick<NetworkLimits, 'maxBatchBytes' | 'maxControlBytes'>
  readonly #header = Buffer.alloc(headerLength)
  /** Bytes of the header that are here. */
  #headerBytes = 0
  #type = 0
  #link = 0
  #length = 0
  /** Where the payload is collected; undefined: it is skipped, or is not collected. */
  #target: Uint8Array | undefined
  #batch: ArrayBuffer | undefined
  /** Bytes of the payload that are here. */
  #filled = 0

  constructor(handler: FrameHandler, limits: Pick<NetworkLimits, 'maxBatchBytes' | 'maxControlBytes'>) {
    this.#handler = handler
    this.#limits = limits
  }

  /** @throws MillraceError MR_DATA_CONNECTION where it is no frame, or too large a one: nothing after it can be read */
  read(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length)
      at = this.#headerBytes < headerLength ? this.#readHeader(bytes, at) : this.#fill(bytes, at)
  }

  #readHeader(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + headerLength - this.#headerBytes)
    bytes.copy(this.#header, this.#headerBytes, at, end)
    this.#headerBytes += end - at
    if (this.#headerBytes < headerLength) return end
    this.#length = this.#header.readUInt32LE(0)
    this.#type = this.#header.readUInt32LE(4)
    this.#link = this.#header.readUInt32LE(8)
    this.#filled = 0
    const isBatch = this.#type === frameTypes.data
    this.#checkLength(isBatch ? this.#limits.maxBatchBytes : this.#limits.maxControlBytes)
    if (isBatch) this.#makeRoom()
    else if (this.#length <= bytes.length - end) return this.#takeWhole(bytes, end)
    else this.#target = new Uint8Array(this.#length)
    if (this.#length === 0) this.#finish()
    return end
  }

  #checkLength(limit: number): void {
    if (this.#length <= limit) return
    const text = `a frame of ${this.#length} bytes arrived on a data connection; those of its kind may have ${limit}`
    throw new MillraceError('MR_DATA_CONNECTION', text)
  }

  #makeRoom(): void {
    this.#batch = this.#handler.room(this.#link, this.#length)
    if (this.#batch !== undefined) this.#target = new Uint8Array(this.#batch, 0, this.#length)
  }

  /** Small frames mostly are in one piece. */
  #takeWhole(bytes: Buffer, at: number): number {
    this.#headerBytes = 0
    const end = at + this.#length
    this.#handler.frame(this.#type, this.#link, bytes.subarray(at, end))
    return end
  }

  #fill(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#length - this.#filled)
    this.#target?.set(bytes.subarray(at, end), this.#filled)
    this.#filled += end - at
    if (this.#filled === this.#length) this.#finish()
    return end
  }

  #finish(): void {
    const [target, batch] = [this.#target, this.#batch]
    this.#headerBytes = 0
    this.#target = undefined
    this.#batch = undefined
    if (batch !== undefined) this.#handler.batch(this.#link, batch, this.#length)
    else if (target !== undefined) this.#handler.frame(this.#type, this.#link, Buffer.from(target.buffer))
  }
}
