import type { Redis } from 'ioredis'
import { MillraceError, messageOf } from '../../common/errors.ts'

/** What a sink has to know of the server that it writes to. */
export interface RedisServerTraits {
  /** `maxmemory-policy`; undefined where the server does not tell. */
  readonly evictionPolicy: string | undefined
  /** It has WAITAOF, and a file to wait for (R3). */
  readonly waitsForDisk: boolean
}

/** Reads what INFO says. */
export function redisServerTraits(info: string): RedisServerTraits {
  const fields = new Map(info.split(/\r?\n/).map((line) => [line.split(':', 1)[0] ?? '', line.replace(/^[^:]*:/, '')]))
  const [major = 0, minor = 0] = (fields.get('redis_version') ?? '').split('.').map(Number)
  const hasWaitAof = major > 7 || (major === 7 && minor >= 2)
  return {
    evictionPolicy: fields.get('maxmemory_policy'),
    waitsForDisk: hasWaitAof && fields.get('aof_enabled') === '1',
  }
}

/** A user who may not ask gets no answer: then nothing is known, and the sink does without. */
export async function askServerTraits(redis: Redis): Promise<RedisServerTraits> {
  try {
    return redisServerTraits(await redis.info())
  } catch (error) {
    if (messageOf(error).startsWith('NOPERM')) return { evictionPolicy: undefined, waitsForDisk: false }
    throw error
  }
}

/**
 * A server that evicts removes results, and the tokens of attempts, without a word: what the sink promises can not hold.
 * @throws MillraceError MR_CONFIGURATION
 */
export function refuseEviction({ evictionPolicy }: RedisServerTraits, address: string): void {
  if (evictionPolicy === undefined || evictionPolicy === 'noeviction') return
  throw new MillraceError(
    'MR_CONFIGURATION',
    `RedisSink: ${address} has maxmemory-policy ${evictionPolicy}, which removes keys when memory is full: set noeviction, or acceptEviction: true where lost keys do no harm`,
  )
}
