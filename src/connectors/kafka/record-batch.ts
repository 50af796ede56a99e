import { crc32c } from '@node-rs/crc32'
import { readInt64 } from './wire-format.ts'

/** Bytes before the records of a batch (format 2, the only one since Kafka 0.11; Kafka 4 writes and keeps no other). */
export const batchHeaderLength = 61
/** Base offset and length, which the length does not count. */
const lengthPrefix = 12

const crcAt = 17
const attributesAt = 21

/** Length of the whole batch at `at`; negative or too small where the bytes are damaged. */
export function batchLength(bytes: Buffer, at: number): number {
  return lengthPrefix + bytes.readInt32BE(at + 8)
}

/** True where a whole batch stands at `at`: a broker cuts the last one of an answer. */
export function isWholeBatch(bytes: Buffer, at: number, end: number): boolean {
  if (end - at < batchHeaderLength) return false
  const length = batchLength(bytes, at)
  return length >= batchHeaderLength && at + length <= end
}

/** The offset after the last whole batch in `bytes[start, end)`, at least `from`. Reads the headers only. */
export function offsetAfterBatches(bytes: Buffer, start: number, end: number, from: number): number {
  let next = from
  for (let at = start; isWholeBatch(bytes, at, end); at += batchLength(bytes, at)) {
    next = Math.max(next, readInt64(bytes, at) + bytes.readInt32BE(at + 23) + 1)
  }
  return next
}

/** A transaction that was aborted: its records from `firstOffset` up to its abort marker are not for readers of committed data. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/** The header of one batch; one object is used again for all batches of a cursor. */
export class BatchHeader {
  baseOffset = 0
  lastOffset = 0
  /** Number of the compression codec; 0: none. */
  codec = 0
  /** The broker's clock decides, which stands in `maxTimestamp`: the records' own timestamps are void. */
  logAppendTime = false
  transactional = false
  /** Holds a marker of a transaction's end and no records. */
  control = false
  baseTimestamp = 0
  maxTimestamp = 0
  producerId = -1n
  recordCount = 0

  /**
   * Reads the header of the whole batch at `bytes[at, end)` and checks its checksum.
   * @returns undefined, or what is wrong with it
   */
  read(bytes: Buffer, at: number, end: number): string | undefined {
    const magic = bytes[at + 16]
    if (magic !== 2) return `record batches of format ${magic} are not supported, only format 2`
    const stated = bytes.readUInt32BE(at + crcAt)
    const computed = crc32c(bytes.subarray(at + attributesAt, end))
    if (stated !== computed) return `checksum ${computed.toString(16)} instead of ${stated.toString(16)}`
    const attributes = bytes.readInt16BE(at + attributesAt)
    this.codec = attributes & 7
    this.logAppendTime = (attributes & 8) !== 0
    this.transactional = (attributes & 16) !== 0
    this.control = (attributes & 32) !== 0
    this.baseOffset = readInt64(bytes, at)
    this.lastOffset = this.baseOffset + bytes.readInt32BE(at + 23)
    this.baseTimestamp = readInt64(bytes, at + 27)
    this.maxTimestamp = readInt64(bytes, at + 35)
    this.producerId = this.transactional ? bytes.readBigInt64BE(at + 43) : -1n
    this.recordCount = bytes.readInt32BE(at + 57)
    if (!Number.isSafeInteger(this.baseOffset) || this.baseOffset < 0 || this.lastOffset < this.baseOffset) {
      return `offsets ${this.baseOffset} to ${this.lastOffset}`
    }
    return this.recordCount < 0 ? `${this.recordCount} records` : undefined
  }
}

/** Tells which batches of one fetch answer belong to aborted transactions, as they are met in order. */
export class AbortedFilter {
  readonly #sorted: readonly AbortedTransaction[]
  readonly #open = new Set<bigint>()
  #next = 0

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#sorted = aborted.toSorted((one, other) => one.firstOffset - other.firstOffset)
  }

  /** `endsAborted`: the batch is the abort marker of its producer's transaction. */
  isAborted(header: BatchHeader, endsAborted: boolean): boolean {
    for (;;) {
      const transaction = this.#sorted[this.#next]
      if (transaction === undefined || transaction.firstOffset > header.lastOffset) break
      this.#open.add(transaction.producerId)
      this.#next++
    }
    if (endsAborted) this.#open.delete(header.producerId)
    return header.transactional && this.#open.has(header.producerId)
  }
}
