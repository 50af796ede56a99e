import type { Source, SourceDescription, SourceReader, SourceReaderContext } from '../../api/source.ts'
import { MillraceError } from '../../common/errors.ts'
import type { DataType } from '../../formats/data-type.ts'
import type { Format } from '../../formats/format.ts'
import { FetchBuffers } from './fetch-buffers.ts'
import { KafkaClient } from './kafka-client.ts'
import { KafkaReader } from './kafka-reader.ts'
import type { KafkaRecord } from './kafka-record.ts'
import {
  bootstrapOf,
  type KafkaSourceBase,
  type KafkaSourceSettings,
  kafkaDescription,
  kafkaSourceSettings,
} from './kafka-source-settings.ts'
import type { OAuthTokenProvider } from './oauth-token.ts'
import { PartitionFetcher } from './partition-fetcher.ts'
import { type RecordEmitter, recordEmitter, valueEmitter } from './record-emitters.ts'

/** What a Kafka source reads, and how records are decoded. */
export type KafkaSourceOptions<T> = KafkaSourceBase & KafkaDeserialization<T>

export type KafkaDeserialization<T> =
  | {
      /** The format of the records' values. Records without a value (tombstones) are passed over: use `deserialize` to see them. */
      readonly value: Format<T>
      readonly deserialize?: never
    }
  | {
      /** Makes a value of a whole record: key, value, headers, timestamp, topic, partition, offset. One that throws is a record that can not be decoded. */
      readonly deserialize: (record: KafkaRecord) => T
      readonly value?: never
    }

/**
 * Reads topics of Kafka (2.3 or newer). Partitions are assigned by the JobMaster, never by a consumer group, and each
 * partition's next offset is part of the checkpoint.
 *
 * @example
 * ```ts
 * import { job, WatermarkStrategy } from 'millrace'
 * import { json } from 'millrace/formats'
 * import { KafkaSource } from 'millrace/kafka'
 *
 * export default job('ads', (env) => {
 *   const ads = KafkaSource.of({ topics: ['ads'], groupId: 'views', value: json<{ adId: string; at: number }>() })
 *   env
 *     .fromSource(ads, WatermarkStrategy.forBoundedOutOfOrderness('5s').withTimestamps((ad) => ad.at), 'ads')
 *     .print()
 * })
 * ```
 *
 * A record that can not be decoded fails the job with its topic, partition and offset (MR_DESERIALIZATION), unless the
 * source has a dead-letter output. Other errors of a running source: MR_KAFKA_TOPIC, MR_KAFKA_OFFSET where records were
 * deleted before they were read (never a silent reset), MR_KAFKA_CORRUPT, MR_KAFKA_UNREACHABLE when all brokers are away
 * for `properties.unreachableTimeout`.
 */
export class KafkaSource<T> implements Source<T> {
  readonly boundedness: 'bounded' | 'continuous'
  readonly description: SourceDescription
  readonly type: DataType<T>
  readonly valueFormat?: Format<T>
  readonly #settings: KafkaSourceSettings
  readonly #deserialization: KafkaDeserialization<T>
  readonly #tokenProvider: OAuthTokenProvider | undefined

  /** @throws MillraceError MR_CONFIGURATION naming the option */
  static of<T>(options: KafkaSourceOptions<T>): KafkaSource<T> {
    return new KafkaSource(options)
  }

  private constructor(options: KafkaSourceOptions<T>) {
    if ((options.value === undefined) === (options.deserialize === undefined)) {
      throw new MillraceError('MR_CONFIGURATION', 'KafkaSource: give either value or deserialize')
    }
    this.#settings = kafkaSourceSettings(options)
    this.#deserialization = options
    this.#tokenProvider = options.properties?.tokenProvider
    this.boundedness = this.#settings.end === null ? 'continuous' : 'bounded'
    this.description = kafkaDescription(this.#settings)
    if (options.value !== undefined) this.valueFormat = options.value
    this.type = options.value === undefined ? { kind: 'untyped' } : options.value.type
  }

  createReader(context: SourceReaderContext): SourceReader<T> {
    const { connection, isolation } = this.#settings
    const { emit, givesViews } = emitterOf(this.#deserialization, context)
    const buffers = new FetchBuffers({ reuse: !givesViews })
    const { clock } = context
    const client = new KafkaClient({
      bootstrap: bootstrapOf(this.#settings),
      settings: connection,
      buffers,
      clock,
      tokenProvider: this.#tokenProvider,
    })
    const fetcher = new PartitionFetcher({
      client,
      clock,
      buffers,
      isolation,
      limits: {
        maxWaitMs: connection.fetchMaxWaitMs,
        maxPartitionBytes: connection.maxPartitionFetchBytes,
        maxBytes: connection.fetchMaxBytes,
      },
      unreachableTimeoutMs: connection.unreachableTimeoutMs,
      wake: () => context.wake(),
      fail: (error) => context.fail(error),
    })
    return new KafkaReader(fetcher, emit)
  }
}

function emitterOf<T>(
  deserialization: KafkaDeserialization<T>,
  context: SourceReaderContext,
): {
  readonly emit: RecordEmitter<T>
  readonly givesViews: boolean
} {
  const waitFor = (ready: Promise<void>) => {
    ready.then(
      () => context.wake(),
      (error: unknown) => context.fail(error),
    )
  }
  if (deserialization.deserialize !== undefined) {
    return { emit: recordEmitter(deserialization.deserialize, waitFor), givesViews: true }
  }
  const decoder = deserialization.value.createDecoder()
  return { emit: valueEmitter(decoder, waitFor), givesViews: decoder.decodeView !== undefined }
}
