import { MillraceError } from '../../../common/errors.ts'

const initialBytes = 1024

/** Writes Avro's binary encoding of primitives (Avro 1.11, "Binary Encoding"). */
export class AvroWriter {
  #bytes = Buffer.allocUnsafe(initialBytes)
  #length = 0

  boolean(value: boolean): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value ? 1 : 0
  }

  /** Zigzag, seven bits a byte; for safe integers. */
  long(value: number): void {
    this.#reserve(10)
    if (value >= -0x4000_0000 && value < 0x4000_0000) this.#varint32((value << 1) ^ (value >> 31))
    else this.#varint64(BigInt(value))
  }

  double(value: number): void {
    this.#reserve(8)
    this.#length = this.#bytes.writeDoubleLE(value, this.#length)
  }

  string(text: string): void {
    const length = Buffer.byteLength(text)
    this.long(length)
    this.#reserve(length)
    this.#length += this.#bytes.write(text, this.#length, 'utf8')
  }

  bytes(value: Uint8Array): void {
    this.long(value.length)
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  /** What was written; the writer is not to be used after it. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #varint32(zigzag: number): void {
    let rest = zigzag >>> 0
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#length++] = rest
  }

  #varint64(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    while (rest > 0x7fn) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#bytes[this.#length++] = Number(rest)
  }

  #reserve(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}

/** Reads what `AvroWriter` wrote; every claim of the bytes is checked against their length. */
export class AvroReader {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  boolean(): boolean {
    const value = this.#byte()
    if (value > 1) throw this.damaged(`${value} is no boolean`)
    return value === 1
  }

  /** @throws MillraceError MR_MESSAGE_DAMAGED also for what is no safe integer */
  long(): number {
    let low = 0
    let shift = 0
    for (; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
    }
    return this.#longFrom(BigInt(low))
  }

  double(): number {
    const at = this.#take(8)
    return this.#bytes.readDoubleLE(at)
  }

  string(): string {
    const length = this.#length()
    const at = this.#take(length)
    return this.#bytes.toString('utf8', at, at + length)
  }

  bytes(): Uint8Array {
    const length = this.#length()
    const at = this.#take(length)
    return new Uint8Array(this.#bytes.subarray(at, at + length))
  }

  /** Of a block of items, each of a byte at least; 0: the end. */
  count(): number {
    return this.#length()
  }

  /** Everything was read. */
  end(): void {
    if (this.#position !== this.#bytes.length)
      throw this.damaged(`${this.#bytes.length - this.#position} bytes too many`)
  }

  damaged(reason: string): MillraceError {
    return new MillraceError('MR_MESSAGE_DAMAGED', `a message can not be read: ${reason} at byte ${this.#position}`)
  }

  #longFrom(lowest: bigint): number {
    let value = lowest
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        const long = Number((value >> 1n) ^ -(value & 1n))
        if (!Number.isSafeInteger(long)) break
        return long
      }
    }
    throw this.damaged('no safe integer')
  }

  #length(): number {
    const length = this.long()
    if (length < 0 || length > this.#bytes.length - this.#position) throw this.damaged(`a length of ${length}`)
    return length
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] as number
  }

  #take(length: number): number {
    const at = this.#position
    if (at + length > this.#bytes.length) throw this.damaged('cut off')
    this.#position = at + length
    return at
  }
}
