import { MillraceError } from '../common/errors.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisOptions } from './redis-options.ts'
import { durabilityOf, type RedisServerTraits } from './redis-server-traits.ts'

/**
 * Refuses a server on which a promise could not be kept: too old, evicting keys (I10), losing what it has answered (R3).
 * @throws MillraceError MR_REDIS_CONFIGURATION naming the key and the server
 */
export function checkRedis(connection: RedisConnection): void {
  for (const traits of connection.servers) {
    const problem = problemOf(traits, connection.options)
    if (problem === undefined) continue
    const text = `${connection.options.key}: Redis at ${connection.address}${traits.node === '' ? '' : `, node ${traits.node}`} ${problem}`
    throw new MillraceError('MR_REDIS_CONFIGURATION', text)
  }
}

/** undefined: none. */
export function problemOf(traits: RedisServerTraits, options: RedisOptions): string | undefined {
  if (traits.major < 7) return `is of version ${traits.version}; Redis 7 or newer is needed`
  if (traits.isClusterNode && options.cluster !== true) {
    return `is a node of a Redis Cluster: set ${options.key.replace(/[\w-]+$/, 'cluster')}: true`
  }
  if (!traits.isClusterNode && options.cluster === true) return 'is not a node of a Redis Cluster'
  if (traits.evictionPolicy !== undefined && traits.evictionPolicy !== 'noeviction') {
    return `has maxmemory-policy ${traits.evictionPolicy}, which removes keys when memory is full: set noeviction`
  }
  if (durabilityOf(traits) !== 'uncertain' || options.acceptDataLoss === true) return undefined
  const flag = `${options.key.replace(/[\w-]+$/, 'accept-data-loss')}: true where doubled output after such a loss does no harm`
  if (!traits.appendOnly) return `keeps no append-only file and loses all when it stops: set appendonly yes, or ${flag}`
  if (traits.appendFsync === undefined) {
    return `does not tell its appendfsync: allow the user +config|get, use Redis 7.2 or newer, or set ${flag}`
  }
  return `has appendfsync ${traits.appendFsync} and loses what it answered last when its machine stops: set appendfsync always, use Redis 7.2 or newer, or set ${flag}`
}
