import { MillraceError } from '../../common/errors.ts'
import { type KafkaClient, partitionKey, type RetryLimits } from './kafka-client.ts'
import { committedOffsets, listOffsets, type Offsets } from './kafka-offsets.ts'
import { earliestTimestamp, type IsolationLevel, latestTimestamp, type TopicPartition } from './kafka-protocol.ts'
import type { OffsetReset, OffsetsInitializer } from './offsets-initializer.ts'

/** Answers what offsets mean for some partitions: from options to numbers (R18). */
export class OffsetResolver {
  readonly #client: KafkaClient
  readonly #limits: RetryLimits
  readonly #isolation: IsolationLevel
  readonly #groupId: string | null

  constructor(
    client: KafkaClient,
    options: { readonly limits: RetryLimits; readonly isolation: IsolationLevel; readonly groupId: string | null },
  ) {
    this.#client = client
    this.#limits = options.limits
    this.#isolation = options.isolation
    this.#groupId = options.groupId
  }

  earliest(partitions: readonly TopicPartition[]): Promise<Offsets> {
    return this.#at(partitions, earliestTimestamp, 'read_uncommitted')
  }

  /** The end of the log, with records of open transactions. */
  logEnd(partitions: readonly TopicPartition[]): Promise<Offsets> {
    return this.#at(partitions, latestTimestamp, 'read_uncommitted')
  }

  /** The end of what may be read: with `read_committed` the last stable offset. */
  latest(partitions: readonly TopicPartition[]): Promise<Offsets> {
    return this.#at(partitions, latestTimestamp, this.#isolation)
  }

  /** @throws MillraceError MR_KAFKA_OFFSET where `committedOffsets('none')` finds a partition without a commit */
  async resolve(initializer: OffsetsInitializer, partitions: readonly TopicPartition[]): Promise<Offsets> {
    switch (initializer.kind) {
      case 'earliest':
        return this.earliest(partitions)
      case 'latest':
        return this.latest(partitions)
      case 'timestamp':
        return this.#atTimestamp(partitions, initializer.timestampMs)
      case 'committed':
        return this.#committed(partitions, initializer.otherwise)
      case 'offsets': {
        const named = new Map(initializer.offsets.map((offset) => [partitionKey(offset), offset.offset]))
        return this.#withFallback(named, partitions, initializer.otherwise)
      }
    }
  }

  #at(partitions: readonly TopicPartition[], timestamp: number, isolation: IsolationLevel): Promise<Offsets> {
    const queries = partitions.map(({ topic, partition }) => ({ topic, partition, timestamp }))
    return listOffsets(this.#client, queries, isolation, this.#limits)
  }

  async #atTimestamp(partitions: readonly TopicPartition[], timestampMs: number): Promise<Offsets> {
    const found = await this.#at(partitions, timestampMs, this.#isolation)
    return this.#withFallback(new Map([...found].filter(([, offset]) => offset >= 0)), partitions, 'latest')
  }

  async #committed(partitions: readonly TopicPartition[], otherwise: OffsetReset | 'none'): Promise<Offsets> {
    const groupId = this.#groupId ?? ''
    const found = await committedOffsets(this.#client, groupId, partitions, this.#limits)
    if (otherwise !== 'none') return this.#withFallback(found, partitions, otherwise)
    const missing = partitions.find((partition) => !found.has(partitionKey(partition)))
    if (missing === undefined) return found
    throw new MillraceError(
      'MR_KAFKA_OFFSET',
      `topic ${missing.topic}, partition ${missing.partition}: group ${groupId} has committed no offset to start from`,
    )
  }

  async #withFallback(known: Offsets, partitions: readonly TopicPartition[], otherwise: OffsetReset): Promise<Offsets> {
    const others = partitions.filter((partition) => !known.has(partitionKey(partition)))
    if (others.length === 0) return known
    const found = otherwise === 'earliest' ? await this.earliest(others) : await this.latest(others)
    return new Map([...known, ...found])
  }
}
