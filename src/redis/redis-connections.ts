import { isMillraceError } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisOptions } from './redis-options.ts'
import { openCheckedRedis, ReopenedConnection } from './reopened-connection.ts'

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
  readonly #connections: readonly ReopenedConnection[]
  #turn = 0
  #closed = false

  constructor(options: RedisConnectionsOptions) {
    this.#options = options
    const { redis, clock } = options
    const open = () => openCheckedRedis(redis, clock)
    this.#connections = Array.from({ length: options.count }, () => new ReopenedConnection({ open, clock }))
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
    for (const connection of this.#connections) connection.close()
  }

  /** The next in turn; one that is lost is opened again. */
  #next(): Promise<RedisConnection> {
    this.#turn = (this.#turn + 1) % this.#connections.length
    return (this.#connections[this.#turn] as ReopenedConnection).get()
  }
}

function passes(error: unknown): boolean {
  return isMillraceError(error) && (error.code === 'MR_REDIS_UNAVAILABLE' || error.code === 'MR_REDIS_UNDETERMINED')
}
