import { MillraceError } from '../../../common/errors.ts'
import { brokerError, brokerErrorCode, isTransient } from '../broker-errors.ts'
import type { KafkaClient, RetryLimits } from '../kafka-client.ts'
import type { TopicMetadata } from '../kafka-protocol.ts'
import type { EncodedRecord } from './encoded-record.ts'
import { murmur2 } from './murmur2.ts'

/** The partitions of one topic, as of the last metadata. */
export class TopicPartitions {
  readonly topic: string
  /** 0: not known yet. */
  count = 0
  #sticky: number

  constructor(topic: string, first: number) {
    this.topic = topic
    this.#sticky = first
  }

  /** There are more than when they were located; those that are not located yet wait for that. */
  grow(count: number): void {
    if (this.count > 0 && count > this.count) this.count = count
  }

  /** By the key's hash; without a key one partition after another, each for a batch. */
  partitionOf({ bytes, keyLength }: Pick<EncodedRecord, 'bytes' | 'keyLength'>): number {
    if (keyLength < 0) return this.#sticky % this.count
    return (murmur2(bytes, keyLength) & 0x7fff_ffff) % this.count
  }

  /** The sticky partition's batch is full. */
  moveOn(partition: number): void {
    if (this.#sticky % this.count === partition) this.#sticky++
  }
}

/**
 * Asks how many partitions topics have.
 * @throws MillraceError MR_KAFKA_TOPIC, MR_KAFKA_UNREACHABLE
 */
export async function locateTopics(
  client: KafkaClient,
  topics: readonly string[],
  limits: RetryLimits,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  await client.retry(limits, async () => {
    const metadata = await client.refreshMetadata(topics)
    for (const topic of metadata.topics) {
      const error = errorOf(topic)
      if (error !== undefined) return error
      counts.set(topic.topic, topic.partitions.length)
    }
    return undefined
  })
  return counts
}

function errorOf({ topic, errorCode, partitions }: TopicMetadata): MillraceError | undefined {
  if (errorCode === brokerErrorCode.none && partitions.length > 0) return undefined
  if (errorCode === brokerErrorCode.topicAuthorizationFailed) {
    throw new MillraceError('MR_KAFKA_TOPIC', `the sink may not write to topic ${topic}`)
  }
  const error = brokerError(errorCode === 0 ? -1 : errorCode, `looking for topic ${topic}`)
  if (isTransient(errorCode) || errorCode === 0) return error
  throw error
}
