import { MillraceError } from '../../../common/errors.ts'
import type { Timer } from '../../../common/ports.ts'
import { brokerErrorCode } from '../broker-errors.ts'
import type { KafkaClient, RetryLimits } from '../kafka-client.ts'
import type { ClusterMetadata } from '../kafka-protocol.ts'
import { contentLength, keptRecord, keyOf } from './encoded-record.ts'
import type { KafkaSinkSettings } from './kafka-sink-options.ts'
import { PartitionQueue, type SealedBatch } from './partition-queue.ts'
import { packingOf, type RecordPacking } from './record-packing.ts'
import { RecordSender, type RecordSenderOptions } from './record-sender.ts'
import type { AddressedRecord } from './record-serializer.ts'
import { locateTopics, TopicPartitions } from './topic-partitions.ts'
import type { TransactionClient } from './transaction-client.ts'
import type { WriteInterval } from './write-interval.ts'

export interface RecordOutputOptions {
  readonly client: KafkaClient
  readonly transactions: TransactionClient
  readonly settings: KafkaSinkSettings
  readonly limits: RetryLimits
  readonly acks: -1 | 1
  /** Subtasks begin with different partitions. */
  readonly firstPartition: number
  /** Less is buffered. */
  drained(): void
  fail(error: unknown): void
}

interface Waiting {
  readonly interval: WriteInterval
  readonly record: AddressedRecord
  readonly bytes: number
}

interface TopicOutput {
  readonly partitions: TopicPartitions
  readonly queues: Map<number, PartitionQueue>
  /** Written before the number of partitions was known, in order. */
  readonly waiting: Waiting[]
}

/** From records to batches in Kafka: topics and their partitions, batches that fill, what is on its way. */
export class RecordOutput {
  readonly #options: RecordOutputOptions
  readonly #packing: RecordPacking
  readonly #topics = new Map<string, TopicOutput>()
  readonly #open = new Set<PartitionQueue>()
  readonly #sender: RecordSender
  #lingerTimer: Timer | undefined
  #refreshTimer: Timer | undefined
  #bufferedBytes = 0
  #stopped = false

