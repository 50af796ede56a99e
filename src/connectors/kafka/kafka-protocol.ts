import { MillraceError } from '../../common/errors.ts'
import { AnswerReader, RequestWriter } from './wire-format.ts'

/** One call of Kafka's protocol in the version that we speak: the last ones before "flexible" headers, so Kafka 2.3 or newer. */
export interface KafkaApi {
  readonly name: string
  readonly key: number
  readonly version: number
}

export const kafkaApis = {
  fetch: { name: 'Fetch', key: 1, version: 11 },
  listOffsets: { name: 'ListOffsets', key: 2, version: 2 },
  metadata: { name: 'Metadata', key: 3, version: 4 },
  findCoordinator: { name: 'FindCoordinator', key: 10, version: 2 },
  saslHandshake: { name: 'SaslHandshake', key: 17, version: 1 },
  apiVersions: { name: 'ApiVersions', key: 18, version: 0 },
  saslAuthenticate: { name: 'SaslAuthenticate', key: 36, version: 1 },
} as const satisfies Readonly<Record<string, KafkaApi>>

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number
}

export type IsolationLevel = 'read_committed' | 'read_uncommitted'

export function isolationNumber(isolation: IsolationLevel): 0 | 1 {
  return isolation === 'read_committed' ? 1 : 0
}

// ---- ApiVersions ----

/**
 * Reads what a broker serves, and compares it with what we speak.
 * @throws MillraceError MR_KAFKA naming the call
 */
export function checkVersions(answer: Buffer): void {
  const reader = new AnswerReader(answer)
  reader.int16() // An error stands for a newer version than 0, which there can not be.
  const served = new Map(
    reader.array(() => [reader.int16(), { lowest: reader.int16(), highest: reader.int16() }] as const),
  )
  for (const { name, key, version } of Object.values(kafkaApis)) {
    const range = served.get(key)
    if (range === undefined || (range.lowest <= version && version <= range.highest)) continue
    throw new MillraceError(
      'MR_KAFKA',
      `the broker serves ${name} in versions ${range.lowest} to ${range.highest}, not ${version}: Kafka 2.3 or newer is needed`,
    )
  }
}

// ---- Metadata ----

export interface BrokerNode {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

export interface PartitionMetadata {
  readonly partition: number
  readonly errorCode: number
  /** Node id, or -1 where there is no leader now. */
  readonly leader: number
}

export interface TopicMetadata {
  readonly topic: string
  readonly errorCode: number
  readonly internal: boolean
  readonly partitions: readonly PartitionMetadata[]
}

export interface ClusterMetadata {
  readonly brokers: readonly BrokerNode[]
  readonly topics: readonly TopicMetadata[]
}

/** `topics` undefined: all. Never creates a topic. */
export function encodeMetadataRequest(topics: readonly string[] | undefined): Buffer {
  const writer = new RequestWriter()
  if (topics === undefined) writer.int32(-1)
  else writer.array(topics, (topic) => writer.string(topic))
  return writer.int8(0).bytes
}

export function decodeMetadataAnswer(bytes: Buffer): ClusterMetadata {
  const reader = new AnswerReader(bytes)
  reader.int32() // Throttle time.
  const brokers = reader.array(() => {
    const node = { nodeId: reader.int32(), host: reader.string(), port: reader.int32() }
    reader.nullableString() // Rack.
    return node
  })
  reader.nullableString() // Cluster id.
  reader.int32() // Controller.
  const topics = reader.array(() => ({
    errorCode: reader.int16(),
    topic: reader.string(),
    internal: reader.int8() !== 0,
    partitions: reader.array(() => {
      const partition = { errorCode: reader.int16(), partition: reader.int32(), leader: reader.int32() }
      reader.array(() => reader.int32()) // Replicas.
      reader.array(() => reader.int32()) // In-sync replicas.
      return partition
    }),
  }))
  return { brokers, topics }
}

// ---- ListOffsets ----

/** A time with a meaning of its own in ListOffsets: the end. */
export const latestTimestamp = -1

export interface OffsetQuery extends TopicPartition {
  /** Epoch milliseconds, or `latestTimestamp`. */
  readonly timestamp: number
}

export interface OffsetAnswer extends TopicPartition {
  readonly errorCode: number
  /** -1: no record is that young. */
  readonly offset: number
}

export function encodeListOffsetsRequest(queries: readonly OffsetQuery[], isolation: IsolationLevel): Buffer {
  const writer = new RequestWriter().int32(-1).int8(isolationNumber(isolation))
  return writeByTopic(writer, queries, (query) => writer.int32(query.partition).int64(query.timestamp)).bytes
}

export function decodeListOffsetsAnswer(bytes: Buffer): OffsetAnswer[] {
  const reader = new AnswerReader(bytes)
  reader.int32() // Throttle time.
  return readByTopic(reader, (topic) => {
    const partition = reader.int32()
    const errorCode = reader.int16()
    reader.int64() // The timestamp that was found.
    return { topic, partition, errorCode, offset: reader.int64() }
  })
}

// ---- FindCoordinator ----

export interface CoordinatorAnswer extends BrokerNode {
  readonly errorCode: number
}

export function decodeFindCoordinatorAnswer(bytes: Buffer): CoordinatorAnswer {
  const reader = new AnswerReader(bytes)
  reader.int32() // Throttle time.
  const errorCode = reader.int16()
  reader.nullableString() // Text of the error.
  return { errorCode, nodeId: reader.int32(), host: reader.string(), port: reader.int32() }
}

// ---- shared ----

function writeByTopic<Item extends TopicPartition>(
  writer: RequestWriter,
  items: readonly Item[],
  write: (item: Item) => void,
): RequestWriter {
  return writer.array([...Map.groupBy(items, ({ topic }) => topic)], ([topic, ofTopic]) => {
    writer.string(topic).array(ofTopic, write)
  })
}

function readByTopic<Item>(reader: AnswerReader, read: (topic: string) => Item): Item[] {
  return reader
    .array(() => {
      const topic = reader.string()
      return reader.array(() => read(topic))
    })
    .flat()
}
