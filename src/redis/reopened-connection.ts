import { MillraceError } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import { checkRedis } from './check-redis.ts'
import { openRedis, type RedisConnection } from './redis-connection.ts'
import type { RedisOptions } from './redis-options.ts'

export interface ReopenedConnectionOptions {
  readonly open: () => Promise<RedisConnection>
  readonly clock: Clock
  /** Least time between two openings; until then whoever asks is refused. Default 0. */
  readonly pauseMs?: number
}

/** One connection, opened again by whoever asks for it next after it was lost; nothing is sent twice on it (R3). */
export class ReopenedConnection {
  readonly #options: ReopenedConnectionOptions
  #current: Promise<RedisConnection> | undefined
  #openedAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(options: ReopenedConnectionOptions) {
    this.#options = options
  }

  /** @throws MillraceError MR_REDIS_… */
  async get(): Promise<RedisConnection> {
    if (this.#current !== undefined) return await this.#current
    const { clock, pauseMs = 0 } = this.#options
    const now = clock.monotonicMs()
    if (this.#closed || now - this.#openedAt < pauseMs) {
      throw new MillraceError('MR_REDIS_UNAVAILABLE', 'the connection to Redis is lost or closed')
    }
    this.#openedAt = now
    const opening = this.#open()
    this.#current = opening
    const forget = (): void => {
      if (this.#current === opening) this.#current = undefined
    }
    opening.then((connection) => connection.lost.then(forget), forget)
    return await opening
  }

  close(): void {
    this.#closed = true
    this.#current?.then(
      (connection) => connection.close(),
      () => {},
    )
  }

  async #open(): Promise<RedisConnection> {
    const connection = await this.#options.open()
    if (this.#closed) connection.close()
    return connection
  }
}

/** Opens a connection to a server that can be relied on. @throws MillraceError MR_REDIS_… */
export async function openCheckedRedis(options: RedisOptions, clock: Clock): Promise<RedisConnection> {
  const connection = await openRedis(options, clock)
  try {
    checkRedis(connection)
  } catch (error) {
    connection.close()
    throw error
  }
  return connection
}
