import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../../src/common/system-ports.ts'
import type { RedisOptions } from '../../../src/redis/redis-options.ts'
import { blobPrefix } from '../../../src/state/redis/blob-keys.ts'
import { pieceBytes, RedisBlobStore } from '../../../src/state/redis/redis-blob-store.ts'
import { testBlobStore } from '../../unit/state/blob-store-conformance.ts'
import { RedisServer } from '../support/redis.ts'
import { RedisCluster } from '../support/redis-cluster.ts'

const server = await RedisServer.start()
const cluster = await RedisCluster.start()
const single: RedisOptions = { urls: [server.url], key: 'state.backend.redis.url' }
const spread: RedisOptions = { urls: cluster.urls, key: 'state.backend.redis.url', cluster: true }
const stores: RedisBlobStore[] = []
let count = 0

beforeAll(() => cluster.formed())
afterAll(async () => {
  for (const store of stores) store.close()
  await server.stop()
  await cluster.stop()
})

function storeOf(options: RedisOptions): RedisBlobStore {
  count++
  const store = new RedisBlobStore(options, blobPrefix(`c${count}`), systemClock)
  stores.push(store)
  return store
}

testBlobStore('RedisBlobStore', async () => storeOf(single))
testBlobStore('RedisBlobStore on a Redis Cluster', async () => storeOf(spread))

for (const [name, options, keys] of [
  ['one server', single, () => server.client.keys('*')],
  ['a Redis Cluster', spread, () => cluster.keys()],
] as const) {
  test(`${name}: a large blob is cut into commands of at most 1 MB, is read across its cuts, and leaves nothing (R5)`, async () => {
    const store = storeOf(options)
    const bytes = Buffer.alloc(8 * 1024 * 1024 + 17)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, Math.min(at, bytes.length - 4))
    const before = (await keys()).length
    await store.put('job/attempt/chk-1/0', bytes)
    expect((await keys()).length - before).toBe(9 + 2)
    expect((await store.get('job/attempt/chk-1/0')).equals(bytes)).toBe(true)
    for (const [offset, length] of [
      [0, 10],
      [pieceBytes - 8 - 5, 10],
      [pieceBytes - 8, 1],
      [3, 5 * pieceBytes],
      [bytes.length - 5, 5],
    ] as const) {
      const range = await store.getRange('job/attempt/chk-1/0', offset, length)
      expect(range.equals(bytes.subarray(offset, offset + length))).toBe(true)
    }
    await expect(store.getRange('job/attempt/chk-1/0', bytes.length - 5, 6)).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_DAMAGED',
    })
    expect(await store.jobs()).toEqual(['job'])
    await store.delete(['job/attempt/chk-1/0'])
    expect((await keys()).length).toBe(before)
    expect(await store.jobs()).toEqual([])
  })
}

test('the pieces of a blob lie on all nodes of a Redis Cluster', async () => {
  const store = storeOf(spread)
  const names = Array.from({ length: 20 }, (_, index) => `job/attempt/chk-1/${index}`)
  await Promise.all(names.map((name) => store.put(name, Buffer.from(name))))
  for (const keys of await cluster.keysOfNodes()) expect(keys.length).toBeGreaterThan(0)
})

test('a blob of which a crash left some pieces is listed and deleted', async () => {
  const store = storeOf(single)
  const before = await server.client.keys('*')
  await store.put('job/attempt/chk-1/0', Buffer.alloc(3 * 1024 * 1024))
  await server.client.unlink(`${blobPrefix(`c${count}`)}job/attempt/chk-1/0:1`)
  await expect(store.get('job/attempt/chk-1/0')).rejects.toMatchObject({ code: 'MR_CHECKPOINT_DAMAGED' })
  await expect(store.getRange('job/attempt/chk-1/0', 1_500_000, 10)).rejects.toMatchObject({
    code: 'MR_CHECKPOINT_DAMAGED',
  })
  expect(await store.list('job/')).toEqual(['job/attempt/chk-1/0'])
  await store.delete(await store.list('job/'))
  expect((await server.client.keys('*')).length).toBe(before.length)
})

test('a name that would be another key is refused', async () => {
  const store = storeOf(single)
  for (const name of ['../x', 'a//b', '.a', 'a:1', 'index:{a}', '']) {
    await expect(store.put(name, Buffer.from('x'))).rejects.toMatchObject({ code: 'MR_INTERNAL' })
  }
})

test('a full Redis refuses the blob with a reason, and takes it once there is room (F10)', async () => {
  const small = await RedisServer.start({ maxmemory: '6mb' })
  const store = storeOf({ ...single, urls: [small.url] })
  await store.put('job/attempt/chk-1/0', Buffer.alloc(2 * 1024 * 1024))
  await expect(store.put('job/attempt/chk-2/0', Buffer.alloc(8 * 1024 * 1024))).rejects.toMatchObject({
    code: 'MR_STORAGE',
    message: expect.stringContaining('maxmemory'),
  })
  await store.delete(['job/attempt/chk-2/0'])
  expect(await store.list('')).toEqual(['job/attempt/chk-1/0'])
  await small.client.config('SET', 'maxmemory', '100mb')
  await store.put('job/attempt/chk-2/0', Buffer.alloc(8 * 1024 * 1024))
  await store.delete(await store.list('job/'))
  expect(await small.client.dbsize()).toBe(0)
  await small.stop()
})

test('a Redis that is killed while blobs are put has them all once it is back (F4, R3)', async () => {
  const other = await RedisServer.start()
  const store = storeOf({ ...single, urls: [other.url] })
  const names = Array.from({ length: 60 }, (_, index) => `job/attempt/chk-1/${index}`)
  const puts = names.map((name) => store.put(name, Buffer.alloc(200_000, name)))
  await puts[0]
  await other.restart()
  await Promise.all(puts)
  for (const name of names) expect((await store.get(name)).equals(Buffer.alloc(200_000, name))).toBe(true)
  await other.stop()
})

test('a Redis that stands still for longer than an answer may take is waited for (F3)', async () => {
  const other = await RedisServer.start()
  const store = storeOf({ ...single, urls: [other.url], commandTimeoutMs: 300, connectTimeoutMs: 300 })
  await store.put('a/0', Buffer.from('before'))
  other.signal('SIGSTOP')
  const put = store.put('a/1', Buffer.from('meanwhile'))
  await new Promise((resume) => systemClock.schedule(1000, () => resume(undefined)))
  other.signal('SIGCONT')
  await put
  expect(await store.list('')).toEqual(['a/0', 'a/1'])
  await other.stop()
})
