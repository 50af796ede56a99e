import type { LeaderToken } from '../../common/ids.ts'
import type { ControlKeys } from '../../redis/control-keys.ts'
import type { RedisConnection } from '../../redis/redis-connection.ts'
import { redisScript, runScript } from '../../redis/redis-script.ts'
import type { RedisBlobStore } from './redis-blob-store.ts'

const ageMs = 60 * 60 * 1000

export interface UnknownJobsOptions {
  readonly keys: ControlKeys
  readonly connection: RedisConnection
  readonly token: LeaderToken
  readonly blobStore: RedisBlobStore
}

/**
 * Deletes the blobs of jobs that nobody knows, such as a lost TaskManager that came back has written: those that were
 * found unknown an hour ago and still are (R10). Called only after Redis was found to have lost nothing (R25) and each
 * TaskManager has said which jobs it runs. Gives the jobs whose blobs were deleted.
 */
export async function sweepUnknownJobs(
  { keys, connection, token, blobStore }: UnknownJobsOptions,
  known: ReadonlySet<string>,
  nowMs: number,
): Promise<readonly string[]> {
  const unknown = (await blobStore.jobs()).filter((job) => !known.has(job))
  const marks = [keys.leader, keys.unknownJobs]
  const aged = await runScript(connection, redisScript('unknown-jobs'), marks, [token, nowMs, ageMs, ...unknown])
  await connection.durable()
  const jobs = Array.isArray(aged) ? aged.map(String) : []
  for (const job of jobs) await blobStore.delete(await blobStore.list(`${job}/`))
  return jobs
}
