import { crc32c } from '@node-rs/crc32'
import { batchHeaderLength } from '../record-batch.ts'
import { writeInt64 } from '../wire-format.ts'
import type { EncodedHeader, EncodedRecord } from './encoded-record.ts'

/** Who writes a batch, for the broker to refuse repeats and zombies. */
export interface BatchStamp {
  readonly producerId: bigint
  readonly epoch: number
  /** Number of the batch's first record within its partition. */
  readonly sequence: number
  readonly transactional: boolean
}

const attributesAt = 21
const transactionalFlag = 16
/** Shorter byte strings are copied by a loop: a native call costs more. */
const shortLength = 64

/** Writes records one after another into a batch of format 2. Used again after `take`. */
export class RecordBatchBuilder {
  #bytes: Buffer
  #at = batchHeaderLength
  #count = 0
  #baseTimestamp = 0
  #maxTimestamp = 0

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(capacity, batchHeaderLength))
  }

  get count(): number {
    return this.#count
  }

  /** Header included, before compression. */
  get byteLength(): number {
    return this.#at
  }

  append({ bytes, keyLength, valueLength, timestamp, headers }: EncodedRecord): void {
    if (this.#count === 0) {
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp
    }
    const delta = zigzag(timestamp - this.#baseTimestamp)
    const offset = this.#count * 2
    const size =
      1 +
      varintLength(delta) +
      varintLength(offset) +
      sizedLength(keyLength) +
      sizedLength(valueLength) +
      varintLength(headers.length * 2) +
      (headers.length === 0 ? 0 : headersLength(headers))
    this.#ensure(size + 5)
    this.#varint(size * 2)
    this.#bytes[this.#at++] = 0 // Attributes of a record: none are defined.
    this.#varint(delta)
    this.#varint(offset)
    this.#sized(bytes, 0, keyLength)
    this.#sized(bytes, Math.max(keyLength, 0), valueLength)
    this.#varint(headers.length * 2)
    for (const header of headers) {
      this.#sized(header.key, 0, header.key.length)
      if (header.value === null) this.#sized(header.key, 0, -1)
      else this.#sized(header.value, 0, header.value.length)
    }
    this.#count++
  }

  /**
   * The batch, without its stamp, and the builder is empty again.
   * @param codec its number in Kafka, with what packs the records; undefined: they stay as they are
   */
  take(codec: { readonly number: number; pack(records: Buffer): Buffer } | undefined): TakenBatch {
    const whole = this.#bytes.subarray(0, this.#at)
    const packed = codec?.pack(whole.subarray(batchHeaderLength))
    const bytes = Buffer.allocUnsafeSlow(packed === undefined ? whole.length : batchHeaderLength + packed.length)
    if (packed === undefined) bytes.set(whole)
    else bytes.set(packed, batchHeaderLength)
    this.#writeHeader(bytes, codec?.number ?? 0)
    const taken = { bytes, count: this.#count }
    this.#at = batchHeaderLength
    this.#count = 0
    return taken
  }

  #writeHeader(bytes: Buffer, codec: number): void {
    writeInt64(bytes, 0, 0) // The broker gives the offset.
    bytes.writeInt32BE(bytes.length - 12, 8)
    bytes.writeInt32BE(-1, 12) // The leader's epoch, the broker's too.
    bytes[16] = 2
    bytes.writeInt16BE(codec, attributesAt)
    bytes.writeInt32BE(this.#count - 1, 23)
    writeInt64(bytes, this.#baseTimestamp, 27)
    writeInt64(bytes, this.#maxTimestamp, 35)
    bytes.writeBigInt64BE(-1n, 43)
    bytes.writeInt16BE(-1, 51)
    bytes.writeInt32BE(-1, 53)
    bytes.writeInt32BE(this.#count, 57)
  }

  #ensure(length: number): void {
    const needed = this.#at + length
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }

  /** Of a value that is zigzagged already. */
  #varint(value: number): void {
    const bytes = this.#bytes
    let rest = value
    // Bit operations hold 31 bits.
    while (rest > 0x7fff_ffff) {
      bytes[this.#at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    while (rest > 127) {
      bytes[this.#at++] = (rest & 127) | 128
      rest >>>= 7
    }
    bytes[this.#at++] = rest
  }

  /** `source[from, from + length)`; none where the length is −1. */
  #sized(source: Uint8Array, from: number, length: number): void {
    const bytes = this.#bytes
    if (length < 0) {
      bytes[this.#at++] = 1 // −1, zigzagged.
      return
    }
    this.#varint(length * 2)
    const start = this.#at
    if (length > shortLength) bytes.set(source.subarray(from, from + length), start)
    else for (let index = 0; index < length; index++) bytes[start + index] = source[from + index] as number
    this.#at = start + length
  }
}

export interface TakenBatch {
  readonly bytes: Buffer
  readonly count: number
}

/** Writes who sends the batch, and the checksum that goes with it. */
export function stampBatch(bytes: Buffer, stamp: BatchStamp | undefined): void {
  const codec = bytes.readInt16BE(attributesAt) & 7
  bytes.writeInt16BE(stamp?.transactional === true ? codec | transactionalFlag : codec, attributesAt)
  bytes.writeBigInt64BE(stamp?.producerId ?? -1n, 43)
  bytes.writeInt16BE(stamp?.epoch ?? -1, 51)
  bytes.writeInt32BE(stamp?.sequence ?? -1, 53)
  bytes.writeUInt32BE(crc32c(bytes.subarray(attributesAt)), 17)
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

function varintLength(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  if (value < 0x1000_0000) return 4
  let length = 5
  for (let limit = 0x8_0000_0000; value >= limit; limit *= 128) length++
  return length
}

function sizedLength(length: number): number {
  return length < 0 ? 1 : varintLength(length * 2) + length
}

function headersLength(headers: readonly EncodedHeader[]): number {
  let length = 0
  for (const { key, value } of headers) length += sizedLength(key.length) + sizedLength(value?.length ?? -1)
  return length
}
