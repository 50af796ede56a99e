import type { SlicedBuffer } from '../../../formats/avro-primitives.ts'
import type { ByteWriter } from '../../../formats/byte-writer.ts'

/** A header of a record, as it stands in the batch. */
export interface EncodedHeader {
  readonly key: Buffer
  readonly value: Uint8Array | null
}

export const noHeaders: readonly EncodedHeader[] = []

/** A record as bytes: its key, and behind it its value. The next record of the same serializer overwrites them. */
export interface EncodedRecord {
  readonly bytes: Buffer
  /** −1: no key. */
  readonly keyLength: number
  /** −1: none, a tombstone. */
  readonly valueLength: number
  /** Whole epoch milliseconds, 0 or later. */
  readonly timestamp: number
  readonly headers: readonly EncodedHeader[]
}

/** Length of key and value. */
export function contentLength({ keyLength, valueLength }: EncodedRecord): number {
  return Math.max(keyLength, 0) + Math.max(valueLength, 0)
}

/** null: none. A view, valid as long as the record. */
export function keyOf({ bytes, keyLength }: Pick<EncodedRecord, 'bytes' | 'keyLength'>): Buffer | null {
  return keyLength < 0 ? null : bytes.subarray(0, keyLength)
}

/** The same record, for as long as it is needed. */
export function keptRecord<R extends EncodedRecord>(record: R): R {
  return { ...record, bytes: Buffer.from(record.bytes.subarray(0, contentLength(record))) }
}

const shortText = 40

/** Appends text as UTF-8, or bytes; gives their length, −1 for null. */
export function appendContent(writer: ByteWriter, content: Uint8Array | string | null): number {
  if (content === null) return -1
  if (typeof content !== 'string') {
    writer.writeBytes(content)
    return content.length
  }
  const { length } = content
  const start = writer.position
  writer.ensure(length * 3)
  const bytes = writer.bytes as SlicedBuffer
  let index = 0
  if (length <= shortText) {
    for (let code = 0; index < length; index++) {
      code = content.charCodeAt(index)
      if (code > 127) break
      bytes[start + index] = code
    }
  }
  const written = index === length ? length : bytes.utf8Write(content, start)
  writer.position = start + written
  return written
}
