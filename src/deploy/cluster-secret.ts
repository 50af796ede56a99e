import { MillraceError } from '../common/errors.ts'
import type { IdSource } from '../common/ports.ts'
import type { Configuration } from '../config/configuration.ts'
import type { ControlKeys } from '../redis/control-keys.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'

const key = 'security.cluster-secret'

/**
 * What TaskManagers prove to each other (R28): the configured one; on loopback, where only this machine's users can
 * dial, one that the first process of the cluster makes and keeps in Redis.
 * @throws MillraceError MR_CONFIGURATION where the data port can be reached from elsewhere and no secret is set
 */
export async function clusterSecret(
  configuration: Configuration,
  {
    connection,
    keys,
    ids,
  }: { readonly connection: RedisConnection; readonly keys: ControlKeys; readonly ids: IdSource },
): Promise<string> {
  const configured = configuration[key]
  if (typeof configured === 'string' && configured !== '') return configured
  refuseWithoutSecret(configuration)
  const name = `${keys.prefix}cluster-secret`
  await connection.call('SET', name, ids.hexadecimal() + ids.hexadecimal(), 'NX')
  await connection.durable()
  const secret = await connection.call('GET', name)
  if (typeof secret === 'string') return secret
  throw new MillraceError('MR_REDIS_UNAVAILABLE', `${key}: the secret that the cluster keeps in Redis is gone`)
}

/** @throws MillraceError MR_CONFIGURATION */
export function refuseWithoutSecret(configuration: Configuration): void {
  const host = configuration['taskmanager.host'] ?? '127.0.0.1'
  if (configuration[key] !== undefined || /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/.test(String(host))) return
  throw new MillraceError(
    'MR_CONFIGURATION',
    `taskmanager.host: ${JSON.stringify(host)} can be reached from other machines: set ${key}, the same in all TaskManagers, or use 127.0.0.1`,
  )
}