  constructor(options: RecordOutputOptions) {
    this.#options = options
    this.#packing = packingOf(options.settings.compression)
    const { client, transactions, acks, settings } = options
    const { requestTimeoutMs, unreachableTimeoutMs } = settings.connection
    const sending: RecordSenderOptions = {
      client,
      transactions,
      acks,
      requestTimeoutMs,
      deliveryTimeoutMs: unreachableTimeoutMs,
      topics: () => [...this.#topics.keys()],
      delivered: (batch) => this.#delivered(batch),
      fail: (error) => options.fail(error),
    }
    this.#sender = new RecordSender(sending)
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** @throws MillraceError MR_KAFKA_TOPIC, MR_KAFKA_UNREACHABLE */
  async locate(topics: readonly string[]): Promise<void> {
    if (topics.length === 0) return
    for (const topic of topics) this.#topicOutput(topic)
    const { client, limits } = this.#options
    for (const [topic, count] of await locateTopics(client, topics, limits)) this.#located(topic, count)
    this.#refreshLater()
  }

  /** @throws MillraceError MR_SINK naming topic and record where it is too large or its partition is none */
  write(interval: WriteInterval, record: AddressedRecord): void {
    this.#checkSize(record)
    const known = this.#topics.get(record.topic)
    const output = known ?? this.#topicOutput(record.topic)
    interval.wrote(record.topic)
    if (output.partitions.count > 0) {
      this.#append(output, interval, record)
      return
    }
    const bytes = sizeOf(record)
    this.#bufferedBytes += bytes
    interval.begin()
    output.waiting.push({ interval, record: keptRecord(record), bytes })
    if (known === undefined) this.locate([record.topic]).catch((error: unknown) => this.#options.fail(error))
  }

  /** Everything that was written is sent, without waiting for more. */
  sealAll(): void {
    this.#lingerTimer?.cancel()
    this.#lingerTimer = undefined
    for (const queue of this.#open) {
      if (!queue.seal()) continue
      // Records without a key go on to the next partition with each batch, also where batches do not fill.
      this.#topics.get(queue.topic)?.partitions.moveOn(queue.partition)
      this.#sender.offer(queue)
    }
    this.#open.clear()
    this.pump()
  }

  pump(): void {
    if (!this.#stopped) this.#sender.pump()
  }

  /** Nothing is sent any more. Resolves when no request is on its way. */
  stop(): Promise<void> {
    this.#stopped = true
    this.#lingerTimer?.cancel()
    this.#refreshTimer?.cancel()
    this.#open.clear()
    this.#sender.stop()
    return this.#sender.idle()
  }

  #topicOutput(topic: string): TopicOutput {
    const existing = this.#topics.get(topic)
    if (existing !== undefined) return existing
    const partitions = new TopicPartitions(topic, this.#options.firstPartition)
    const output: TopicOutput = { partitions, queues: new Map(), waiting: [] }
    this.#topics.set(topic, output)
    return output
  }

  #located(topic: string, count: number): void {
    const output = this.#topicOutput(topic)
    output.partitions.count = count
    for (const { interval, record, bytes } of output.waiting.splice(0)) {
      this.#bufferedBytes -= bytes
      this.#append(output, interval, record)
      interval.end()
    }
    // A barrier may have come while they waited.
    this.sealAll()
  }

  #refreshLater(): void {
    if (this.#stopped) return
    const { client, settings } = this.#options
    this.#refreshTimer ??= client.clock.schedule(settings.metadataMaxAgeMs, () => {
      this.#refresh()
        .then(() => {
          this.#refreshTimer = undefined
          this.#refreshLater()
        })
        .catch((error: unknown) => this.#options.fail(error))
    })
  }

  /** New partitions get records from now on. */
  async #refresh(): Promise<void> {
    let metadata: ClusterMetadata
    try {
      metadata = await this.#options.client.refreshMetadata([...this.#topics.keys()])
    } catch {
      // Brokers that are away for too long fail what is sent to them; here they are asked again later.
      return
    }
    for (const { topic, errorCode, partitions } of metadata.topics) {
      const known = this.#topics.get(topic)?.partitions
      if (errorCode === brokerErrorCode.none && known !== undefined) known.grow(partitions.length)
    }
  }

  #append(output: TopicOutput, interval: WriteInterval, record: AddressedRecord): void {
    const { partitions } = output
    const partition = record.choosePartition?.(partitions.count) ?? partitions.partitionOf(record)
    const queue = this.#queue(output, partition)
    const sealed = queue.ready.length
    if (!queue.isOpen) this.#open.add(queue)
    this.#bufferedBytes += queue.append(interval, record)
    if (queue.ready.length > sealed) {
      if (record.keyLength < 0) partitions.moveOn(partition)
      this.#sender.offer(queue)
      this.pump()
    }
    this.#lingerTimer ??= this.#options.client.clock.schedule(this.#options.settings.lingerMs, () => this.sealAll())
  }

  #queue({ queues, partitions: { topic, count } }: TopicOutput, partition: number): PartitionQueue {
    const existing = queues.get(partition)
    if (existing !== undefined) return existing
    if (!Number.isInteger(partition) || partition < 0 || partition >= count) {
      throw new MillraceError(
        'MR_SINK',
        `topic ${topic} has partitions 0 to ${count - 1}, but one was chosen: ${partition}`,
      )
    }
    const { batchBytes } = this.#options.settings
    const queue = new PartitionQueue(topic, partition, { packing: this.#packing, batchBytes })
    queues.set(partition, queue)
    return queue
  }

  #checkSize(record: AddressedRecord): void {
    const size = sizeOf(record)
    const { maxRecordBytes } = this.#options.settings
    if (size <= maxRecordBytes) return
    const keyBytes = keyOf(record)
    const key = keyBytes === null ? 'without a key' : `with key ${JSON.stringify(keyBytes.toString('utf8', 0, 100))}`
    throw new MillraceError(
      'MR_SINK',
      `a record for topic ${record.topic} ${key} has ${size} bytes, maxRecordBytes is ${maxRecordBytes}`,
    )
  }

  #delivered(batch: SealedBatch): void {
    this.#bufferedBytes -= batch.heldBytes
    batch.interval.end()
    this.#options.drained()
  }
}

function sizeOf(record: AddressedRecord): number {
  let size = contentLength(record)
  for (const header of record.headers) size += header.key.length + (header.value?.length ?? 0)
  return size
}
