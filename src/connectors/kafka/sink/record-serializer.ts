import { ByteWriter } from '../../../formats/byte-writer.ts'
import type { Encoder } from '../../../formats/format.ts'
import {
  appendContent,
  type EncodedHeader,
  type EncodedRecord,
  keyOf as keyOfRecord,
  noHeaders,
} from './encoded-record.ts'
import type { KafkaSerialization, KafkaSinkHeaders, KafkaSinkRecord } from './kafka-sink-options.ts'

/** A record with where it goes. */
export interface AddressedRecord extends EncodedRecord {
  readonly topic: string
  /** undefined: as Kafka's producers choose. */
  choosePartition: ((partitions: number) => number) | undefined
}

/** Makes Kafka's record of a value. */
export type RecordSerializer<T> = (value: T, timestamp: number, nowMs: () => number) => AddressedRecord

/** A serializer, and what has to be awaited before it is used: formats may have to register a schema first. */
export interface OpenableSerializer<T> {
  open(): Promise<void>
  readonly serialize: RecordSerializer<T>
}

export function recordSerializer<T>(options: KafkaSerialization<T>): OpenableSerializer<T> {
  const writer = new ByteWriter()
  if (options.serialize !== undefined) {
    const { serialize } = options
    return {
      open: () => Promise.resolve(),
      serialize: (value, timestamp, nowMs) => addressed(serialize(value, timestamp), timestamp, nowMs, writer),
    }
  }
  const { topic, key: keyOf, headers: headersOf, timestamp: timestampOf, partitioner } = options
  const encoder = options.value.createEncoder()
  const serialize: RecordSerializer<T> = (value, timestamp, nowMs) => {
    writer.clear()
    const topicName = typeof topic === 'string' ? topic : topic(value)
    const keyLength = keyOf === undefined ? -1 : appendContent(writer, keyOf(value))
    const valueLength = appendValue(encoder, value, writer)
    const { bytes } = writer
    return {
      topic: topicName,
      bytes,
      keyLength,
      valueLength,
      timestamp: timestampOrNow(timestampOf === undefined ? timestamp : timestampOf(value, timestamp), nowMs),
      headers: headersOf === undefined ? noHeaders : encodeHeaders(headersOf(value)),
      choosePartition:
        partitioner === undefined
          ? undefined
          : (partitions) =>
              partitioner({ value, topic: topicName, key: copied(keyOfRecord({ bytes, keyLength })), partitions }),
    }
  }
  return { open: async () => encoder.open?.(), serialize }
}

/** A partitioner may keep what it is given. */
function copied(key: Buffer | null): Buffer | null {
  return key === null ? null : Buffer.from(key)
}

function appendValue<T>(encoder: Encoder<T>, value: T, writer: ByteWriter): number {
  const start = writer.position
  if (encoder.append === undefined) writer.writeBytes(encoder.encode(value))
  else encoder.append(value, writer)
  return writer.position - start
}

function addressed(
  record: KafkaSinkRecord,
  eventTime: number,
  nowMs: () => number,
  writer: ByteWriter,
): AddressedRecord {
  const { topic, key = null, value, headers, timestamp, partition } = record
  writer.clear()
  const keyLength = appendContent(writer, key)
  const valueLength = appendContent(writer, value)
  return {
    topic,
    bytes: writer.bytes,
    keyLength,
    valueLength,
    timestamp: timestampOrNow(timestamp ?? eventTime, nowMs),
    headers: headers === undefined ? noHeaders : encodeHeaders(headers),
    choosePartition: partition === undefined ? undefined : () => partition,
  }
}

/** Kafka knows no time before 1970 and no fractions. */
function timestampOrNow(timestamp: number, nowMs: () => number): number {
  const whole = Math.floor(timestamp)
  return Number.isSafeInteger(whole) && whole >= 0 ? whole : Math.floor(nowMs())
}

function bytesOf(value: Uint8Array | string | null): Uint8Array | null {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value
}

function encodeHeaders(headers: KafkaSinkHeaders): readonly EncodedHeader[] {
  return Object.entries(headers).map(([key, value]) => ({ key: Buffer.from(key, 'utf8'), value: bytesOf(value) }))
}
