import { isMillraceError } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import { checkRedis } from './check-redis.ts'
import { openRedis, type RedisConnection } from './redis-connection.ts'
import type { RedisOptions } from './redis-options.ts'

const pauseMs = 200

export interface RedisConnectionsOptions {
  readonly redis: RedisOptions
  /** How many are used side by side. */
  readonly count: number
  /** How long Redis may be away before an action fails. */
  readonly patienceMs: number
  readonly clock: Clock
}

/**
 * Connections for actions of which each may be done again as a whole on another connection: one that broke in the middle
 * is repeated from its beginning (R3). Not for the control plane.
 */
export class RedisConnections {
  readonly #options: RedisConnectionsOptions
  readonly #open: (Promise<RedisConnection> | undefined)[]
  #turn = 0
  #closed = false

  constructor(options: RedisConnectionsOptions) {
    this.#options = options
    this.#open = Array.from({ length: options.count }, () => undefined)
  }

  /** Repeats the action while Redis is away, up to the patience. @throws MillraceError MR_REDIS_… */
  async run<Result>(action: (connection: RedisConnection) => Promise<Result>): Promise<Result> {
    const { clock, patienceMs } = this.#options
    const startedMs = clock.monotonicMs()
    for (;;) {
      try {
        return await action(await this.#next())
      } catch (error) {
        if (this.#closed || !passes(error) || clock.monotonicMs() - startedMs >= patienceMs) throw error
      }
      await new Promise<void>((resume) => clock.schedule(pauseMs, resume))
    }
  }

  close(): void {
    this.#closed = true
    for (const open of this.#open) open?.then((connection) => connection.close(), ignore)
    this.#open.fill(undefined)
  }

  /** The next in turn; one that is lost is opened again. */
  async #next(): Promise<RedisConnection> {
    this.#turn = (this.#turn + 1) % this.#open.length
    const place = this.#turn
    const known = this.#open[place]
    if (known !== undefined) return await known
    const opening = this.#openOne()
    this.#open[place] = opening
    const forget = (): void => {
      if (this.#open[place] === opening) this.#open[place] = undefined
    }
    opening.then((connection) => connection.lost.then(forget), forget)
    return await opening
  }

  async #openOne(): Promise<RedisConnection> {
    const connection = await openRedis(this.#options.redis, this.#options.clock)
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

function passes(error: unknown): boolean {
  return isMillraceError(error) && (error.code === 'MR_REDIS_UNAVAILABLE' || error.code === 'MR_REDIS_UNDETERMINED')
}

function ignore(): void {}
