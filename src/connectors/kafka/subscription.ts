import { MillraceError } from '../../common/errors.ts'
import { brokerError, brokerErrorCode, isTransient } from './broker-errors.ts'
import type { KafkaClient, RetryLimits } from './kafka-client.ts'
import type { TopicMetadata, TopicPartition } from './kafka-protocol.ts'
import type { KafkaSourceSettings } from './kafka-source-settings.ts'

/** A topic that was made just now is not yet known to every broker. */
const unknownTopicMs = 2000

export interface SubscriptionOptions {
  readonly limits: RetryLimits
  /** Partitions of a checkpoint: their topics are looked for too; whether they are there is the caller's to check. */
  readonly known: readonly TopicPartition[]
}

/**
 * All partitions of the topics, ordered by topic and number.
 * @throws MillraceError MR_KAFKA_TOPIC naming a topic that does not exist or may not be read, MR_KAFKA_UNREACHABLE
 */
export async function subscribedPartitions(
  client: KafkaClient,
  topics: KafkaSourceSettings['topics'],
  { limits, known }: SubscriptionOptions,
): Promise<readonly TopicPartition[]> {
  const knownTopics = new Set(known.map(({ topic }) => topic))
  const found =
    'source' in topics
      ? await describeMatching(client, new RegExp(topics.source, topics.flags), { limits, knownTopics })
      : await describeNamed(client, topics, { limits, knownTopics })
  return found
    .flatMap(({ topic, partitions }) => partitions.map(({ partition }) => ({ topic, partition })))
    .toSorted((one, other) =>
      one.topic === other.topic ? one.partition - other.partition : one.topic < other.topic ? -1 : 1,
    )
}

interface Wanted {
  readonly limits: RetryLimits
  readonly knownTopics: ReadonlySet<string>
}

async function describeMatching(client: KafkaClient, pattern: RegExp, wanted: Wanted): Promise<TopicMetadata[]> {
  let found: TopicMetadata[] = []
  await client.retry(wanted.limits, async () => {
    const { topics } = await client.refreshMetadata(undefined)
    found = topics.filter(({ topic, internal }) => wanted.knownTopics.has(topic) || (!internal && pattern.test(topic)))
    return transientError(found)
  })
  return found
}

async function describeNamed(client: KafkaClient, names: readonly string[], wanted: Wanted): Promise<TopicMetadata[]> {
  const asked = [...new Set([...names, ...wanted.knownTopics])]
  const begun = client.clock.monotonicMs()
  let found: TopicMetadata[] = []
  await client.retry(wanted.limits, async () => {
    found = (await client.refreshMetadata(asked)).topics.slice()
    const missing = found.find(({ topic, errorCode }) => names.includes(topic) && isMissing(errorCode))
    if (missing === undefined) return transientError(found.filter(({ errorCode }) => !isMissing(errorCode)))
    const error = new MillraceError(
      'MR_KAFKA_TOPIC',
      `topic ${missing.topic} does not exist on ${client.addresses}: create it, or correct its name`,
    )
    if (client.clock.monotonicMs() - begun > unknownTopicMs || missing.errorCode === brokerErrorCode.invalidTopic)
      throw error
    return error
  })
  return found.filter(({ errorCode }) => errorCode === brokerErrorCode.none)
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
