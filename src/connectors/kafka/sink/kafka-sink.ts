import type { DeliveryGuarantee, Sink, SinkWriter, SinkWriterContext } from '../../../api/sink.ts'
import {
  type KafkaSinkOptions,
  type KafkaSinkSettings,
  kafkaSinkSettings,
  transactionScope,
  wrong,
} from './kafka-sink-options.ts'
import { KafkaSinkWriter } from './kafka-sink-writer.ts'
import { recordSerializer } from './record-serializer.ts'

/**
 * Writes records to topics of Kafka (2.3 or newer). Exactly once by default: each checkpoint is a transaction, prepared
 * at its barrier and committed when it has completed, so readers with `read_committed` see each result once, and see it
 * with its checkpoint. Topics must exist.
 *
 * @example
 * ```ts
 * import { job } from 'millrace'
 * import { json } from 'millrace/formats'
 * import { KafkaSink } from 'millrace/kafka'
 *
 * interface Square {
 *   readonly n: number
 *   readonly square: number
 * }
 *
 * export default job('squares', (env) => {
 *   env.enableCheckpointing('1s', { timeout: '1min' })
 *   env
 *     .fromSequence(1, 100)
 *     .map((n): Square => ({ n, square: n * n }))
 *     .sinkTo(KafkaSink.of<Square>({ topic: 'squares', value: json(), key: ({ n }) => String(n) }))
 * })
 * ```
 *
 * The broker ends a transaction that is older than `transactionTimeout`. Where that could happen before its commit
 * (checkpoint interval, checkpoint timeouts, a restart) the job is refused at start, with both figures.
 *
 * Errors of a running sink: MR_KAFKA_TOPIC, MR_KAFKA_UNREACHABLE when brokers are away for
 * `properties.unreachableTimeout`, MR_SINK naming topic and record, MR_TRANSACTION_LOST where output of a completed
 * checkpoint can not be published any more.
 */
export class KafkaSink<T> implements Sink<T> {
  readonly connector = 'kafka'
  readonly deliveryGuarantee: DeliveryGuarantee
  readonly transactionalIdPrefix: string | undefined
  readonly transactionScope: string | undefined
  readonly #settings: KafkaSinkSettings
  readonly #options: KafkaSinkOptions<T>

  /** @throws MillraceError MR_CONFIGURATION naming the option */
  static of<T>(options: KafkaSinkOptions<T>): KafkaSink<T> {
    return new KafkaSink(options)
  }

  private constructor(options: KafkaSinkOptions<T>) {
    if ((options.value === undefined) === (options.serialize === undefined)) {
      throw wrong('give either topic and value, or serialize')
    }
    if (options.value !== undefined && (options.topic === undefined || options.topic === '')) {
      throw wrong('topic: a name, or a function that gives one, is needed')
    }
    this.#settings = kafkaSinkSettings(options)
    this.#options = options
    const { deliveryGuarantee, transactionalIdPrefix } = this.#settings
    this.deliveryGuarantee = deliveryGuarantee
    const isTransactional = deliveryGuarantee === 'exactly-once'
    this.transactionalIdPrefix = isTransactional ? transactionalIdPrefix : undefined
    this.transactionScope = isTransactional ? transactionScope(this.#settings) : undefined
  }

  createWriter(context: SinkWriterContext): SinkWriter<T> {
    const { topic } = this.#options
    const serializer = recordSerializer(this.#options)
    const topics = typeof topic === 'string' ? [topic] : []
    return new KafkaSinkWriter<T>({ settings: this.#settings, serializer, topics, context })
  }
}
