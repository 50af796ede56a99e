import { MillraceError } from '../../common/errors.ts'
import { type LeaderToken, leaderToken } from '../../common/ids.ts'
import type { IdSource } from '../../common/ports.ts'
import type { FoundFacts } from '../../coordinator/election/data-loss.ts'
import type { ControlKeys } from '../../redis/control-keys.ts'
import type { RedisConnection } from '../../redis/redis-connection.ts'
import { redisScript, runScript } from '../../redis/redis-script.ts'

export interface Claim {
  readonly token: LeaderToken
  /** Where the leader's inbox is read from (R23 g). */
  readonly inboxStart: string
  readonly found: FoundFacts
}

export interface ClaimRequest {
  /** The highest epoch that was seen outside this Redis. */
  readonly floor: number
  /** URL of the caller's REST server; empty: it has none. */
  readonly address: string
}

/** Mints a token; durable when it resolves (R3). @throws MillraceError MR_REDIS_… */
export async function claimLeadership(
  connection: RedisConnection,
  keys: ControlKeys,
  ids: IdSource,
  { floor, address }: ClaimRequest,
): Promise<Claim> {
  const answer = await runScript(
    connection,
    redisScript('claim'),
    [keys.epoch, keys.leader, keys.incarnation, keys.leaderAddress, keys.leaderInbox, keys.acceptedLosses],
    [ids.unique(), floor, ids.unique(), address],
  )
  await connection.durable()
  const texts = Array.isArray(answer) ? answer.map(String) : []
  const [token, epoch, incarnation, inboxStart, ...accepted] = texts
  if (token === undefined || epoch === undefined || incarnation === undefined || inboxStart === undefined) {
    throw new MillraceError('MR_INTERNAL', `claim.lua answered ${String(answer)}`)
  }
  return { token: leaderToken(token), inboxStart, found: { incarnation, epoch: Number(epoch), accepted } }
}

/** What a standby sees of the cluster; undefined: nobody has ever led it. @throws MillraceError MR_REDIS_… */
export async function observeCluster(connection: RedisConnection, keys: ControlKeys): Promise<FoundFacts | undefined> {
  const [values, accepted] = await Promise.all([
    connection.call('MGET', keys.incarnation, keys.epoch),
    connection.call('SMEMBERS', keys.acceptedLosses),
  ])
  const [incarnation, epoch] = Array.isArray(values) ? values : []
  if (typeof incarnation !== 'string') return undefined
  return { incarnation, epoch: Number(epoch ?? 0), accepted: Array.isArray(accepted) ? accepted.map(String) : [] }
}
