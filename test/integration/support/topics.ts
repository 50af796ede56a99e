import { randomUUID } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import kafkajs, {
  type Admin,
  type CompressionTypes,
  type Kafka,
  type KafkaConfig,
  type Message,
  type Producer,
} from 'kafkajs'
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { compressSync, uncompressSync } from 'snappy'

/** Node finds some exports of kafkajs only on its default export. */
export const compressions = kafkajs.CompressionTypes

function codec(compress: (bytes: Buffer) => Buffer, decompress: (bytes: Buffer) => Buffer) {
  return () => ({
    compress: async (encoder: { readonly buffer: Buffer }) => compress(encoder.buffer),
    decompress: async (bytes: Buffer) => decompress(bytes),
  })
}

kafkajs.CompressionCodecs[compressions.Snappy] = codec(compressSync, (bytes) => uncompressSync(bytes) as Buffer)
kafkajs.CompressionCodecs[compressions.LZ4] = codec(compressFrameSync, decompressFrameSync)
kafkajs.CompressionCodecs[compressions.ZSTD] = codec(zstdCompressSync, zstdDecompressSync)

/** A client of kafkajs, with which tests make topics and fill them. */
export class TestTopics {
  readonly kafka: Kafka
  readonly admin: Admin
  readonly #producers: Producer[] = []

  constructor(config: Partial<KafkaConfig> & { readonly brokers: string[] }) {
    this.kafka = new kafkajs.Kafka({ logLevel: kafkajs.logLevel.NOTHING, ...config })
    this.admin = this.kafka.admin()
  }

  async open(): Promise<this> {
    await this.admin.connect()
    return this
  }

  async close(): Promise<void> {
    await Promise.all([...this.#producers.map((producer) => producer.disconnect()), this.admin.disconnect()])
  }

  /** A topic of a name that no other test has, which keeps records of any age: by default a broker deletes old ones within minutes. */
  async create(
    options: { name?: string; partitions?: number; config?: Record<string, string>; replicas?: number } = {},
  ) {
    const topic = `${options.name ?? 'source'}-${randomUUID().slice(0, 8)}`
    const configEntries = Object.entries({ 'retention.ms': '-1', ...options.config }).map(([name, value]) => ({
      name,
      value,
    }))
    await this.admin.createTopics({
      topics: [
        { topic, numPartitions: options.partitions ?? 1, replicationFactor: options.replicas ?? -1, configEntries },
      ],
      waitForLeaders: true,
    })
    return topic
  }

  async producer(transactionalId?: string): Promise<Producer> {
    const producer = this.kafka.producer({
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      ...(transactionalId === undefined ? {} : { transactionalId, idempotent: true, maxInFlightRequests: 1 }),
    })
    await producer.connect()
    this.#producers.push(producer)
    return producer
  }

  /** Values `first` to `first + count - 1` as text, in turn to the partitions. */
  async fill(
    topic: string,
    options: { first?: number; count: number; partitions?: number; compression?: CompressionTypes },
  ) {
    const producer = this.#producers[0] ?? (await this.producer())
    const { first = 0, count, partitions = 1, compression } = options
    const messages: Message[] = Array.from({ length: count }, (_, index) => ({
      value: String(first + index),
      partition: (first + index) % partitions,
    }))
    await producer.send({ topic, messages, ...(compression === undefined ? {} : { compression }) })
  }
}

/** The numbers from `first`, `count` of them, as text. */
export function numbers(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(first + index))
}

export function sorted(values: readonly string[]): string[] {
  return values.toSorted((one, other) => Number(one) - Number(other))
}
