import { MillraceError } from '../../common/errors.ts'

/** A 64-bit integer of Kafka (big-endian, signed) as a number: exact below 2^53. */
export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4)
}

/** Writes a 64-bit integer; exact below 2^53. */
export function writeInt64(bytes: Buffer, value: number, at: number): void {
  bytes.writeInt32BE(Math.floor(value / 4_294_967_296), at)
  bytes.writeUInt32BE(value >>> 0, at + 4)
}

/** Writes the body of a request in Kafka's non-flexible encoding. */
export class RequestWriter {
  #bytes: Buffer
  #length = 0

  /** @param capacity grows where it is not enough */
  constructor(capacity = 512) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity)
  }

  int8(value: number): this {
    const at = this.#grow(1)
    this.#bytes.writeInt8(value, at)
    return this
  }

  int16(value: number): this {
    const at = this.#grow(2)
    this.#bytes.writeInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#grow(4)
    this.#bytes.writeInt32BE(value, at)
    return this
  }

  int64(value: number): this {
    const at = this.#grow(8)
    writeInt64(this.#bytes, value, at)
    return this
  }

  /** A 64-bit id, all of its bits. */
  id64(value: bigint): this {
    const at = this.#grow(8)
    this.#bytes.writeBigInt64BE(value, at)
    return this
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    const size = Buffer.byteLength(value)
    this.int16(size)
    const at = this.#grow(size)
    this.#bytes.write(value, at, 'utf8')
    return this
  }

  /** Bytes behind their length. */
  sizedBytes(value: Uint8Array): this {
    this.int32(value.length)
    const at = this.#grow(value.length)
    this.#bytes.set(value, at)
    return this
  }

  array<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Makes room and returns where to write. */
  #grow(size: number): number {
    const at = this.#length
    this.#length += size
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#length, this.#bytes.length * 2))
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
    }
    return at
  }
}

/** Reads the body of an answer in Kafka's non-flexible encoding; an answer that is too short throws MR_KAFKA. */
export class AnswerReader {
  readonly bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  int8(): number {
    const at = this.skip(1)
    return this.bytes.readInt8(at)
  }

  int16(): number {
    const at = this.skip(2)
    return this.bytes.readInt16BE(at)
  }

  int32(): number {
    const at = this.skip(4)
    return this.bytes.readInt32BE(at)
  }

  int64(): number {
    const at = this.skip(8)
    return readInt64(this.bytes, at)
  }

  /** A 64-bit id, all of its bits. */
  id64(): bigint {
    const at = this.skip(8)
    return this.bytes.readBigInt64BE(at)
  }

  string(): string {
    return this.nullableString() ?? ''
  }

  nullableString(): string | null {
    const size = this.int16()
    if (size < 0) return null
    const at = this.skip(size)
    return this.bytes.toString('utf8', at, at + size)
  }

  /** A view; bytes that are null read as empty ones. */
  sizedBytes(): Buffer {
    const size = Math.max(0, this.int32())
    const at = this.skip(size)
    return this.bytes.subarray(at, at + size)
  }

  /** A null array reads as an empty one. */
  array<Item>(read: () => Item): Item[] {
    const count = this.int32()
    if (count > this.bytes.length - this.at) throw this.#tooShort()
    const items: Item[] = []
    for (let index = 0; index < count; index++) items.push(read())
    return items
  }

  /** Steps over `size` bytes and returns where they began. */
  skip(size: number): number {
    const at = this.at
    if (size < 0 || at + size > this.bytes.length) throw this.#tooShort()
    this.at = at + size
    return at
  }

  #tooShort(): MillraceError {
    return new MillraceError(
      'MR_KAFKA',
      `an answer of Kafka ends too early, at byte ${this.at} of ${this.bytes.length}`,
    )
  }
}
