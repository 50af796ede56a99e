import { Cluster, Redis } from 'ioredis'
import { MillraceError, messageOf } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import { systemClock } from '../common/system-ports.ts'
import { connectionClosed, redisError } from './redis-error.ts'
import { addressOf, type RedisOptions } from './redis-options.ts'
import { durabilityOf, type RedisServerTraits, redisServerTraits } from './redis-server-traits.ts'
import { ResponseWatch } from './response-watch.ts'

export type RedisArgument = string | number | Buffer
export type RedisReply = null | string | number | Buffer | readonly RedisReply[]

const defaultConnectTimeoutMs = 5_000
const defaultCommandTimeoutMs = 10_000

/**
 * One connection (to each node of a cluster) that is never opened again by itself and sends nothing twice: what was
 * written on it and what WAITAOF waited for belong together (R3). Once it is lost, all in flight is rejected as
 * MR_REDIS_UNDETERMINED, all later commands as MR_REDIS_UNAVAILABLE, and its owner opens another one.
 */
export class RedisConnection {
  readonly options: RedisOptions
  /** For messages: without user and password. */
  readonly address: string
  /** Settles when the connection has ended, with the reason; never rejects. */
  readonly lost: Promise<MillraceError>
  /** One, or one for each master of a cluster; as they were when the connection was opened. */
  servers: readonly RedisServerTraits[] = []
  readonly #client: Redis | Cluster
  readonly #watch: ResponseWatch
  readonly #timeoutMs: number
  readonly #settleLost: (reason: MillraceError) => void
  #lostReason: MillraceError | undefined
  #lastError = 'no answer'

  constructor(client: Redis | Cluster, options: RedisOptions, clock: Clock) {
    this.#client = client
    this.options = options
    this.address = addressOf(options)
    const { promise, resolve } = Promise.withResolvers<MillraceError>()
    this.lost = promise
    this.#settleLost = resolve
    this.#timeoutMs = options.commandTimeoutMs ?? defaultCommandTimeoutMs
    this.#watch = new ResponseWatch(clock, this.#timeoutMs, (waitedMs) => {
      this.#end(`no answer for ${Math.round(waitedMs)} ms`)
    })
    client.on('error', (error: unknown) => {
      this.#lastError = messageOf(error)
    })
    client.on('end', () => this.#end(this.#lastError))
    // A node that is opened again by the client would have a WAITAOF that does not cover what was written before (R3).
    if (client instanceof Cluster) client.on('-node', () => this.#end('a node of the cluster was lost'))
  }

  get isOpen(): boolean {
    return this.#lostReason === undefined
  }

  /** A command whose answer is text. @throws MillraceError MR_REDIS_… */
  call(command: string, ...parameters: RedisArgument[]): Promise<RedisReply> {
    return this.#answered(command, 0, () => this.#client.call(command, parameters) as Promise<RedisReply>)
  }

  /** A command whose answer is bytes. @throws MillraceError MR_REDIS_… */
  callBuffer(command: string, ...parameters: RedisArgument[]): Promise<RedisReply> {
    return this.#answered(command, 0, () => this.#client.callBuffer(command, parameters) as Promise<RedisReply>)
  }

  /** A command that may hold its answer back for `blockMs` (XREAD BLOCK); its answer is bytes. */
  callBlocking(blockMs: number, command: string, ...parameters: RedisArgument[]): Promise<RedisReply> {
    return this.#answered(command, blockMs, () => this.#client.callBuffer(command, parameters) as Promise<RedisReply>)
  }

  /**
   * Resolves when all that was answered on this connection before the call is on disk, and on as many replicas as the
   * options ask for (R3). @throws MillraceError MR_REDIS_UNDETERMINED where that could not be learned
   */
  async durable(): Promise<void> {
    await Promise.all(this.#nodes().map((node, index) => this.#durableOn(node, this.servers[index])))
  }

  /** All keys that match, over all nodes, without holding the server up. */
  async scan(pattern: string): Promise<readonly string[]> {
    const keys = new Set<string>()
    for (const node of this.#nodes()) {
      let cursor = '0'
      do {
        const page = await this.#answered('SCAN', 0, () => node.scan(cursor, 'MATCH', pattern, 'COUNT', 1000))
        cursor = page[0]
        for (const key of page[1]) keys.add(key)
      } while (cursor !== '0')
    }
    return [...keys]
  }

  /** Whatever is in flight is rejected as undetermined. */
  close(): void {
    this.#end('closed by this process')
  }

  /** Asks all servers what they are: `servers`. */
  async learnServers(): Promise<void> {
    this.servers = await Promise.all(
      this.#nodes().map(async (node) => {
        const info = await this.#answered('INFO', 0, () => node.info())
        const { host, port } = node.options
        const name = this.#client instanceof Cluster ? `${host}:${port}` : ''
        return redisServerTraits(name, info, await this.#appendFsyncOf(node))
      }),
    )
  }

  /** What the client said last; while the connection is being opened. */
  openingFailed(error: unknown): MillraceError {
    const reason = this.#lastError === 'no answer' ? messageOf(error) : this.#lastError
    this.#end(reason)
    if (/WRONGPASS|NOAUTH|NOPERM|invalid password|without any password/i.test(reason)) {
      return new MillraceError(
        'MR_REDIS_CONFIGURATION',
        `${this.options.key}: Redis at ${this.address} refused the log-in: ${reason}`,
      )
    }
    return new MillraceError(
      'MR_REDIS_UNAVAILABLE',
      `${this.options.key}: Redis at ${this.address} can not be reached: ${reason}`,
    )
  }

  async #appendFsyncOf(node: Redis): Promise<string | undefined> {
    try {
      const answer = await this.#answered('CONFIG', 0, () => node.config('GET', 'appendfsync'))
      const value: unknown = Array.isArray(answer) ? answer[1] : undefined
      return typeof value === 'string' ? value : undefined
    } catch (error) {
      // A user who may not ask, or a service without CONFIG: not known.
      if (this.isOpen) return undefined
      throw error
    }
  }

  async #durableOn(node: Redis, traits: RedisServerTraits | undefined): Promise<void> {
    const durability = traits === undefined ? 'uncertain' : durabilityOf(traits)
    const replicas = this.options.replicas ?? 0
    const waitMs = Math.floor(this.#timeoutMs / 2)
    if (durability === 'waitaof') {
      const answer = await this.#answered('WAITAOF', waitMs, () => node.call('WAITAOF', [1, replicas, waitMs]))
      const [local, remote] = Array.isArray(answer) ? answer.map(Number) : []
      if ((local ?? 0) >= 1 && (remote ?? 0) >= replicas) return
      throw this.#notDurable(`WAITAOF gave ${String(answer)}`)
    }
    if (replicas === 0) return
    const reached = await this.#answered('WAIT', waitMs, () => node.call('WAIT', [replicas, waitMs]))
    if (Number(reached) < replicas) throw this.#notDurable(`${String(reached)} of ${replicas} replicas have it`)
  }

  #notDurable(reason: string): MillraceError {
    const text = `Redis at ${this.address}: what was written is not known to be durable: ${reason}`
    return new MillraceError('MR_REDIS_UNDETERMINED', text)
  }

  #nodes(): readonly Redis[] {
    return this.#client instanceof Cluster ? this.#client.nodes('master') : [this.#client]
  }

  async #answered<Reply>(command: string, extraMs: number, send: () => Promise<Reply>): Promise<Reply> {
    if (this.#lostReason !== undefined) throw connectionClosed(this.address, this.#lostReason.message)
    const awaited = this.#watch.sent(extraMs)
    try {
      return await send()
    } catch (error) {
      throw redisError(error, this.address, command)
    } finally {
      this.#watch.answered(awaited, !(this.#client instanceof Cluster))
    }
  }

  #end(reason: string): void {
    if (this.#lostReason !== undefined) return
    this.#lostReason = new MillraceError('MR_REDIS_UNAVAILABLE', `Redis at ${this.address}: ${reason}`)
    this.#watch.stop()
    this.#client.disconnect()
    this.#settleLost(this.#lostReason)
  }
}

