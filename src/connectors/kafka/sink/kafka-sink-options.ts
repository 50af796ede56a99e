import { createHash } from 'node:crypto'
import type { DeliveryGuarantee } from '../../../api/sink.ts'
import { type Duration, durationMs } from '../../../common/duration.ts'
import { MillraceError } from '../../../common/errors.ts'
import { defaultKafkaBrokers } from '../../../config/kafka-defaults.ts'
import type { Format } from '../../../formats/format.ts'
import { listProblem } from '../broker-address.ts'
import { connectionSettings, type KafkaConnectionSettings, type KafkaProperties } from '../kafka-options.ts'
import { compressionNames, type KafkaCompression } from './record-packing.ts'

/** A record for Kafka, with its bytes. */
export interface KafkaSinkRecord {
  readonly topic: string
  /** Default null: none. */
  readonly key?: Uint8Array | string | null
  /** null: a tombstone, which deletes the key in a compacted topic. */
  readonly value: Uint8Array | string | null
  readonly headers?: KafkaSinkHeaders
  /** Epoch milliseconds; default the record's event time, else the wall clock. Kafka's retention goes by it. */
  readonly timestamp?: number
  /** Default: by the key's hash, or in turn. */
  readonly partition?: number
}

export type KafkaSinkHeaders = Readonly<Record<string, Uint8Array | string | null>>

/** What a partitioner sees of a record. */
export interface PartitionChoice<T> {
  readonly value: T
  readonly topic: string
  readonly key: Uint8Array | null
  /** How many partitions the topic has. */
  readonly partitions: number
}

/** How records become Kafka's. */
export type KafkaSerialization<T> =
  | {
      /** One topic, or the topic of each record. Topics must exist. */
      readonly topic: string | ((value: T) => string)
      /** The format of the records' values. */
      readonly value: Format<T>
      /** The key of a record: text as UTF-8, or bytes; null: none. Default: no keys. Use `serialize` for keys of a format. */
      readonly key?: (value: T) => Uint8Array | string | null
      readonly headers?: (value: T) => KafkaSinkHeaders
      /**
       * Epoch milliseconds; default the record's event time, else the wall clock. Brokers judge the age of records by it:
       * those that are older than the topic's `retention.ms` (a week by default) are deleted within minutes, though their
       * transaction is committed. For such a topic give `retention.ms=-1`, `message.timestamp.type=LogAppendTime`, or
       * `timestamp: () => Date.now()`.
       */
      readonly timestamp?: (value: T, eventTime: number) => number
      /** From 0 to `partitions` − 1. Default as Kafka's own producers: by the key's hash (murmur2); without a key one partition after another. */
      readonly partitioner?: (choice: PartitionChoice<T>) => number
      readonly serialize?: never
    }
  | {
      /** Makes the whole record. */
      readonly serialize: (value: T, eventTime: number) => KafkaSinkRecord
      readonly topic?: never
      readonly value?: never
      readonly key?: never
      readonly headers?: never
      readonly timestamp?: never
      readonly partitioner?: never
    }

/** Where a Kafka sink writes and what it promises, apart from how records are encoded. */
export interface KafkaSinkBase {
  /** `host:port` of some brokers; by default those of the environment: `KAFKA_BROKERS`, else `127.0.0.1:9092`. */
  readonly brokers?: readonly string[]
  /** Connection. */
  readonly properties?: KafkaProperties
  /**
   * Default `exactly-once`: records become visible to readers of committed data with their checkpoint. `at-least-once`:
   * at once, and again after a restart. `none`: like it, but only the leader confirms, so that its death loses records.
   */
  readonly deliveryGuarantee?: DeliveryGuarantee
  /** Start of the transactional ids, for the broker's access rules; default `millrace`. */
  readonly transactionalIdPrefix?: string
  /** After which the broker aborts a transaction by itself; default the longest that the broker allows. */
  readonly transactionTimeout?: Duration
  readonly compression?: KafkaCompression
  /** How long a batch waits for more records, default 5 ms. */
  readonly linger?: Duration
  /** A batch has at most this many bytes before compression, default 512 KiB; a larger record makes a batch of its own. */
  readonly batchBytes?: number
  /** A larger record is an error, default 1 MiB (the broker's own limit is `message.max.bytes`). */
  readonly maxRecordBytes?: number
  /**
   * How often the sink asks which partitions its topics have, default 5 minutes as Kafka's `metadata.max.age.ms`: new ones
   * get records from then on, and keys may change their partition with that.
   */
  readonly metadataMaxAge?: Duration
  /** The task waits while more bytes than this are not in Kafka yet, default 32 MiB. */
  readonly maxBufferedBytes?: number
}

