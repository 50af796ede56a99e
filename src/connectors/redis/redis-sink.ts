import type { DeliveryGuarantee, Sink, SinkWriter, SinkWriterContext } from '../../api/sink.ts'
import { type Duration, durationMs } from '../../common/duration.ts'
import { MillraceError } from '../../common/errors.ts'
import { checkConnection, type RedisConnectionOptions } from './redis-connection.ts'
import { type RedisCommand, RedisSinkWriter } from './redis-sink-writer.ts'

/** What is written for a record. */
export type RedisMapping<T> =
  | {
      /** The key of the record; two records with the same key: the later one stands. */
      readonly key: (value: T) => string
      /** Fields of a hash (HSET); null removes the key. Fields that are not named stay. */
      readonly hash: (value: T) => Readonly<Record<string, string | number>> | null
      readonly value?: never
      readonly commands?: never
    }
  | {
      readonly key: (value: T) => string
      /** A string (SET); null removes the key. */
      readonly value: (value: T) => string | Uint8Array | number | null
      readonly hash?: never
      readonly commands?: never
    }
  | {
      /** Any commands; after a restart they are repeated, so twice must be as once: SADD is such a command, INCR is not. */
      readonly commands: (value: T, timestamp: number) => readonly RedisCommand[]
      readonly key?: never
      readonly hash?: never
      readonly value?: never
    }

export type RedisSinkOptions<T> = RedisConnectionOptions &
  RedisMapping<T> & {
    /** Keys that are written live this long after their last write; default: for ever. */
    readonly expire?: Duration
    /** How long records may wait for others to be sent with, default 20 ms. */
    readonly bufferTimeout?: Duration
    /** Most bytes that wait for Redis; beyond, the task is not scheduled. Default 8 MiB. */
    readonly maxBufferedBytes?: number
    /** Writes to a server that may evict keys (`maxmemory-policy` other than `noeviction`), which is refused otherwise. */
    readonly acceptEviction?: boolean
  }

/**
 * Writes to Redis by key, effectively once: all that was written before a barrier is answered before the checkpoint
 * completes, and after a restart it is written again up to where the job was, so that each key holds its newest value.
 * Readers may see values step back during such a replay. What an attempt that was given up still sends is refused: every
 * batch is a script that compares the attempt's token (R21), in the hash
 * `millrace:sink:<job name>:<uid>`.
 *
 * One server, or a primary with replicas; not Redis Cluster, where a script can not touch keys of several servers. A server
 * that evicts keys is refused (MR_CONFIGURATION). With Redis 7.2 or newer and an append-only file a checkpoint completes when
 * its results are on the server's disk (WAITAOF, R3); where the connection breaks before, the task restarts and writes them
 * again. With older servers what a crash of Redis itself loses is up to their `appendfsync`: `always` loses nothing, and
 * what `everysec` loses stays lost until its key is written again. A user who may not call INFO gets neither check nor wait.
 *
 * @example
 * ```ts
 * import { job } from 'millrace'
 * import { RedisSink } from 'millrace/redis'
 *
 * export default job('squares', (env) => {
 *   env
 *     .fromSequence(1, 100)
 *     .sinkTo(RedisSink.of({ key: (n) => `square:${n}`, hash: (n) => ({ n, square: n * n }), expire: '1d' }))
 * })
 * ```
 */
export class RedisSink<T> implements Sink<T> {
  readonly connector = 'redis'
  readonly deliveryGuarantee: DeliveryGuarantee = 'at-least-once'
  readonly #options: RedisSinkOptions<T>

  private constructor(options: RedisSinkOptions<T>) {
    this.#options = options
  }

  /** @throws MillraceError MR_CONFIGURATION naming the option */
  static of<T>(options: RedisSinkOptions<T>): RedisSink<T> {
    checkConnection('RedisSink', options)
    const kinds = [options.hash, options.value, options.commands].filter((kind) => kind !== undefined)
    if (kinds.length !== 1) throw wrong('give one of hash, value and commands')
    if ((options.key === undefined) !== (options.commands !== undefined)) throw wrong('key belongs to hash and value')
    optionalMs(options.expire, 'expire')
    if (!((options.maxBufferedBytes ?? 1) > 0)) throw wrong(`maxBufferedBytes: ${options.maxBufferedBytes} is no size`)
    optionalMs(options.bufferTimeout, 'bufferTimeout')
    return new RedisSink(options)
  }

  createWriter(context: SinkWriterContext): SinkWriter<T> {
    const { bufferTimeout = 20, maxBufferedBytes = 8 << 20, acceptEviction = false } = this.#options
    return new RedisSinkWriter<T>({
      ...checkConnection('RedisSink', this.#options),
      commandsOf: commandsOf(this.#options),
      bufferTimeoutMs: durationMs(bufferTimeout, 'RedisSink: bufferTimeout'),
      maxBufferedBytes,
      acceptEviction,
      context,
    })
  }
}

/** Lua passes a command at most some 8000 parts; larger hashes are written by several, in one script all the same. */
const maxHashParts = 2000

function commandsOf<T>(options: RedisSinkOptions<T>): (value: T, timestamp: number) => readonly RedisCommand[] {
  if (options.commands !== undefined) return options.commands
  const { key: keyOf } = options
  const expireMs = optionalMs(options.expire, 'expire')
  const expiring = (key: string, command: RedisCommand): readonly RedisCommand[] =>
    expireMs === undefined ? [command] : [command, ['PEXPIRE', key, Math.ceil(expireMs)]]
  if (options.value !== undefined) {
    const { value: textOf } = options
    return (value) => {
      const key = keyOf(value)
      const text = textOf(value)
      return text === null ? [['DEL', key]] : expiring(key, ['SET', key, text])
    }
  }
  const { hash: hashOf } = options
  return (value) => {
    const key = keyOf(value)
    const fields = hashOf(value)
    if (fields === null) return [['DEL', key]]
    const parts = Object.entries(fields).flat()
    if (parts.length <= maxHashParts) return expiring(key, ['HSET', key, ...parts])
    const commands: RedisCommand[] = []
    for (let start = 0; start < parts.length; start += maxHashParts) {
      commands.push(['HSET', key, ...parts.slice(start, start + maxHashParts)])
    }
    return expireMs === undefined ? commands : [...commands, ['PEXPIRE', key, Math.ceil(expireMs)]]
  }
}

function optionalMs(duration: Duration | undefined, option: string): number | undefined {
  return duration === undefined ? undefined : durationMs(duration, `RedisSink: ${option}`)
}

function wrong(why: string): MillraceError {
  return new MillraceError('MR_CONFIGURATION', `RedisSink: ${why}`)
}
