import type { KafkaSerialization, KafkaSinkHeaders, KafkaSinkRecord } from './kafka-sink-options.ts'
import type { EncodedRecord } from './partition-queue.ts'
import { type EncodedHeader, noHeaders } from './record-batch-builder.ts'

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
  if (options.serialize !== undefined) {
    const { serialize } = options
    return {
      open: () => Promise.resolve(),
      serialize: (value, timestamp, nowMs) => addressed(serialize(value, timestamp), timestamp, nowMs),
    }
  }
  const { topic, key: keyOf, headers: headersOf, timestamp: timestampOf, partitioner } = options
  const encoder = options.value.createEncoder()
  const serialize: RecordSerializer<T> = (value, timestamp, nowMs) => {
    const key = keyOf === undefined ? null : bytesOf(keyOf(value))
    const topicName = typeof topic === 'string' ? topic : topic(value)
    return {
      topic: topicName,
      key,
      value: encoder.encode(value),
      timestamp: timestampOrNow(timestampOf === undefined ? timestamp : timestampOf(value, timestamp), nowMs),
      headers: headersOf === undefined ? noHeaders : encodeHeaders(headersOf(value)),
      choosePartition:
        partitioner === undefined
          ? undefined
          : (partitions) => partitioner({ value, topic: topicName, key, partitions }),
    }
  }
  return { open: async () => encoder.open?.(), serialize }
}

function addressed(record: KafkaSinkRecord, eventTime: number, nowMs: () => number): AddressedRecord {
  const { topic, key = null, value, headers, timestamp, partition } = record
  return {
    topic,
    key: bytesOf(key),
    value: bytesOf(value),
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
