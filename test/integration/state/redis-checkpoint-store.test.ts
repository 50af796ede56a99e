import { afterAll, expect, test } from 'vitest'
import { attemptId, checkpointId, jobId, leaderToken, vertexId } from '../../../src/common/ids.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import { controlKeys } from '../../../src/redis/control-keys.ts'
import { openRedis, type RedisConnection } from '../../../src/redis/redis-connection.ts'
import type { RedisOptions } from '../../../src/redis/redis-options.ts'
import { blobPrefix } from '../../../src/state/redis/blob-keys.ts'
import { RedisBlobStore } from '../../../src/state/redis/redis-blob-store.ts'
import { RedisCheckpointStore } from '../../../src/state/redis/redis-checkpoint-store.ts'
import { sweepUnknownJobs } from '../../../src/state/redis/unknown-jobs.ts'
import { checkpointWith, recordOf, testCheckpointStore } from '../../unit/state/checkpoint-store-conformance.ts'
import { RedisServer } from '../support/redis.ts'

const server = await RedisServer.start()
const token = leaderToken('first:1')
const cleanups: (() => void)[] = []
let clusters = 0

afterAll(async () => {
  for (const cleanup of cleanups) cleanup()
  await server.stop()
})

/** A leader with a connection, in a cluster of its own. */
async function leaderOf(redis: RedisServer, more: Partial<RedisOptions> = {}) {
  clusters++
  const clusterId = `c${clusters}`
  const keys = controlKeys(clusterId)
  const options = { urls: [redis.url], key: 'high-availability.redis.url', ...more }
  await redis.client.set(keys.leader, token)
  let connection: RedisConnection | undefined
  const connect = async (): Promise<RedisConnection> => {
    if (connection?.isOpen !== true) connection = await openRedis(options)
    return connection
  }
  const blobStore = new RedisBlobStore(options, blobPrefix(clusterId), systemClock)
  cleanups.push(() => {
    connection?.close()
    blobStore.close()
  })
  const storeOf = () => new RedisCheckpointStore({ jobId: jobId('job'), keys, connect, token: () => token, blobStore })
  return { keys, connect, blobStore, checkpointStore: storeOf(), storeOf, clusterId }
}

type Leader = Awaited<ReturnType<typeof leaderOf>>

testCheckpointStore('RedisCheckpointStore', () => leaderOf(server))

const keysOf = async (redis: RedisServer, { clusterId }: Leader): Promise<readonly string[]> =>
  (await redis.client.keys(`mr:*${clusterId}*`))
    .filter((key) => new RegExp(`^mr:\\{?${clusterId}\\}?:`).test(key))
    .sort()

async function checkpointOf(leader: Leader, names: readonly string[]): Promise<number> {
  const id = await leader.checkpointStore.begin()
  await leader.checkpointStore.complete(
    await checkpointWith(
      leader.blobStore,
      id,
      names.map((name) => `job/attempt/chk-${id}/${name}`),
    ),
  )
  return id
}

test('no write of a leader is accepted once another one leads (I1)', async () => {
  const leader = await leaderOf(server)
  await checkpointOf(leader, ['0'])
  await server.client.set(leader.keys.leader, 'second:2')
  const before = await server.client.dump(leader.keys.checkpoints(jobId('job')))
  const { checkpointStore } = leader
  const ledger = [{ operatorUid: 'sink', attemptId: attemptId('a'), idBase: 'a-', mark: 16 }]
  for (const write of [
    () => checkpointStore.begin(),
    () => checkpointStore.complete(recordOf(2)),
    () => checkpointStore.markCommitted(checkpointId(1)),
    () => checkpointStore.makeDurable(checkpointId(1)),
    () => checkpointStore.recordStart(vertexId('v'), []),
    () => checkpointStore.recordTransactions(ledger),
    () => checkpointStore.retain(1),
    () => checkpointStore.discard(),
  ]) {
    await expect(write()).rejects.toMatchObject({ code: 'MR_FENCED' })
  }
  expect(await server.client.dump(leader.keys.checkpoints(jobId('job')))).toBe(before)
  expect(await checkpointStore.list()).toEqual([1])
  expect(await leader.blobStore.list('')).toHaveLength(2)
})

test('the next leader goes on with the ids, records, marks, starts and ledger of the one before (R2)', async () => {
  const leader = await leaderOf(server)
  await checkpointOf(leader, ['0'])
  await leader.checkpointStore.begin()
  const ledger = [{ operatorUid: 'sink', attemptId: attemptId('a'), idBase: 'a-', mark: 16 }]
  await leader.checkpointStore.recordTransactions(ledger)
  await leader.checkpointStore.markCommitted(checkpointId(1))
  const next = leader.storeOf()
  expect(await next.list()).toEqual([1])
  await next.makeDurable(checkpointId(1))
  expect(await next.isCommitted(checkpointId(1))).toBe(true)
  expect(await next.recordedTransactions()).toEqual(ledger)
  expect(await next.begin()).toBe(3)
  next.beginAbove(checkpointId(9))
  expect(await next.begin()).toBe(10)
})

