import { isMillraceError, MillraceError } from '../../common/errors.ts'
import type { LeaderToken } from '../../common/ids.ts'
import type { Clock } from '../../common/ports.ts'
import type { RedisConnection } from '../../redis/redis-connection.ts'
import { loadScripts, redisScript, runScript } from '../../redis/redis-script.ts'
import { ReopenedConnection } from '../../redis/reopened-connection.ts'

export interface StreamEntry {
  readonly id: string
  /** undefined: no message, such as the entry that made the stream. */
  readonly bytes: Buffer | undefined
}

/** `full`: the stream holds as much as it may. `missing`: it was deleted with its TaskManager. `fenced`: the token is not the leader's. */
export type AppendOutcome = 'appended' | 'full' | 'missing' | 'fenced'

export interface StreamClientOptions {
  readonly open: () => Promise<RedisConnection>
  readonly clock: Clock
  /** Key of the leader's token. */
  readonly leaderKey: string
  /** The token under which this process appends; undefined: it does not lead, and appends to the leader's stream only. */
  leaderToken(): LeaderToken | undefined
  /** Entries that a stream holds at most. */
  readonly capacity: number
}

const append = redisScript('append')
const appendAsLeader = redisScript('append-as-leader')
const trimAsLeader = redisScript('trim-as-leader')
/** Appends are many: a server that is gone is not asked for a connection with each of them. */
const reopenMs = 100

/** What one process does with the streams of its cluster: a connection that appends, and one that waits for entries. */
export class StreamClient {
  readonly #options: StreamClientOptions
  readonly #writer: ReopenedConnection
  readonly #reader: ReopenedConnection

  constructor(options: StreamClientOptions) {
    this.#options = options
    const { open, clock } = options
    const openWriter = async (): Promise<RedisConnection> => {
      const connection = await open()
      // Appends are pipelined, and their order counts.
      await loadScripts(connection, [append, appendAsLeader, trimAsLeader])
      return connection
    }
    this.#writer = new ReopenedConnection({ open: openWriter, clock, pauseMs: reopenMs })
    this.#reader = new ReopenedConnection({ open, clock, pauseMs: reopenMs })
  }

  /**
   * Appends in the order of the calls, and never twice (R3).
   * @throws MillraceError MR_REDIS_UNDETERMINED (it may stand there), MR_REDIS_UNAVAILABLE
   */
  async append(stream: string, bytes: Buffer): Promise<AppendOutcome> {
    const { capacity, leaderKey } = this.#options
    const token = this.#options.leaderToken()
    const connection = await this.#writer.get()
    try {
      const outcome =
        token === undefined
          ? await runScript(connection, append, [stream], [capacity, bytes])
          : await runScript(connection, appendAsLeader, [leaderKey, stream], [token, capacity, bytes])
      return outcome as AppendOutcome
    } catch (error) {
      if (isMillraceError(error) && error.code === 'MR_FENCED') return 'fenced'
      throw error
    }
  }

  /** Removes what the stream's reader has taken. @throws MillraceError MR_FENCED */
  async trim(stream: string, lowestKept: string): Promise<void> {
    const token = this.#options.leaderToken()
    if (token === undefined) throw new MillraceError('MR_INTERNAL', 'only a leader trims streams (I1)')
    await runScript(await this.#writer.get(), trimAsLeader, [this.#options.leaderKey, stream], [token, lowestKept])
  }

  /** Entries behind the position, as soon as there are any, at the latest after `waitMs`. */
  async read(stream: string, position: string, waitMs: number): Promise<readonly StreamEntry[]> {
    const connection = await this.#reader.get()
    const reply = await connection.callBlocking(
      waitMs,
      'XREAD',
      'COUNT',
      1000,
      'BLOCK',
      waitMs,
      'STREAMS',
      stream,
      position,
    )
    return entriesOf(reply)
  }

  /** Of the newest entry that the stream has had; undefined: there is no such stream. */
  async lastId(stream: string): Promise<string | undefined> {
    const connection = await this.#reader.get()
    try {
      const reply = await connection.call('XINFO', 'STREAM', stream)
      const fields = Array.isArray(reply) ? reply : []
      const id: unknown = fields[fields.indexOf('last-generated-id') + 1]
      return typeof id === 'string' ? id : undefined
    } catch (error) {
      if (isMillraceError(error) && /no such key/i.test(error.message)) return undefined
      throw error
    }
  }

  close(): void {
    this.#writer.close()
    this.#reader.close()
  }
}

/** [stream, [[id, ['m', bytes]], …]], or null where the time has passed: a map of RESP3, as ioredis hands it on. */
function entriesOf(reply: unknown): readonly StreamEntry[] {
  if (!Array.isArray(reply)) return []
  const entries = reply[1] as readonly (readonly [Buffer, readonly Buffer[] | null])[]
  return entries.flatMap(([id, fields]) => {
    const bytes = fields?.[0]?.toString() === 'm' ? fields[1] : undefined
    return [{ id: id.toString(), bytes }]
  })
}
