import type { Clock } from '../../common/ports.ts'
import { checkRedis } from '../../redis/check-redis.ts'
import { openRedis, type RedisConnection } from '../../redis/redis-connection.ts'
import type { RedisOptions } from '../../redis/redis-options.ts'

/** A server's one connection, opened again by whoever asks for it next after it was lost; nothing is sent twice on it (R3). */
export class ReopenedRedis {
  readonly #options: RedisOptions
  readonly #clock: Clock
  #open: Promise<RedisConnection> | undefined
  #closed = false

  constructor(options: RedisOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  /** @throws MillraceError MR_REDIS_… */
  async get(): Promise<RedisConnection> {
    if (this.#open !== undefined) return await this.#open
    const opening = this.#openOne()
    this.#open = opening
    const forget = (): void => {
      if (this.#open === opening) this.#open = undefined
    }
    opening.then((connection) => connection.lost.then(forget), forget)
    return await opening
  }

  close(): void {
    this.#closed = true
    this.#open?.then(
      (connection) => connection.close(),
      () => {},
    )
  }

  async #openOne(): Promise<RedisConnection> {
    const connection = await openRedis(this.#options, this.#clock)
    try {
      checkRedis(connection)
    } catch (error) {
      connection.close()
      throw error
    }
    if (this.#closed) connection.close()
    return connection
  }
}
