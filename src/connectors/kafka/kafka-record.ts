import type { RecordCursor } from './record-cursor.ts'

export interface KafkaHeader {
  readonly key: string
  readonly value: Buffer | null
}

/** A record as it stands in Kafka. Its bytes may be kept, but then keep their whole fetch answer: copy what is small and kept for long. */
export interface KafkaRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Epoch milliseconds, set by the producer or, with `message.timestamp.type=LogAppendTime`, by the broker; -Infinity where there is none. */
  readonly timestamp: number
  readonly key: Buffer | null
  /** Null in a tombstone of a compacted topic. */
  readonly value: Buffer | null
  /** Several may have the same key. */
  readonly headers: readonly KafkaHeader[]
}

/** Record `index` of the cursor. Headers are decoded when they are asked for. */
export function kafkaRecordAt(cursor: RecordCursor, index: number): KafkaRecord {
  return new CursorRecord(cursor, index)
}

class CursorRecord implements KafkaRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly #bytes: Buffer
  readonly #headersStart: number
  readonly #headersEnd: number
  #headers: readonly KafkaHeader[] | undefined

  constructor(cursor: RecordCursor, index: number) {
    this.topic = cursor.topic
    this.partition = cursor.partition
    this.offset = cursor.offsets[index] as number
    this.timestamp = cursor.timestamps[index] as number
    this.key = rangeOf(cursor.bytes, cursor.keyStarts[index] as number, cursor.keyEnds[index] as number)
    this.value = rangeOf(cursor.bytes, cursor.valueStarts[index] as number, cursor.valueEnds[index] as number)
    this.#bytes = cursor.bytes
    this.#headersStart = cursor.valueEnds[index] as number
    this.#headersEnd = cursor.recordEnds[index] as number
  }

  get headers(): readonly KafkaHeader[] {
    this.#headers ??= decodeHeaders(this.#bytes, this.#headersStart, this.#headersEnd)
    return this.#headers
  }
}

/** A view; null where `start` is -1. */
export function rangeOf(bytes: Buffer, start: number, end: number): Buffer | null {
  return start < 0 ? null : bytes.subarray(start, end)
}

/** @throws Error where the headers do not fill `bytes[start, end)` */
function decodeHeaders(bytes: Buffer, start: number, end: number): KafkaHeader[] {
  let at = start
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 35 && at < end; shift += 7) {
      const byte = bytes[at++] as number
      value |= (byte & 127) << shift
      if (byte < 128) return (value >>> 1) ^ -(value & 1)
    }
    throw new Error('the headers of the record are damaged')
  }
  const take = (size: number): Buffer => {
    if (size < 0 || at + size > end) throw new Error(`a header of ${size} bytes reaches past the end of the record`)
    at += size
    return bytes.subarray(at - size, at)
  }
  const headers: KafkaHeader[] = []
  const count = varint()
  for (let left = count; left > 0; left--) {
    const key = take(varint()).toString('utf8')
    const size = varint()
    headers.push({ key, value: size < 0 ? null : take(size) })
  }
  if (count < 0 || at !== end) throw new Error(`${count} headers do not fill the rest of the record`)
  return headers
}