test('a Redis that has lost writes is noticed by the next one, which is refused (R25, I12)', async () => {
  const leader = await leaderOf(server)
  await leader.checkpointStore.begin()
  await leader.checkpointStore.begin()
  await server.client.hset(leader.keys.checkpoints(jobId('job')), { revision: 1, begun: 1 })
  for (const write of [() => leader.checkpointStore.begin(), () => leader.checkpointStore.complete(recordOf(1))]) {
    await expect(write()).rejects.toMatchObject({ code: 'MR_REVISION_MISMATCH' })
  }
  expect(await leader.checkpointStore.list()).toEqual([])
})

test('a damaged record is found by its checksum (I6)', async () => {
  const leader = await leaderOf(server)
  await leader.checkpointStore.complete(recordOf(1))
  const key = leader.keys.checkpointRecords(jobId('job'))
  const text = (await server.client.hget(key, '1')) ?? ''
  await server.client.hset(key, '1', text.replace('"offset":7', '"offset":8'))
  await expect(leader.checkpointStore.read(checkpointId(1))).rejects.toMatchObject({ code: 'MR_CHECKPOINT_DAMAGED' })
})

test('a leader that dies between the records and the blobs of what it deletes leaves nothing to the next (R10)', async () => {
  const leader = await leaderOf(server)
  await checkpointOf(leader, ['0', '1'])
  await checkpointOf(leader, ['0', '1'])
  // Of the dead leader: its script ran, its deletion of blobs did not.
  const garbage = leader.keys.checkpointGarbage(jobId('job'))
  await server.client.hdel(leader.keys.checkpointRecords(jobId('job')), '1')
  await server.client.sadd(garbage, '1')
  const next = leader.storeOf()
  await next.retain(2)
  expect(await server.client.exists(garbage)).toBe(0)
  expect(await leader.blobStore.list('job/')).toEqual(['0', '1', 'manifest'].map((name) => `job/attempt/chk-2/${name}`))
})

test('after the end of a job none of its keys remains, also of attempts that crashed (R14)', async () => {
  const leader = await leaderOf(server)
  for (let count = 0; count < 4; count++) await checkpointOf(leader, ['0', '1'])
  await leader.checkpointStore.markCommitted(checkpointId(4))
  await leader.checkpointStore.recordStart(vertexId('v'), [])
  // An attempt that crashed in the middle of a checkpoint, and one whose blob has lost a piece.
  await leader.blobStore.put('job/crashed/chk-5/0', Buffer.alloc(3_000_000))
  await server.client.unlink(`${blobPrefix(leader.clusterId)}job/crashed/chk-5/0:2`)
  expect((await keysOf(server, leader)).length).toBeGreaterThan(12)
  // The first leader dies in the middle.
  await server.client.set(leader.keys.leader, 'second:2')
  await expect(leader.checkpointStore.ended('FINISHED')).rejects.toMatchObject({ code: 'MR_FENCED' })
  await server.client.set(leader.keys.leader, token)
  for (const outcome of ['FAILED', 'SUSPENDED'] as const) await leader.storeOf().ended(outcome)
  expect(await leader.storeOf().list()).toHaveLength(4)
  await leader.storeOf().ended('CANCELED')
  expect(await keysOf(server, leader)).toEqual([leader.keys.leader])
  await leader.storeOf().discard()
  expect(await keysOf(server, leader)).toEqual([leader.keys.leader])
})

test('blobs of a job that nobody knows go an hour after they were found, and not while somebody knows it (R10)', async () => {
  const leader = await leaderOf(server)
  await leader.blobStore.put('job/attempt/chk-1/0', Buffer.from('x'))
  await leader.blobStore.put('gone/attempt/chk-1/0', Buffer.from('x'))
  const sweep = async (minutes: number, ...known: string[]) =>
    sweepUnknownJobs(
      { keys: leader.keys, connection: await leader.connect(), token, blobStore: leader.blobStore },
      new Set(known),
      minutes * 60_000,
    )
  expect(await sweep(0, 'job')).toEqual([])
  expect(await sweep(59, 'job', 'gone')).toEqual([])
  expect(await sweep(61, 'job')).toEqual([])
  expect(await sweep(120, 'job')).toEqual([])
  expect(await sweep(121, 'job')).toEqual(['gone'])
  expect(await leader.blobStore.jobs()).toEqual(['job'])
  expect(await sweep(122, 'job')).toEqual([])
  expect(await server.client.exists(leader.keys.unknownJobs)).toBe(0)
})

