import { isMillraceError, MillraceError, messageOf } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import { systemIds } from '../../common/system-ports.ts'
import { addressText, type BrokerAddress, parseAddress } from './broker-address.ts'
import { type BrokerConnection, BrokerConnector } from './broker-connection.ts'
import type { FetchBuffers } from './fetch-buffers.ts'
import type { KafkaConnectionSettings } from './kafka-options.ts'
import {
  type BrokerNode,
  type ClusterMetadata,
  decodeMetadataAnswer,
  encodeMetadataRequest,
  type KafkaApi,
  kafkaApis,
  type TopicMetadata,
  type TopicPartition,
} from './kafka-protocol.ts'
import type { OAuthTokenProvider } from './oauth-token.ts'

export interface KafkaClientOptions {
  /** `host:port` */
  readonly bootstrap: readonly string[]
  readonly settings: KafkaConnectionSettings
  readonly buffers: FetchBuffers
  readonly clock: Clock
  /** Instead of the token that the settings describe. */
  readonly tokenProvider?: OAuthTokenProvider | undefined
}

export interface RetryLimits {
  /** For brokers that can not be reached at all. */
  readonly unreachableMs: number
  /** For answers such as "this broker is not the leader". */
  readonly transientMs: number
}

/** The brokers of a cluster, their connections, and who leads which partition. */
export class KafkaClient {
  readonly clock: Clock
  readonly #bootstrap: readonly BrokerAddress[]
  readonly #connector: BrokerConnector
  readonly #nodes = new Map<number, BrokerNode>()
  readonly #connections = new Map<string, Promise<BrokerConnection>>()
  readonly #open = new Set<BrokerConnection>()
  readonly #leaders = new Map<string, number>()
  #closed = false

  /** @throws MillraceError MR_CONFIGURATION where an address is none */
  constructor(options: KafkaClientOptions) {
    this.clock = options.clock
    this.#bootstrap = options.bootstrap.map(parseAddress)
    // A nonce is the one random thing here: nothing that is decided depends on it.
    this.#connector = new BrokerConnector({ ...options, uniqueText: () => systemIds.unique() })
  }

  /** The bootstrap addresses, for messages. */
  get addresses(): string {
    return this.#bootstrap.map(addressText).join(', ')
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /**
   * Asks for the brokers and for the partitions of these topics, or of all, and keeps who leads them.
   * @throws MillraceError MR_KAFKA_UNREACHABLE naming the addresses
   */
  async refreshMetadata(topics: readonly string[] | undefined): Promise<ClusterMetadata> {
    const connection = await this.#anyConnection()
    const metadata = decodeMetadataAnswer(await connection.send(kafkaApis.metadata, encodeMetadataRequest(topics)))
    for (const node of metadata.brokers) this.#nodes.set(node.nodeId, node)
    for (const topic of metadata.topics) this.#keepLeaders(topic)
    return metadata
  }

  /** Node id of the broker that leads a partition, as of the last metadata; undefined: not known, or none does. */
  leaderOf(partition: TopicPartition): number | undefined {
    return this.#leaders.get(partitionKey(partition))
  }

  /** Takes a leader to be unknown until the next metadata. */
  forgetLeader(partition: TopicPartition): void {
    this.#leaders.delete(partitionKey(partition))
  }

  /** @throws MillraceError MR_KAFKA_UNREACHABLE */
  async send(nodeId: number, api: KafkaApi, body: Buffer): Promise<Buffer> {
    const node = this.#nodes.get(nodeId)
    if (node === undefined) throw this.#unreachable(`broker ${nodeId} is not known`)
    return (await this.#connection(node)).send(api, body)
  }

  async sendToAny(api: KafkaApi, body: Buffer): Promise<Buffer> {
    return (await this.#anyConnection()).send(api, body)
  }

  /**
   * Repeats `attempt`, with a back-off, until it returns undefined. It returns the error that should be tried again;
   * unreachable brokers are tried again too, any other error that it throws is thrown at once.
   */
  async retry(limits: RetryLimits, attempt: () => Promise<MillraceError | undefined>): Promise<void> {
    const begun = this.clock.monotonicMs()
    let lastReached = begun
    for (let count = 0; ; count++) {
      const { error, reached } = await settle(attempt)
      if (error === undefined) return
      const now = this.clock.monotonicMs()
      if (reached) lastReached = now
      const isOver = reached ? now - begun > limits.transientMs : now - lastReached > limits.unreachableMs
      if (isOver || this.#closed) throw error
      await delay(this.clock, backOffMs(count))
    }
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#open) connection.close('closed')
    this.#open.clear()
    this.#connections.clear()
  }

  #keepLeaders(topic: TopicMetadata): void {
    for (const { partition, leader } of topic.partitions) {
      const key = partitionKey({ topic: topic.topic, partition })
      if (leader >= 0) this.#leaders.set(key, leader)
      else this.#leaders.delete(key)
    }
  }

  async #anyConnection(): Promise<BrokerConnection> {
    for (const connection of this.#open) if (connection.isOpen) return connection
    const seen = new Set<string>()
    let last: unknown
    for (const address of [...this.#bootstrap, ...this.#nodes.values()]) {
      if (seen.has(addressText(address))) continue
      seen.add(addressText(address))
      try {
        return await this.#connection(address)
      } catch (error) {
        if (!isUnreachable(error)) throw error
        last = error
      }
    }
    throw this.#unreachable(messageOf(last))
  }

  /** The connection to a broker; one that has ended is made anew. */
  async #connection(address: BrokerAddress): Promise<BrokerConnection> {
    const key = addressText(address)
    const current = this.#connections.get(key)
    if (current !== undefined) {
      const connection = await current
      if (connection.isOpen) return connection
      connection.close('the connection has ended')
      this.#open.delete(connection)
      // Whoever sees it first removes it; the others join the one that is made instead.
      if (this.#connections.get(key) === current) this.#connections.delete(key)
      return this.#connection(address)
    }
    if (this.#closed) throw this.#unreachable('the client is closed')
    const made = this.#connect(address, key)
    this.#connections.set(key, made)
    return made
  }

  async #connect(address: BrokerAddress, key: string): Promise<BrokerConnection> {
    try {
      const connection = await this.#connector.connect(address)
      if (this.#closed) connection.close('closed')
      this.#open.add(connection)
      return connection
    } catch (error) {
      this.#connections.delete(key)
      throw error
    }
  }

  #unreachable(why: string): MillraceError {
    return new MillraceError('MR_KAFKA_UNREACHABLE', `no Kafka broker could be reached at ${this.addresses}: ${why}`)
  }
}

export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

export function isUnreachable(error: unknown): boolean {
  return isMillraceError(error) && error.code === 'MR_KAFKA_UNREACHABLE'
}

/** 100 ms, doubled with each attempt up to 2 s. */
export function backOffMs(attempt: number): number {
  return Math.min(100 * 2 ** Math.min(attempt, 10), 2000)
}

export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve)
  })
}

async function settle(
  attempt: () => Promise<MillraceError | undefined>,
): Promise<{ readonly error: MillraceError | undefined; readonly reached: boolean }> {
  try {
    return { error: await attempt(), reached: true }
  } catch (error) {
    if (isMillraceError(error) && isUnreachable(error)) return { error, reached: false }
    throw error
  }
}