/**
 * Opens a connection and learns what its servers are; `checkRedis` judges them.
 * @throws MillraceError MR_REDIS_UNAVAILABLE or MR_REDIS_CONFIGURATION naming the configuration key and the address
 */
export async function openRedis(options: RedisOptions, clock: Clock = systemClock): Promise<RedisConnection> {
  const client = clientOf(options)
  const connection = new RedisConnection(client, options, clock)
  try {
    await client.connect()
  } catch (error) {
    throw connection.openingFailed(error)
  }
  try {
    await connection.learnServers()
  } catch (error) {
    connection.close()
    throw error
  }
  return connection
}

/** No command is kept for later, sent again, or sent on another connection than the caller's. */
function clientOf(options: RedisOptions): Redis | Cluster {
  const common = {
    lazyConnect: true,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    connectTimeout: options.connectTimeoutMs ?? defaultConnectTimeoutMs,
    disableClientInfo: true,
    // A server that is silent does not close its end: what is in flight is not known, and waits no longer.
    disconnectTimeout: 20,
  }
  const [first = ''] = options.urls
  const login = logInOf(first, options)
  if (options.cluster !== true) {
    const { hostname, port, pathname } = new URL(first)
    return new Redis({
      ...common,
      ...login,
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || 6379),
      db: Number(pathname.slice(1) || 0),
      retryStrategy: null,
      enableOfflineQueue: false,
    })
  }
  const nodes = options.urls.map((url) => ({
    host: new URL(url).hostname.replace(/^\[|\]$/g, ''),
    port: Number(new URL(url).port || 6379),
  }))
  return new Cluster(nodes, {
    lazyConnect: true,
    clusterRetryStrategy: null,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    redisOptions: { ...common, ...login },
  })
}

function logInOf(url: string, options: RedisOptions) {
  const { username, password, protocol } = new URL(url)
  const user = options.username ?? decodeURIComponent(username)
  const secret = options.password ?? decodeURIComponent(password)
  return {
    ...(user === '' ? {} : { username: user }),
    ...(secret === '' ? {} : { password: secret }),
    ...(protocol === 'rediss:' ? { tls: options.certificates === undefined ? {} : { ca: options.certificates } } : {}),
  }
}
