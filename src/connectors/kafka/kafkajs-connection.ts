import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Kafka, logLevel } from 'kafkajs'
import { MillraceError, messageOf } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import type { FetchBuffers } from './fetch-buffers.ts'
import { connectFrameSocket } from './frame-socket.ts'
import type { KafkaConnectionSettings, KafkaTlsOptions } from './kafka-options.ts'
import { type KafkaApi, kafkaApis } from './kafka-protocol.ts'
import { RequestDeadlines } from './request-deadlines.ts'

// The only file that knows kafkajs' private parts. Of kafkajs 2.2.4 (pinned) we use the connection: TCP, TLS, SASL with
// its renewal, correlation of requests and answers. Requests, answers and record batches are our own, since kafkajs has
// no manual assignment of partitions and spends its time on an object, a string and several copies for each record.

export interface BrokerAddress {
  readonly host: string
  readonly port: number
}

/** `127.0.0.1:9092` */
export function addressText({ host, port }: BrokerAddress): string {
  return `${host}:${port}`
}

interface KafkajsConnection {
  readonly socket?: Socket
  readonly requestQueue: { readonly pending: readonly unknown[]; scheduleCheckPendingRequests(): void }
  bytesBuffered: number
  chunks: Buffer[]
  processData(data: Buffer): void
  isConnected(): boolean
  rejectRequests(error: Error): void
  disconnect(): Promise<unknown>
}

interface KafkajsConnectionPool {
  readonly pool: readonly KafkajsConnection[]
  send(call: KafkajsCall): Promise<Buffer>
}

interface KafkajsCall {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>
  }
  readonly response: { decode(bytes: Buffer): Promise<Buffer>; parse(bytes: Buffer): Promise<Buffer> }
  readonly logResponseError: boolean
}

interface KafkajsBroker {
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null
  connect(): Promise<void>
}

interface KafkajsCluster {
  readonly connectionPoolBuilder: { build(address: BrokerAddress): Promise<KafkajsConnectionPool> }
  readonly brokerPool: {
    readonly rootLogger: unknown
    createBroker(options: { readonly connectionPool: KafkajsConnectionPool; readonly logger: unknown }): KafkajsBroker
  }
}

type KafkajsSocketArguments = BrokerAddress & { readonly ssl: KafkaTlsOptions | false; onConnect(): void }

/** Makes connections to brokers. */
export class BrokerConnector {
  readonly #settings: KafkaConnectionSettings
  readonly #buffers: FetchBuffers
  readonly #deadlines: RequestDeadlines
  readonly #cluster: KafkajsCluster

  constructor(settings: KafkaConnectionSettings, buffers: FetchBuffers, clock: Clock) {
    this.#settings = settings
    this.#buffers = buffers
    this.#deadlines = new RequestDeadlines(clock)
    this.#cluster = this.#createCluster()
  }

  /**
   * Connects and logs in.
   * @throws MillraceError MR_KAFKA_UNREACHABLE naming the address, MR_KAFKA where the broker is too old
   */
  async connect(address: BrokerAddress): Promise<BrokerConnection> {
    const pool = await this.#cluster.connectionPoolBuilder.build(address)
    for (const connection of pool.pool) repairConnection(connection)
    const broker = this.#cluster.brokerPool.createBroker({
      connectionPool: pool,
      logger: this.#cluster.brokerPool.rootLogger,
    })
    const made = new BrokerConnection(address, pool, this.#deadlines, this.#settings.requestTimeoutMs)
    const limitMs = this.#settings.connectionTimeoutMs
    try {
      await this.#deadlines.guard(broker.connect(), limitMs, () => made.close(`no answer within ${limitMs} ms`))
    } catch (error) {
      made.close('the connection failed')
      throw unreachable(address, error)
    }
    checkVersions(address, broker)
    return made
  }

  #createCluster(): KafkajsCluster {
    const { sasl, ssl, clientId, connectionTimeoutMs } = this.#settings
    const kafka = new Kafka({
      brokers: [],
      clientId,
      ssl: ssl === false ? false : ssl === true ? {} : tlsOptions(ssl),
      ...(sasl === null ? {} : { sasl: { ...sasl } as never }),
      connectionTimeout: connectionTimeoutMs,
      enforceRequestTimeout: false, // It measures time, not turns of the event loop (R26), by a timer a connection.
      logLevel: logLevel.NOTHING,
      logCreator: () => () => undefined,
      socketFactory: (options) => this.#openSocket(options as KafkajsSocketArguments),
    })
    const createCluster = Object.getOwnPropertySymbols(kafka).find((symbol) =>
      String(symbol.description).includes('createCluster'),
    )
    const create: unknown = createCluster === undefined ? undefined : Reflect.get(kafka, createCluster)
    if (typeof create !== 'function') throw new MillraceError('MR_INTERNAL', 'this needs kafkajs 2.2.4 exactly')
    return create({ metadataMaxAge: 0, allowAutoTopicCreation: false, maxInFlightRequests: null }) as KafkajsCluster
  }

  #openSocket({ host, port, ssl, onConnect }: KafkajsSocketArguments): Socket {
    if (ssl === false) {
      const socket = connectFrameSocket({ host, port }, this.#buffers)
      socket.once('connect', onConnect)
      return socket
    }
    const isName = /[a-z]/i.test(host) && !host.includes(':')
    const socket = connectTls({ host, port, ...(isName ? { servername: host } : {}), ...ssl } as never, onConnect)
    return socket.setNoDelay(true).setKeepAlive(true, 60_000)
  }
}

