import { MillraceError } from '../../common/errors.ts'
import { brokerError, brokerErrorCode, isTransient } from './broker-errors.ts'
import type { KafkaAdmin } from './kafka-admin.ts'
import type { KafkaClient, RetryLimits } from './kafka-client.ts'
import type { TopicMetadata, TopicPartition } from './kafka-protocol.ts'
import type { KafkaSourceSettings } from './kafka-source-settings.ts'

/** A topic that was made just now is not yet known to every broker. */
const unknownTopicMs = 2000

export interface SubscriptionOptions {
  readonly client: KafkaClient
  readonly admin: KafkaAdmin
  readonly limits: RetryLimits
  /** Partitions of a checkpoint: their topics are looked for too; whether they are there is the caller's to check. */
  readonly known: readonly TopicPartition[]
}

/**
 * All partitions of the topics, ordered by topic and number.
 * @throws MillraceError MR_KAFKA_TOPIC naming a topic that does not exist or may not be read, MR_KAFKA_UNREACHABLE
 */
export async function subscribedPartitions(
  topics: KafkaSourceSettings['topics'],
  { known, ...options }: SubscriptionOptions,
): Promise<readonly TopicPartition[]> {
  const knownTopics = new Set(known.map(({ topic }) => topic))
  const found =
    'source' in topics
      ? await describeMatching(new RegExp(topics.source, topics.flags), { ...options, knownTopics })
      : await describeNamed(topics, { ...options, knownTopics })
  return found
    .flatMap(({ topic, partitions }) => partitions.map(({ partition }) => ({ topic, partition })))
    .toSorted((one, other) =>
      one.topic === other.topic ? one.partition - other.partition : one.topic < other.topic ? -1 : 1,
    )
}

type Wanted = Omit<SubscriptionOptions, 'known'> & {
  readonly knownTopics: ReadonlySet<string>
}

async function describeMatching(pattern: RegExp, wanted: Wanted): Promise<TopicMetadata[]> {
  let found: TopicMetadata[] = []
  await wanted.client.retry(wanted.limits, async () => {
    const topics = await describe(wanted, undefined)
    found = topics.filter(({ topic, internal }) => wanted.knownTopics.has(topic) || (!internal && pattern.test(topic)))
    return transientError(found)
  })
  return found
}

async function describeNamed(names: readonly string[], wanted: Wanted): Promise<TopicMetadata[]> {
  const asked = [...new Set([...names, ...wanted.knownTopics])]
  const { clock, addresses } = wanted.client
  const begun = clock.monotonicMs()
  let found: TopicMetadata[] = []
  await wanted.client.retry(wanted.limits, async () => {
    found = (await describe(wanted, asked)).slice()
    const missing = found.find(({ topic, errorCode }) => names.includes(topic) && isMissing(errorCode))
    if (missing === undefined) return transientError(found.filter(({ errorCode }) => !isMissing(errorCode)))
    const error = new MillraceError(
      'MR_KAFKA_TOPIC',
      `topic ${missing.topic} does not exist on ${addresses}: create it, or correct its name`,
    )
    if (clock.monotonicMs() - begun > unknownTopicMs || missing.errorCode === brokerErrorCode.invalidTopic) throw error
    return error
  })
  return found.filter(({ errorCode }) => errorCode === brokerErrorCode.none)
}

/** Where something is wrong with a topic, our own request tells with which. */
async function describe(
  { client, admin }: Wanted,
  names: readonly string[] | undefined,
): Promise<readonly TopicMetadata[]> {
  return (await admin.topics(names)) ?? (await client.refreshMetadata(names)).topics
}

function isMissing(errorCode: number): boolean {
  return errorCode === brokerErrorCode.unknownTopicOrPartition || errorCode === brokerErrorCode.invalidTopic
}

/** The error to try again for, if any. */
function transientError(topics: readonly TopicMetadata[]): MillraceError | undefined {
  let again: MillraceError | undefined
  for (const { topic, errorCode } of topics) {
    if (errorCode === brokerErrorCode.none) continue
    const error = brokerError(errorCode, `looking for topic ${topic}`)
    if (!isTransient(errorCode)) throw error
    again = error
  }
  return again
}
