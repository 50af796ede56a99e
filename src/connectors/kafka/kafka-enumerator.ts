import type { EnumeratorContext, SourceDescription, SourceSplit, SplitEnumerator } from '../../api/source.ts'
import { MillraceError, messageOf } from '../../common/errors.ts'
import { FetchBuffers } from './fetch-buffers.ts'
import { KafkaAdmin, type Offsets } from './kafka-admin.ts'
import { KafkaClient, partitionKey, type RetryLimits } from './kafka-client.ts'
import type { PartitionOffset, TopicPartition } from './kafka-protocol.ts'
import { bootstrapOf, type KafkaSourceSettings, settingsOf, subscriptionText } from './kafka-source-settings.ts'
import { type KafkaSplit, kafkaSplitOf, sourceSplitOf, splitId } from './kafka-split.ts'
import { OffsetResolver } from './start-offsets.ts'
import { subscribedPartitions } from './subscription.ts'

/** At a start a person waits for the answer; later, leaders may take this long to be elected. */
const startLimits: RetryLimits = { unreachableMs: 3000, transientMs: 30_000 }
/** A commit or a look for partitions that fails is simply done again the next time. */
const backgroundLimits: RetryLimits = { unreachableMs: 0, transientMs: 5000 }

/** How long the end of a job waits for the commit of its last checkpoint. */
const lastCommitMs = 2000

/** The enumerator of a Kafka source: runs beside the JobMaster, on plain data alone (R27). */
export function kafkaEnumerator(description: SourceDescription, context: EnumeratorContext): SplitEnumerator {
  return new KafkaEnumerator(settingsOf(description), context)
}

class KafkaEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs?: number
  readonly #settings: KafkaSourceSettings
  readonly #context: EnumeratorContext
  readonly #client: KafkaClient
  readonly #admin: KafkaAdmin
  readonly #offsets: OffsetResolver
  /** Of the newest completed checkpoint, while an older one is still being committed. */
  #nextCommit: readonly PartitionOffset[] | undefined
  #committing: Promise<void> | undefined
  #commitWarning = ''

  constructor(settings: KafkaSourceSettings, context: EnumeratorContext) {
    this.#settings = settings
    this.#context = context
    if (settings.discoveryIntervalMs > 0) this.discoveryIntervalMs = settings.discoveryIntervalMs
    const options = {
      bootstrap: bootstrapOf(settings),
      settings: settings.connection,
      buffers: new FetchBuffers({ reuse: false }),
      clock: context.clock,
    }
    this.#client = new KafkaClient(options)
    this.#admin = new KafkaAdmin(this.#client, options)
    const { isolation, groupId } = settings
    this.#offsets = new OffsetResolver(this.#client, this.#admin, { limits: startLimits, isolation, groupId })
  }

  async start(): Promise<readonly SourceSplit[]> {
    const partitions = await this.#partitions(startLimits)
    if (partitions.length === 0) this.#reportNoTopics()
    const start = await this.#offsets.resolve(this.#settings.start, partitions)
    await this.#checkStart(start, partitions)
    return this.#withEnds(partitions, start)
  }

  async restore(known: readonly SourceSplit[]): Promise<readonly SourceSplit[]> {
    const splits = known.map(kafkaSplitOf)
    const present = await this.#partitions(startLimits, splits)
    await this.#checkKnown(splits, present)
    // What a bounded source reads was settled when it started.
    if (this.#settings.end !== null && splits.length > 0) return splits.map(sourceSplitOf)
    const knownKeys = new Set(splits.map(partitionKey))
    const added = present.filter((partition) => !knownKeys.has(partitionKey(partition)))
    return [...splits.map(sourceSplitOf), ...(await this.#fromEarliest(added))]
  }

  async discover(knownIds: ReadonlySet<string>): Promise<readonly SourceSplit[]> {
    try {
      const partitions = await this.#partitions(backgroundLimits)
      return await this.#fromEarliest(partitions.filter((partition) => !knownIds.has(splitId(partition))))
    } catch (error) {
      this.#context.warn(`could not look for new partitions of ${this.#topicsText}: ${messageOf(error)}`)
      return []
    }
  }

  async checkpointCompleted(splits: readonly SourceSplit[]): Promise<void> {
    const { groupId } = this.#settings
    if (groupId === null) return
    this.#nextCommit = splits.map(kafkaSplitOf)
    this.#committing ??= this.#commitAll(groupId).finally(() => {
      this.#committing = undefined
    })
    await this.#committing
  }

  /** A job ends right after its last checkpoint: the commit that is on its way is let through. */
  async close(): Promise<void> {
    if (this.#committing !== undefined) {
      const limit = Promise.withResolvers<void>()
      const timer = this.#context.clock.schedule(lastCommitMs, limit.resolve)
      await Promise.race([this.#committing, limit.promise])
      timer.cancel()
    }
    this.#client.close()
    this.#admin.close()
  }

  get #topicsText(): string {
    return subscriptionText(this.#settings)
  }

  #partitions(limits: RetryLimits, known: readonly TopicPartition[] = []): Promise<readonly TopicPartition[]> {
    const [client, admin] = [this.#client, this.#admin]
    return subscribedPartitions(this.#settings.topics, { client, admin, limits, known })
  }

  /** A pattern may match topics that are made later, if the source looks for them. */
  #reportNoTopics(): void {
    const text = `no topic matches ${this.#topicsText} on ${this.#client.addresses}`
    if (this.discoveryIntervalMs === undefined) throw new MillraceError('MR_KAFKA_TOPIC', text)
    this.#context.warn(`${text} yet`)
  }

  async #withEnds(partitions: readonly TopicPartition[], start: Offsets): Promise<readonly SourceSplit[]> {
    const { end } = this.#settings
    const ends = end === null ? undefined : await this.#offsets.resolve(end, partitions)
    if (ends !== undefined && end?.kind === 'offsets') await this.#checkEnds(ends, partitions)
    return partitions.map(({ topic, partition }) => {
      const key = partitionKey({ topic, partition })
      return sourceSplitOf({ topic, partition, offset: numberOf(start, key), end: ends && numberOf(ends, key) })
    })
  }

  async #fromEarliest(partitions: readonly TopicPartition[]): Promise<readonly SourceSplit[]> {
    if (partitions.length === 0) return []
    return this.#withEnds(partitions, await this.#offsets.earliest(partitions))
  }

  /** Offsets that a person or a group gave may be wrong; those that Kafka gave just now are not. */
  async #checkStart(start: Offsets, partitions: readonly TopicPartition[]): Promise<void> {
    if (this.#settings.start.kind !== 'offsets' && this.#settings.start.kind !== 'committed') return
    const range = await this.#logRange(partitions)
    for (const { topic, partition } of partitions) {
      const offset = numberOf(start, partitionKey({ topic, partition }))
      checkInRange({ topic, partition, offset, end: undefined }, range, 'startingOffsets')
    }
  }

  async #checkEnds(ends: Offsets, partitions: readonly TopicPartition[]): Promise<void> {
    const logEnds = await this.#offsets.logEnd(partitions)
    for (const { topic, partition } of partitions) {
      const key = partitionKey({ topic, partition })
      const [end, logEnd] = [numberOf(ends, key), numberOf(logEnds, key)]
      if (end <= logEnd) continue
      throw new MillraceError(
        'MR_KAFKA_OFFSET',
        `endOffsets: topic ${topic}, partition ${partition}: offset ${end} lies beyond the end of the log, which is ${logEnd}`,
      )
    }
  }

  /** R18: a position that is not in the log any more fails the restore. */
  async #checkKnown(splits: readonly KafkaSplit[], present: readonly TopicPartition[]): Promise<void> {
    const presentKeys = new Set(present.map(partitionKey))
    const unread = splits.filter(({ offset, end }) => end === undefined || offset < end)
    const gone = unread.find((split) => !presentKeys.has(partitionKey(split)))
    if (gone !== undefined) {
      const place = `topic ${gone.topic}, partition ${gone.partition}`
      throw new MillraceError('MR_KAFKA_TOPIC', `${place} is in the checkpoint, but not on ${this.#client.addresses}`)
    }
    const range = await this.#logRange(unread)
    for (const split of unread) checkInRange(split, range, 'the checkpoint')
  }

  async #logRange(partitions: readonly TopicPartition[]): Promise<LogRange> {
    const [first, last] = await Promise.all([this.#offsets.earliest(partitions), this.#offsets.logEnd(partitions)])
    return { first, last }
  }

  /** Only the newest positions matter: those that were overtaken while a commit was on its way are left out. */
  async #commitAll(groupId: string): Promise<void> {
    for (let offsets = this.#nextCommit; offsets !== undefined; offsets = this.#nextCommit) {
      this.#nextCommit = undefined
      try {
        await this.#admin.commitOffsets(groupId, offsets, backgroundLimits)
        this.#commitWarning = ''
      } catch (error) {
        this.#warnOnce(messageOf(error))
      }
    }
  }

  /** Each checkpoint would say the same again. */
  #warnOnce(warning: string): void {
    if (warning === this.#commitWarning || this.#client.isClosed) return
    this.#commitWarning = warning
    this.#context.warn(warning)
  }
}

interface LogRange {
  readonly first: Offsets
  /** Exclusive. */
  readonly last: Offsets
}

function checkInRange(split: KafkaSplit, { first, last }: LogRange, origin: string): void {
  const key = partitionKey(split)
  const [low, high] = [numberOf(first, key), numberOf(last, key)]
  if (split.offset >= low && split.offset <= high) return
  throw new MillraceError(
    'MR_KAFKA_OFFSET',
    `${origin}: topic ${split.topic}, partition ${split.partition}: offset ${split.offset} is outside of the log, which has ${low} to ${high}`,
  )
}

function numberOf(offsets: Offsets, key: string): number {
  const offset = offsets.get(key)
  if (offset === undefined) throw new MillraceError('MR_KAFKA', `Kafka has told no offset of partition ${key}`)
  return offset
}
