import type { SourceDescription } from '../../api/source.ts'
import { type Duration, durationMs } from '../../common/duration.ts'
import { MillraceError } from '../../common/errors.ts'
import type { JsonValue } from '../../common/json.ts'
import { defaultKafkaBrokers } from '../../config/kafka-defaults.ts'
import { listProblem } from './broker-address.ts'
import { connectionSettings, type KafkaConnectionSettings, type KafkaProperties } from './kafka-options.ts'
import type { IsolationLevel } from './kafka-protocol.ts'
import { type OffsetsInitializer, type OffsetsOption, offsetsInitializerOf } from './offsets-initializer.ts'

/** `description.connector` of a Kafka source. */
const kafkaConnector = 'kafka'

/** What a Kafka source reads, apart from how records are decoded. */
export type KafkaSourceBase = KafkaSubscription & {
  /** `host:port` of some brokers; by default those of the environment: `KAFKA_BROKERS`, else `127.0.0.1:9092`. */
  readonly brokers?: readonly string[]
  /** The group whose offsets are committed after each checkpoint, so that people's tools see how far the job is. The job itself never reads them, except to start from `committed`. */
  readonly groupId?: string
  /** Where the first run of the job starts, default `earliest`. A job that is restored goes on where it was. */
  readonly startingOffsets?: OffsetsOption
  /** Makes the source bounded: it reads up to here and ends. */
  readonly endOffsets?: Exclude<OffsetsOption, 'earliest' | 'committed'>
  /** `read_committed` (default): records of aborted transactions are left out, those of open ones wait. */
  readonly isolation?: IsolationLevel
  /** Connection and fetching. */
  readonly properties?: KafkaProperties
  /** How often to look for new partitions and topics, default 5 minutes; 0: never. A bounded source never does. */
  readonly partitionDiscoveryInterval?: Duration
}

/** Topics by name, or all whose whole name matches a pattern. */
export type KafkaSubscription =
  | { readonly topics: readonly string[]; readonly topicPattern?: never }
  | { readonly topicPattern: RegExp; readonly topics?: never }

/** The same as plain data: the options of the source's description, all that the enumerator needs (R27). */
export type KafkaSourceSettings = {
  /** Null: the brokers of the environment in which the job runs. */
  readonly brokers: readonly string[] | null
  readonly topics: readonly string[] | { readonly source: string; readonly flags: string }
  readonly groupId: string | null
  readonly start: OffsetsInitializer
  readonly end: OffsetsInitializer | null
  readonly isolation: IsolationLevel
  readonly discoveryIntervalMs: number
  readonly connection: KafkaConnectionSettings
}

/** @throws MillraceError MR_CONFIGURATION naming the option */
export function kafkaSourceSettings(options: KafkaSourceBase): KafkaSourceSettings {
  const { topics, topicPattern, groupId, endOffsets } = options
  checkSubscription(topics, topicPattern)
  const problem = listProblem('brokers', options.brokers, '127.0.0.1:9092')
  if (problem !== undefined) throw wrong(problem)
  if (groupId === '') throw wrong('groupId: an empty name is no group')
  const start = offsetsInitializerOf(options.startingOffsets ?? 'earliest')
  if (start.kind === 'committed' && groupId === undefined) throw wrong('startingOffsets: committed needs a groupId')
  const end = endOffsets === undefined ? null : endInitializerOf(endOffsets)
  const interval = durationMs(options.partitionDiscoveryInterval ?? '5min', 'partitionDiscoveryInterval')
  return {
    brokers: options.brokers ?? null,
    topics: topicPattern === undefined ? [...new Set(topics)] : patternData(topicPattern),
    groupId: groupId ?? null,
    start,
    end,
    isolation: options.isolation ?? 'read_committed',
    discoveryIntervalMs: end === null ? interval : 0,
    connection: connectionSettings(options.properties ?? {}),
  }
}

function checkSubscription(topics: readonly string[] | undefined, topicPattern: RegExp | undefined): void {
  if ((topics === undefined) === (topicPattern === undefined)) throw wrong('give either topics or topicPattern')
  const problem = listProblem('topics', topics, 'orders')
  if (problem !== undefined) throw wrong(problem)
}

function endInitializerOf(option: OffsetsOption): OffsetsInitializer {
  const end = offsetsInitializerOf(option)
  if (end.kind === 'earliest' || end.kind === 'committed') throw wrong(`endOffsets: ${end.kind} is no end`)
  return end
}

/** `g` and `y` would make a test depend on the one before. */
function patternData({ source, flags }: RegExp): { source: string; flags: string } {
  return { source: `^(?:${source})$`, flags: flags.replace(/[gy]/g, '') }
}

export function kafkaDescription(settings: KafkaSourceSettings): SourceDescription {
  return { connector: kafkaConnector, options: settings as unknown as JsonValue }
}

/** @throws MillraceError MR_INTERNAL where the description is another connector's */
export function settingsOf(description: SourceDescription): KafkaSourceSettings {
  if (description.connector !== kafkaConnector) {
    throw new MillraceError('MR_INTERNAL', `'${description.connector}' is no description of a Kafka source`)
  }
  return description.options as unknown as KafkaSourceSettings
}

export function bootstrapOf(settings: KafkaSourceSettings): readonly string[] {
  return settings.brokers ?? defaultKafkaBrokers()
}

/** For messages: the topics as they were given. */
export function subscriptionText({ topics }: KafkaSourceSettings): string {
  return 'source' in topics ? `pattern /${topics.source}/${topics.flags}` : topics.join(', ')
}

function wrong(why: string): MillraceError {
  return new MillraceError('MR_CONFIGURATION', `KafkaSource: ${why}`)
}