/** What a Kafka sink writes, where, and what it promises. */
export type KafkaSinkOptions<T> = KafkaSinkBase & KafkaSerialization<T>

/** The same with all defaults, checked. */
export interface KafkaSinkSettings {
  readonly brokers: readonly string[] | undefined
  readonly connection: KafkaConnectionSettings
  readonly deliveryGuarantee: DeliveryGuarantee
  readonly transactionalIdPrefix: string
  readonly transactionTimeoutMs: number | undefined
  readonly compression: KafkaCompression
  readonly lingerMs: number
  readonly batchBytes: number
  readonly maxRecordBytes: number
  readonly maxBufferedBytes: number
  readonly metadataMaxAgeMs: number
}

const longestPrefix = 200

/** @throws MillraceError MR_CONFIGURATION naming the option */
export function kafkaSinkSettings(options: KafkaSinkBase): KafkaSinkSettings {
  const { brokers, transactionalIdPrefix = 'millrace', compression = 'none', transactionTimeout } = options
  const problem = listProblem('brokers', brokers, '127.0.0.1:9092')
  if (problem !== undefined) throw wrong(problem)
  if (transactionalIdPrefix === '' || transactionalIdPrefix.length > longestPrefix) {
    throw wrong(`transactionalIdPrefix: between 1 and ${longestPrefix} characters are needed`)
  }
  if (!compressionNames.includes(compression)) {
    throw wrong(`compression: '${compression}' is none of ${compressionNames.join(', ')}`)
  }
  const { deliveryGuarantee = 'exactly-once' } = options
  if (!['exactly-once', 'at-least-once', 'none'].includes(deliveryGuarantee)) {
    throw wrong(`deliveryGuarantee: '${deliveryGuarantee}' is none of exactly-once, at-least-once, none`)
  }
  return {
    brokers,
    connection: connectionSettings(options.properties ?? {}),
    deliveryGuarantee,
    transactionalIdPrefix,
    transactionTimeoutMs:
      transactionTimeout === undefined ? undefined : durationMs(transactionTimeout, 'transactionTimeout'),
    compression,
    lingerMs: durationMs(options.linger ?? 5, 'linger'),
    batchBytes: byteCount(options.batchBytes ?? 512 << 10, 'batchBytes'),
    maxRecordBytes: byteCount(options.maxRecordBytes ?? 1 << 20, 'maxRecordBytes'),
    maxBufferedBytes: byteCount(options.maxBufferedBytes ?? 32 << 20, 'maxBufferedBytes'),
    metadataMaxAgeMs: metadataMaxAgeMs(options.metadataMaxAge ?? '5min'),
  }
}

function metadataMaxAgeMs(age: Duration): number {
  const ageMs = durationMs(age, 'metadataMaxAge')
  if (ageMs >= 1) return ageMs
  throw wrong('metadataMaxAge: 1 ms at least is needed')
}

/**
 * Who writes where: transactional ids are one cluster's, and its access rules are a user's. A digest, since it stands in
 * the plan and in the ledger, and only equality matters.
 */
export function transactionScope({ brokers, connection }: KafkaSinkSettings): string {
  const { sasl } = connection
  const user = sasl !== null && 'username' in sasl ? sasl.username : undefined
  const identity = [[...(brokers ?? defaultKafkaBrokers())].toSorted(), sasl?.mechanism, user]
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32)
}

function byteCount(value: number, option: string): number {
  if (Number.isInteger(value) && value > 0 && value < 2 ** 31) return value
  throw wrong(`${option}: ${value} is no number of bytes`)
}

export function wrong(why: string): MillraceError {
  return new MillraceError('MR_CONFIGURATION', `KafkaSink: ${why}`)
}