test('a full Redis refuses a checkpoint with a reason, gives room by retention, and then goes on (F10)', async () => {
  const small = await RedisServer.start({ maxmemory: '12mb' })
  const leader = await leaderOf(small)
  for (let id = 1; id <= 2; id++) {
    const record = await checkpointWith(leader.blobStore, await leader.checkpointStore.begin(), [])
    await leader.blobStore.put(`job/attempt/chk-${id}/0`, Buffer.alloc(3_000_000))
    await leader.checkpointStore.complete(record)
  }
  await leader.checkpointStore.begin()
  const full = { code: 'MR_STORAGE', message: expect.stringContaining('maxmemory') }
  await expect(leader.blobStore.put('job/attempt/chk-3/0', Buffer.alloc(8_000_000))).rejects.toMatchObject(full)
  await small.client.config('SET', 'maxmemory', '2mb')
  await expect(leader.checkpointStore.complete(recordOf(3))).rejects.toMatchObject(full)
  await expect(leader.checkpointStore.begin()).rejects.toMatchObject(full)
  expect(await leader.checkpointStore.list()).toEqual([1, 2])
  await leader.checkpointStore.retain(1)
  await leader.blobStore.delete(['job/attempt/chk-3/0'])
  await small.client.config('SET', 'maxmemory', '12mb')
  expect(await leader.checkpointStore.begin()).toBe(4)
  await leader.checkpointStore.complete(await checkpointWith(leader.blobStore, 4, ['job/attempt/chk-4/0']))
  expect(await leader.checkpointStore.list()).toEqual([2, 4])
  await leader.checkpointStore.discard()
  expect(await small.client.dbsize()).toBe(1)
  await small.stop()
})

test('Redis killed at any time of a checkpoint: what was told complete is there and whole, and ids never come again (F4, R3)', async () => {
  const other = await RedisServer.start()
  const leader = await leaderOf(other)
  const completed: number[] = []
  const begun: number[] = []
  let ended = false
  const work = (async () => {
    while (!ended) {
      try {
        const id = await leader.checkpointStore.begin()
        begun.push(id)
        const own = [0, 1].map((index) => `job/attempt/chk-${id}/${index}`)
        await leader.checkpointStore.complete(await checkpointWith(leader.blobStore, id, own))
        completed.push(id)
        await leader.checkpointStore.retain(2)
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^MR_REDIS_UN/) })
      }
    }
  })()
  for (let count = 0; count < 4; count++) {
    const before = completed.length
    await expect.poll(() => completed.length, { timeout: 20_000 }).toBeGreaterThan(before + 3)
    await other.restart()
  }
  ended = true
  await work
  expect(new Set(begun).size).toBe(begun.length)
  const ids = await leader.checkpointStore.list()
  // One more may be there: its answer was lost.
  expect(ids.at(-1)).toBeGreaterThanOrEqual(completed.at(-1) ?? 0)
  for (const id of ids) {
    const record = await leader.checkpointStore.read(id)
    expect(await leader.checkpointStore.baseViolation(record)).toBe(undefined)
    for (const index of [0, 1]) {
      expect((await leader.blobStore.get(`job/attempt/chk-${id}/${index}`)).toString()).toBe(
        `job/attempt/chk-${id}/${index}`,
      )
    }
  }
  await other.stop()
})

test('a Redis that stands still leaves a completion undetermined; repeated, it is written or found, and made durable (F3, R3)', async () => {
  const other = await RedisServer.start()
  const leader = await leaderOf(other, { commandTimeoutMs: 300, connectTimeoutMs: 300 })
  await checkpointOf(leader, [])
  const id = await leader.checkpointStore.begin()
  const record = await checkpointWith(leader.blobStore, id, [])
  other.signal('SIGSTOP')
  await expect(leader.checkpointStore.complete(record)).rejects.toMatchObject({ code: 'MR_REDIS_UNDETERMINED' })
  other.signal('SIGCONT')
  const repeated = await leader.checkpointStore.complete(record).catch((error: unknown) => error)
  if (repeated !== undefined) expect(repeated).toMatchObject({ code: 'MR_STORAGE' })
  expect(await leader.checkpointStore.list()).toEqual([1, 2])
  expect(await leader.checkpointStore.read(id)).toEqual(record)
  await leader.checkpointStore.makeDurable(id)
  await other.client.call('SCRIPT', 'FLUSH')
  expect(await leader.checkpointStore.begin()).toBe(3)
  await other.stop()
})
