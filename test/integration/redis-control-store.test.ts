import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { jobId, leaderToken } from '../../src/common/ids.ts'
import { controlKeys } from '../../src/redis/control-keys.ts'
import { openRedis, type RedisConnection } from '../../src/redis/redis-connection.ts'
import { sha256Of } from '../../src/state/bundle-content.ts'
import { RedisControlStore, readBundle } from '../../src/state/redis/redis-control-store.ts'
import { controlStoreConformance } from '../unit/coordinator/control-store-conformance.ts'
import { RedisServer } from './support/redis.ts'

let server: RedisServer
const opened: RedisConnection[] = []
const keys = controlKeys('east')
const token = leaderToken('a:1')
const authority = { token, isValid: () => true }

beforeAll(async () => {
  server = await RedisServer.start()
})
afterEach(async () => {
  for (const connection of opened.splice(0)) connection.close()
  await server.client.flushall()
})
afterAll(() => server.stop())

async function open(url = server.url): Promise<RedisConnection> {
  const connection = await openRedis({ urls: [url], key: 'high-availability.redis.url' })
  opened.push(connection)
  return connection
}

controlStoreConformance(async () => {
  const connection = await open()
  return {
    lead: async (leader) => {
      await server.client.set(keys.leader, leader)
    },
    storeOf: (of) => new RedisControlStore({ connection, keys, authority: of }),
    loseData: async () => {
      const leader = await server.client.get(keys.leader)
      await server.client.flushall()
      if (leader !== null) await server.client.set(keys.leader, leader)
    },
  }
})

test('a new TaskManager has an empty inbox, which goes with it (R22)', async () => {
  await server.client.set(keys.leader, token)
  const store = new RedisControlStore({ connection: await open(), keys, authority })
  const entry = { id: 'tm', slots: 1, dataAddress: '127.0.0.1:1', host: 'here', pid: 1 }
  await store.writeTaskManager(entry)
  expect(await server.client.type(keys.inbox('tm'))).toBe('stream')
  expect(await server.client.xlen(keys.inbox('tm'))).toBe(0)
  await server.client.xadd(keys.inbox('tm'), '*', 'm', 'kept')
  await store.writeTaskManager(entry)
  expect(await server.client.xlen(keys.inbox('tm'))).toBe(1)
  await store.removeTaskManager('tm')
  expect(await server.client.keys('*')).toEqual([keys.leader])
})

test('a damaged bundle is not given out', async () => {
  const connection = await open()
  const name = sha256Of(Buffer.from('content'))
  await server.client.set(keys.bundle(name), 'contenT')
  await expect(readBundle(connection, keys, name)).rejects.toMatchObject({ code: 'MR_JOB_BUNDLE' })
})

test('scripts that Redis has forgotten are sent again (F16)', async () => {
  await server.client.set(keys.leader, token)
  const store = new RedisControlStore({ connection: await open(), keys, authority })
  const job = jobId('0123456789abcdef0123456789abcdef')
  for (let revision = 0; revision < 3; revision++) {
    await server.client.script('FLUSH')
    expect(await store.writeJob(job, revision, {})).toBe(revision + 1)
  }
})

test('Redis is killed and started again between writes: what was answered is there (F4)', async () => {
  const other = await RedisServer.start()
  const job = jobId('0123456789abcdef0123456789abcdef')
  await other.client.set(keys.leader, token)
  const store = new RedisControlStore({ connection: await open(other.url), keys, authority })
  await store.writeJob(job, 0, { step: 1 })
  await other.restart()
  await expect(store.writeJob(job, 1, { step: 2 })).rejects.toMatchObject({ code: expect.stringMatching(/^MR_REDIS_/) })
  const next = new RedisControlStore({ connection: await open(other.url), keys, authority })
  expect(await next.jobs()).toEqual([{ jobId: job, revision: 1, record: { step: 1 } }])
  expect(await next.writeJob(job, 1, { step: 2 })).toBe(2)
  await other.stop()
})
