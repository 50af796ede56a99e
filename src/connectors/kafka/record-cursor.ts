import { MillraceError, messageOf } from '../../common/errors.ts'
import { noTimestamp } from '../../common/timestamps.ts'
import { codecNames, decompress } from './compression.ts'
import {
  AbortedFilter,
  type AbortedTransaction,
  BatchHeader,
  batchHeaderLength,
  batchLength,
  isWholeBatch,
} from './record-batch.ts'

/** The record batches of one partition in one fetch answer: `bytes[start, end)`. */
export interface RecordRegion {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /** The aborted transactions that the answer lists; undefined: uncommitted records are read too. */
  readonly aborted: readonly AbortedTransaction[] | undefined
}

/** Most records that one `fill` gives. */
const cursorCapacity = 512

/**
 * Walks over record batches and gives the places of values, up to 512 at a time, without an object or a copy for each
 * record (`prototypes` measured 3 to 4 times Flink's rate for it). Resumable: `fill` goes on where the last one
 * stopped, also in the middle of a batch.
 *
 * After `fill` returned n, entries [0, n) of the arrays describe the records; they are ranges of `bytes`.
 */
export class RecordCursor {
  /** What the ranges point into: the fetch answer, or the unpacked records of a compressed batch. */
  bytes: Buffer = Buffer.alloc(0)
  /** -1: the record has no value. */
  readonly valueStarts = new Int32Array(cursorCapacity)
  readonly valueEnds = new Int32Array(cursorCapacity)
  readonly timestamps = new Float64Array(cursorCapacity)
  readonly offsets = new Float64Array(cursorCapacity)
  /** -1: the record has no key. */
  readonly keyStarts = new Int32Array(cursorCapacity)
  readonly keyEnds = new Int32Array(cursorCapacity)
  /** The headers stand between the end of the value and this. */
  readonly recordEnds = new Int32Array(cursorCapacity)
  /** Index of the record that is being emitted; kept by those who do. */
  current = 0

  topic = ''
  partition = -1
  /** The offset after the last record given or passed over. */
  position = 0

  /** True: `bytes` is not the fetch answer but an unpacked batch. */
  #unpacked = false
  readonly #header = new BatchHeader()
  #region: Buffer = this.bytes
  #regionEnd = 0
  /** Where the next batch begins in the region. */
  #nextBatch = 0
  /** The offset after the last batch of the region that was passed. */
  #afterBatch = 0
  #firstBatch = true
  #aborted: AbortedFilter | undefined
  /** Exclusive end offset. */
  #end = Number.POSITIVE_INFINITY

  // The open batch: where the next record begins, where the records end, and how many are left.
  #at = 0
  #recordsEnd = 0
  #left = 0
  #baseOffset = 0
  #lastOffset = 0
  /** Of the last record read, whether it was given or not: offsets rise within a batch. */
  #previousOffset = -1
  #baseTimestamp = 0
  /** The timestamp of all records of the batch, or -1 where each has its own. */
  #appendTimestamp = -1

  /** Starts on a region, at the offset `position`; `end` is exclusive. */
  load(region: RecordRegion, position: number, end: number): void {
    this.topic = region.topic
    this.partition = region.partition
    this.position = position
    this.#end = end
    this.#region = region.bytes
    this.bytes = region.bytes
    this.#unpacked = false
    this.#nextBatch = region.start
    this.#afterBatch = 0
    this.#regionEnd = region.end
    this.#firstBatch = true
    this.#left = 0
    this.#aborted = region.aborted === undefined ? undefined : new AbortedFilter(region.aborted)
  }

