import { Redis } from 'ioredis'
import type { AsyncFunction } from '../../api/async-functions.ts'
import { type Duration, durationMs } from '../../common/duration.ts'
import { MillraceError, messageOf } from '../../common/errors.ts'
import { systemClock } from '../../common/system-ports.ts'
import { addressOf, checkConnection, type RedisConnectionOptions } from './redis-connection.ts'

/** What is looked up for a record, and what becomes of it. */
export type RedisLookupOptions<In, Out> = Pick<RedisConnectionOptions, 'url'> & {
  readonly key: (value: In) => string
  /** Values that were found, or found missing, are used again for a while. Default: each record asks Redis. */
  readonly cache?: { readonly maxSize: number; readonly expireAfter: Duration }
} & (
    | {
        /** A hash (HGETALL); undefined where there is no such key. */
        readonly hash: (value: In, found: Readonly<Record<string, string>> | undefined) => readonly Out[]
        readonly text?: never
      }
    | {
        /** A string (GET); undefined where there is no such key. */
        readonly text: (value: In, found: string | undefined) => readonly Out[]
        readonly hash?: never
      }
  )

/** A function for `AsyncDataStream`; the connection of a thread is made by its first call. */
export type RedisLookup<In, Out> = AsyncFunction<In, Out> & {
  /** Ends the connection of this thread; a later call makes it anew. */
  close(): void
}

/**
 * Looks up a key of Redis for each record. Calls of one moment go out together in one pipeline.
 *
 * While Redis is away calls wait, as long as the timeout of `AsyncDataStream` allows.
 *
 * @example
 * ```ts
 * import { AsyncDataStream, job } from 'millrace'
 * import { redisLookup } from 'millrace/redis'
 *
 * export default job('prices', (env) => {
 *   const orders = env.fromCollection([{ sku: 'a', count: 2 }])
 *   const price = redisLookup({
 *     key: (order: { sku: string; count: number }) => `price:${order.sku}`,
 *     text: (order, found) => (found === undefined ? [] : [{ ...order, total: order.count * Number(found) }]),
 *     cache: { maxSize: 10_000, expireAfter: '1min' },
 *   })
 *   AsyncDataStream.unorderedWait(orders, price, { timeout: '30s' }).print()
 * })
 * ```
 *
 * @throws MillraceError MR_CONFIGURATION naming the option
 */
export function redisLookup<In, Out>(options: RedisLookupOptions<In, Out>): RedisLookup<In, Out> {
  const { url } = checkConnection('redisLookup', options)
  const { key: keyOf, hash, text } = options
  if ((hash === undefined) === (text === undefined)) {
    throw new MillraceError('MR_CONFIGURATION', 'redisLookup: give either hash or text')
  }
  const cache = new LookupCache(options.cache)
  let redis: Redis | undefined
  const connected = () => {
    redis ??= silent(new Redis(url, { maxRetriesPerRequest: null, enableAutoPipelining: true }))
    return redis
  }
  const fetched = async (key: string): Promise<Found> => {
    try {
      return hash === undefined ? ((await connected().get(key)) ?? undefined) : filled(await connected().hgetall(key))
    } catch (error) {
      const message = `redisLookup: ${addressOf(url)}, key ${JSON.stringify(key)}: ${messageOf(error)}`
      throw new MillraceError('MR_USER_FUNCTION', message, { cause: error })
    }
  }
  const lookup: AsyncFunction<In, Out> = async (value) => {
    const found = await cache.get(keyOf(value), fetched)
    if (hash !== undefined) return hash(value, found as Readonly<Record<string, string>> | undefined)
    return text(value, found as string | undefined)
  }
  return Object.assign(lookup, {
    close(): void {
      redis?.disconnect()
      redis = undefined
    },
  })
}

type Found = string | Readonly<Record<string, string>> | undefined

/** HGETALL gives no fields where there is no key. */
function filled(fields: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  return Object.keys(fields).length === 0 ? undefined : fields
}

/** It reconnects by itself; a call that waits too long is told by its own timeout. */
function silent(redis: Redis): Redis {
  return redis.on('error', () => {})
}

/** The newest keys, the least recently used first; a key is asked for once at a time. */
class LookupCache {
  readonly #maxSize: number
  readonly #expireAfterMs: number
  readonly #entries = new Map<string, { readonly found: Promise<Found>; readonly untilMs: number }>()

  constructor(options: { readonly maxSize: number; readonly expireAfter: Duration } | undefined) {
    this.#maxSize = options?.maxSize ?? 0
    this.#expireAfterMs = options === undefined ? 0 : durationMs(options.expireAfter, 'redisLookup: cache.expireAfter')
    if (!Number.isInteger(this.#maxSize) || this.#maxSize < 0) {
      throw new MillraceError('MR_CONFIGURATION', `redisLookup: cache.maxSize: ${this.#maxSize} is no number of keys`)
    }
  }

  get(key: string, fetch: (key: string) => Promise<Found>): Promise<Found> {
    if (this.#maxSize === 0) return fetch(key)
    const nowMs = systemClock.monotonicMs()
    const known = this.#entries.get(key)
    this.#entries.delete(key)
    const entry = known !== undefined && known.untilMs > nowMs ? known : this.#fetch(key, fetch, nowMs)
    this.#entries.set(key, entry)
    if (this.#entries.size > this.#maxSize) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    return entry.found
  }

  #fetch(key: string, fetch: (key: string) => Promise<Found>, nowMs: number) {
    const found = fetch(key)
    // An error is not kept.
    found.catch(() => this.#entries.delete(key))
    return { found, untilMs: nowMs + this.#expireAfterMs }
  }
}
