import { MillraceError } from '../../common/errors.ts'
import { type KafkaAdmin, type Offsets, topicsOf } from './kafka-admin.ts'
import { type KafkaClient, partitionKey, type RetryLimits } from './kafka-client.ts'
import { listOffsets } from './kafka-offsets.ts'
import { type IsolationLevel, latestTimestamp, type TopicPartition } from './kafka-protocol.ts'
import type { OffsetReset, OffsetsInitializer } from './offsets-initializer.ts'

/** Answers what offsets mean for some partitions: from options to numbers (R18). */
export class OffsetResolver {
  readonly #client: KafkaClient
  readonly #admin: KafkaAdmin
  readonly #limits: RetryLimits
  readonly #isolation: IsolationLevel
  readonly #groupId: string | null

  constructor(
    client: KafkaClient,
    admin: KafkaAdmin,
    options: { readonly limits: RetryLimits; readonly isolation: IsolationLevel; readonly groupId: string | null },
  ) {
    this.#client = client
    this.#admin = admin
    this.#limits = options.limits
    this.#isolation = options.isolation
    this.#groupId = options.groupId
  }

  async earliest(partitions: readonly TopicPartition[]): Promise<Offsets> {
    return (await this.#admin.logRanges(topicsOf(partitions), this.#limits)).first
  }

  /** The end of the log, with records of open transactions. */
  logEnd(partitions: readonly TopicPartition[]): Promise<Offsets> {
    return this.#uncommitted(partitions, latestTimestamp)
  }

  /** The end of what may be read: with `read_committed` the last stable offset. */
  async latest(partitions: readonly TopicPartition[]): Promise<Offsets> {
    if (this.#isolation === 'read_uncommitted') return this.logEnd(partitions)
    return (await this.#admin.logRanges(topicsOf(partitions), this.#limits)).lastStable
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

  #uncommitted(partitions: readonly TopicPartition[], timestamp: number): Promise<Offsets> {
    const queries = partitions.map(({ topic, partition }) => ({ topic, partition, timestamp }))
    return listOffsets(this.#client, queries, 'read_uncommitted', this.#limits)
  }

  async #atTimestamp(partitions: readonly TopicPartition[], timestampMs: number): Promise<Offsets> {
    if (this.#isolation === 'read_committed') {
      return this.#admin.offsetsAt(topicsOf(partitions), timestampMs, this.#limits)
    }
    const found = await this.#uncommitted(partitions, timestampMs)
    return this.#withFallback(new Map([...found].filter(([, offset]) => offset >= 0)), partitions, 'latest')
  }

  async #committed(partitions: readonly TopicPartition[], otherwise: OffsetReset | 'none'): Promise<Offsets> {
    const groupId = this.#groupId ?? ''
    const found = await this.#admin.committedOffsets(groupId, topicsOf(partitions), this.#limits)
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
    return new Map([...found, ...known])
  }
}