  /**
   * Gives the next records, at most `max`; 0: the region is at its end, and `position` is past all its batches, control
   * batches, aborted and compacted records included (R18).
   * @throws MillraceError MR_KAFKA_CORRUPT naming topic, partition and offset
   */
  fill(max: number): number {
    const limit = Math.min(max, cursorCapacity)
    let count = 0
    while (count < limit) {
      if (this.#left === 0 && !this.#openBatch(count > 0)) break
      count = this.#readRecords(count, limit)
      if (this.#left === 0) this.#closeBatch()
    }
    return count
  }

  /** Where the record `index` of the last `fill` stands, for messages. */
  placeOf(index: number): string {
    return this.#place(this.offsets[index] as number)
  }

  #readRecords(from: number, limit: number): number {
    let count = from
    while (this.#left > 0 && count < limit) {
      const length = this.#varint()
      const next = this.#at + length
      this.#at++ // Attributes of a record: none is in use.
      const timestampDelta = this.#varlong()
      const offset = this.#baseOffset + this.#varint()
      if (length < 0 || next > this.#recordsEnd || offset > this.#lastOffset || offset <= this.#previousOffset) {
        throw this.#damaged(`a record of ${length} bytes at offset ${offset}`)
      }
      this.#left--
      this.#previousOffset = offset
      if (offset < this.position) {
        this.#at = next
      } else if (offset >= this.#end) {
        this.#left = 0
        this.#at = this.#recordsEnd
      } else {
        this.#readKeyAndValue(count, next)
        this.offsets[count] = offset
        this.timestamps[count] = this.#timestamp(timestampDelta)
        this.position = offset + 1
        this.#at = next
        count++
      }
    }
    return count
  }

  #readKeyAndValue(index: number, next: number): void {
    const keyLength = this.#varint()
    const keyStart = this.#at
    if (keyLength > 0) this.#at += keyLength
    const valueLength = this.#varint()
    const valueStart = this.#at
    const valueEnd = valueLength > 0 ? valueStart + valueLength : valueStart
    if (valueEnd > next) throw this.#damaged(`a key of ${keyLength} and a value of ${valueLength} bytes`)
    this.valueStarts[index] = valueLength < 0 ? -1 : valueStart
    this.valueEnds[index] = valueEnd
    this.keyStarts[index] = keyLength < 0 ? -1 : keyStart
    this.keyEnds[index] = keyLength > 0 ? keyStart + keyLength : keyStart
    this.recordEnds[index] = next
  }