/** One broker, connected: a connection for fetching and one for everything else. */
export class BrokerConnection {
  readonly address: BrokerAddress
  readonly #pool: KafkajsConnectionPool
  readonly #deadlines: RequestDeadlines
  readonly #requestTimeoutMs: number
  #closed: Error | undefined

  constructor(
    address: BrokerAddress,
    pool: KafkajsConnectionPool,
    deadlines: RequestDeadlines,
    requestTimeoutMs: number,
  ) {
    this.address = address
    this.#pool = pool
    this.#deadlines = deadlines
    this.#requestTimeoutMs = requestTimeoutMs
  }

  get isOpen(): boolean {
    return this.#closed === undefined && this.#pool.pool[0]?.isConnected() === true
  }

  /**
   * Sends a request and gives the body of its answer. At most one request of an API may be on its way on a connection
   * that is not open yet, which holds for Fetch; the other connection is opened by `connect`.
   * @throws MillraceError MR_KAFKA_UNREACHABLE; the connection is closed then
   */
  async send(api: KafkaApi, body: Buffer): Promise<Buffer> {
    if (this.#closed !== undefined) throw unreachable(this.address, this.#closed)
    const limitMs = this.#requestTimeoutMs
    try {
      return await this.#deadlines.guard(this.#pool.send(callOf(api, body)), limitMs, () =>
        this.close(`no answer to ${api.name} within ${limitMs} ms`),
      )
    } catch (error) {
      this.close(messageOf(error))
      throw unreachable(this.address, error)
    }
  }

  /** Ends the connection at once; requests on their way fail. */
  close(why: string): void {
    if (this.#closed !== undefined) return
    this.#closed = new Error(why)
    for (const connection of this.#pool.pool) {
      connection.rejectRequests(this.#closed)
      // An error event is what makes kafkajs give up a connection that is just being opened.
      connection.socket?.destroy(connection.isConnected() ? undefined : this.#closed)
      connection.disconnect().catch(() => undefined) // Rejects for nothing; there is nothing left to do.
    }
  }
}

function callOf(api: KafkaApi, body: Buffer): KafkajsCall {
  return {
    request: {
      apiKey: api.key,
      apiVersion: api.version,
      apiName: api.name,
      encode: async () => ({ buf: body, buffer: body }),
    },
    response: { decode: async (bytes) => bytes, parse: async (bytes) => bytes },
    logResponseError: false,
  }
}

/** Two faults of kafkajs 2.2.4. */
function repairConnection(connection: KafkajsConnection): void {
  const { requestQueue } = connection
  const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue)
  // It re-arms a timer of 1 ms for ever, with a negative delay that Node warns about: 4 % of a core a connection.
  requestQueue.scheduleCheckPendingRequests = () => {
    if (requestQueue.pending.length > 0) schedule()
  }
  // It keeps an empty rest of the last answer, and then copies the next one to append it to that.
  const process = connection.processData.bind(connection)
  connection.processData = (data) => {
    if (connection.bytesBuffered === 0) connection.chunks = []
    process(data)
  }
}

function tlsOptions(options: KafkaTlsOptions): KafkaTlsOptions & { ca?: string | string[] } {
  const { ca, ...others } = options
  return ca === undefined ? others : { ...others, ca: typeof ca === 'string' ? ca : [...ca] }
}

function unreachable(address: BrokerAddress, error: unknown): MillraceError {
  // What a broker does with a client that does not use TLS, or does not log in, where it should.
  const hint = messageOf(error) === 'Closed connection' ? ' by the broker: are the TLS and SASL options right?' : ''
  const text = `${addressText(address)}: ${messageOf(error)}${hint}`
  return new MillraceError('MR_KAFKA_UNREACHABLE', text, { cause: error })
}

function checkVersions(address: BrokerAddress, broker: KafkajsBroker): void {
  for (const api of Object.values(kafkaApis)) {
    const range = broker.versions?.[api.key]
    if (range !== undefined && (range.minVersion > api.version || range.maxVersion < api.version)) {
      const served = `${range.minVersion} to ${range.maxVersion}`
      throw new MillraceError(
        'MR_KAFKA',
        `${addressText(address)} serves ${api.name} in versions ${served}, not ${api.version}: Kafka 2.3 or newer is needed`,
      )
    }
  }
}
