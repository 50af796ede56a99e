import { Redis } from 'ioredis'
import { type Duration, durationMs } from '../../common/duration.ts'
import { MillraceError, messageOf } from '../../common/errors.ts'
import type { Clock, Timer } from '../../common/ports.ts'

/** Where Redis is, and how long it may be away. */
export interface RedisConnectionOptions {
  /** Such as `redis://user:password@localhost:6379/0`; `rediss:` for TLS. Default `redis://127.0.0.1:6379`. */
  readonly url?: string
  /** How long Redis may be away before the task fails, default 5 minutes; where it was never there, 10 seconds at most. */
  readonly unreachableTimeout?: Duration
}

/** A server that was not there from the start is mostly a wrong address. What waits for it shows nothing, a failure does. */
const firstAnswerMs = 10_000

const defaultUrl = 'redis://127.0.0.1:6379'

/** @throws MillraceError MR_CONFIGURATION naming the option */
export function checkConnection(
  what: string,
  { url = defaultUrl, unreachableTimeout = '5min' }: RedisConnectionOptions,
): {
  readonly url: string
  readonly unreachableMs: number
} {
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol)) {
    throw new MillraceError('MR_CONFIGURATION', `${what}: url must begin with redis:// or rediss://`)
  }
  return { url, unreachableMs: durationMs(unreachableTimeout, `${what}: unreachableTimeout`) }
}

/** For messages: without user and password. */
export function addressOf(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

/**
 * A connection that comes back by itself. What was sent and not answered is sent again: commands must be such that twice
 * is as once. `fail` is called when Redis stays away.
 */
export function connect(options: {
  readonly url: string
  readonly unreachableMs: number
  readonly clock: Clock
  fail(error: MillraceError): void
}): Redis {
  const { url, unreachableMs, clock, fail } = options
  const redis = new Redis(url, {
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 2000),
  })
  let last = 'no answer'
  let away: Timer | undefined
  let seen = false
  const left = () => {
    away ??= clock.schedule(seen ? unreachableMs : Math.min(unreachableMs, firstAnswerMs), () => {
      fail(new MillraceError('MR_SINK', `Redis at ${addressOf(url)} can not be reached: ${last}`))
    })
  }
  left()
  redis.on('error', (error: unknown) => {
    last = messageOf(error)
  })
  redis.on('close', left)
  redis.on('ready', () => {
    seen = true
    away?.cancel()
    away = undefined
  })
  redis.on('end', () => away?.cancel())
  return redis
}