  #timestamp(delta: number): number {
    const timestamp = this.#appendTimestamp >= 0 ? this.#appendTimestamp : this.#baseTimestamp + delta
    return timestamp >= 0 ? timestamp : noTimestamp
  }

  /**
   * Goes to the next batch that has records to give; false: there is none.
   * @param sameBytes stop before a batch whose records are not in `bytes`: all ranges of a `fill` point into one buffer
   */
  #openBatch(sameBytes: boolean): boolean {
    if (sameBytes && this.#unpacked) return false
    while (isWholeBatch(this.#region, this.#nextBatch, this.#regionEnd)) {
      const at = this.#nextBatch
      const end = at + batchLength(this.#region, at)
      this.#readHeader(at, end)
      if (this.#header.baseOffset >= this.#end) {
        this.position = this.#end
        return false
      }
      const wanted = this.#isWanted(at, end)
      if (wanted && sameBytes && this.#header.codec !== 0) return false
      this.#nextBatch = end
      this.#afterBatch = this.#header.lastOffset + 1
      if (wanted && this.#startRecords(at + batchHeaderLength, end)) return true
      this.#passBatch()
    }
    this.#checkCut()
    return false
  }

  #readHeader(at: number, end: number): void {
    const wrong = this.#header.read(this.#region, at, end)
    if (wrong !== undefined) throw this.#damaged(wrong)
    // The checksum does not cover the base offset.
    const { baseOffset } = this.#header
    if (baseOffset < this.#afterBatch) throw this.#damaged(`offset ${baseOffset} after ${this.#afterBatch - 1}`)
    this.#firstBatch = false
  }

  /** A broker cuts the last batch of an answer, never the first (KIP-74): then nothing would ever be read. */
  #checkCut(): void {
    const rest = this.#regionEnd - this.#nextBatch
    if (this.#firstBatch && rest > 0) throw this.#damaged(`${rest} bytes that are no whole record batch`)
  }

  #isWanted(at: number, end: number): boolean {
    const header = this.#header
    const aborted = this.#aborted?.isAborted(header, header.control && this.#isAbortMarker(at, end)) ?? false
    return !aborted && !header.control && header.lastOffset >= this.position
  }

  /** The key of a control record is (version int16, type int16); type 0 is an abort, 1 a commit. */
  #isAbortMarker(at: number, end: number): boolean {
    this.bytes = this.#region
    this.#unpacked = false
    this.#at = at + batchHeaderLength
    this.#recordsEnd = end
    this.#varint()
    this.#at++
    this.#varlong()
    this.#varint()
    const keyLength = this.#varint()
    if (keyLength < 4 || this.#at + keyLength > end) throw this.#damaged(`a control record with a key of ${keyLength}`)
    return this.#region.readInt16BE(this.#at + 2) === 0
  }

  /** False: the batch has no records any more, since they were compacted away. */
  #startRecords(start: number, end: number): boolean {
    const header = this.#header
    this.#baseOffset = header.baseOffset
    this.#lastOffset = header.lastOffset
    this.#previousOffset = header.baseOffset - 1
    this.#baseTimestamp = header.baseTimestamp
    this.#appendTimestamp = header.logAppendTime ? header.maxTimestamp : -1
    this.#left = header.recordCount
    if (header.codec === 0) {
      this.bytes = this.#region
      this.#at = start
      this.#recordsEnd = end
    } else {
      this.bytes = this.#unpack(header.codec, this.#region.subarray(start, end))
      this.#at = 0
      this.#recordsEnd = this.bytes.length
    }
    this.#unpacked = header.codec !== 0
    return this.#left > 0
  }

  #unpack(codec: number, packed: Buffer): Buffer {
    try {
      return decompress(codec, packed)
    } catch (error) {
      throw this.#damaged(`its ${codecNames[codec] ?? 'compressed'} data can not be unpacked: ${messageOf(error)}`)
    }
  }

  #closeBatch(): void {
    if (this.#at !== this.#recordsEnd) throw this.#damaged(`${this.#recordsEnd - this.#at} bytes after the last record`)
    this.position = Math.min(Math.max(this.position, this.#lastOffset + 1), this.#end)
  }

  /** Steps over a batch without records for us: "reached" is judged by the fetch position (R18). */
  #passBatch(): void {
    this.position = Math.min(Math.max(this.position, this.#header.lastOffset + 1), this.#end)
  }

  #varint(): number {
    const first = this.bytes[this.#at++] as number
    return first < 128 ? (first >>> 1) ^ -(first & 1) : this.#longVarint(first)
  }

  #longVarint(first: number): number {
    let value = first & 127
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.bytes[this.#at++] as number
      value |= (byte & 127) << shift
      if (byte < 128) return (value >>> 1) ^ -(value & 1)
    }
    throw this.#damaged('a number of more than five bytes')
  }

  #varlong(): number {
    const first = this.bytes[this.#at++] as number
    return first < 128 ? (first >>> 1) ^ -(first & 1) : this.#longVarlong(first)
  }

  #longVarlong(first: number): number {
    let value = first & 127
    let factor = 128
    for (let bytes = 2; bytes <= 10; bytes++) {
      const byte = this.bytes[this.#at++] as number
      value += (byte & 127) * factor
      factor *= 128
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw this.#damaged('a number of more than ten bytes')
  }

  #damaged(what: string): MillraceError {
    return new MillraceError('MR_KAFKA_CORRUPT', `${this.#place(this.position)}: the record batch is damaged: ${what}`)
  }

  #place(offset: number): string {
    return `topic ${this.topic}, partition ${this.partition}, offset ${offset}`
  }
}
