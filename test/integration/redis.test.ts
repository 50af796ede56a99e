import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { SinkWriter } from '../../src/api/sink.ts'
import { systemClock } from '../../src/common/system-ports.ts'
import { type RedisCommand, RedisSink, type RedisSinkOptions, redisLookup } from '../../src/connectors/redis/index.ts'
import { NewerRedis, RedisServer } from './support/redis.ts'

interface Counted {
  readonly user: string
  readonly count: number
}

let redis: RedisServer
const writers: SinkWriter<Counted>[] = []
const failures: unknown[] = []
let wakes = 0

beforeAll(async () => {
  redis = await RedisServer.start()
})
afterAll(() => redis.stop())
beforeEach(async () => {
  await redis.client.flushall()
  failures.length = 0
  wakes = 0
})
afterEach(async () => {
  await Promise.all(writers.splice(0).map((writer) => writer.close()))
})

const byHash = {
  key: ({ user }: Counted) => `user:${user}`,
  hash: ({ count }: Counted) => (count < 0 ? null : { count }),
}

interface Place {
  readonly jobName?: string
  readonly attemptId?: string
  readonly subtaskIndex?: number
  readonly parallelism?: number
}

async function writerOf(
  options: Partial<RedisSinkOptions<Counted>> = byHash,
  { jobName = 'job', attemptId = 'a1', subtaskIndex = 0, parallelism = 2 }: Place = {},
): Promise<SinkWriter<Counted>> {
  const writer = RedisSink.of<Counted>({ url: redis.url, ...options } as RedisSinkOptions<Counted>).createWriter({
    subtaskIndex,
    parallelism,
    operatorName: 'out',
    operatorUid: 'out',
    attemptId,
    clock: systemClock,
    checkpointing: undefined,
    jobName,
    transactionalIds: { mark: 16, request: () => {} },
    wake: () => {
      wakes++
    },
    fail: (error) => failures.push(error),
  })
  writers.push(writer)
  await until(() => writer.writable || failures.length > 0)
  return writer
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('waited for 20 s in vain')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('each key holds its newest value when the barrier is acknowledged; null removes it', async () => {
  const writer = await writerOf()
  for (let count = 0; count < 1000; count++) writer.write({ user: `u${count % 7}`, count }, 0)
  writer.write({ user: 'u3', count: -1 }, 0)
  await writer.prepareCommit(1)
  expect(await redis.client.hgetall('user:u6')).toEqual({ count: '993' })
  expect(await redis.client.exists('user:u3')).toBe(0)
  expect(failures).toEqual([])
})

test('records do not wait for a barrier to be seen', async () => {
  const writer = await writerOf()
  writer.write({ user: 'ann', count: 5 }, 0)
  await until(async () => (await redis.client.hget('user:ann', 'count')) === '5')
})

test('strings, expiry and commands of any kind', async () => {
  const strings = await writerOf({ key: ({ user }) => user, value: ({ count }) => Buffer.from([count]), expire: '1h' })
  strings.write({ user: 'bytes', count: 255 }, 0)
  await strings.prepareCommit(1)
  expect(await redis.client.getBuffer('bytes')).toEqual(Buffer.from([255]))
  expect(await redis.client.pttl('bytes')).toBeGreaterThan(3_500_000)
  const commands = (value: Counted): readonly RedisCommand[] => [
    ['SADD', 'users', value.user],
    ['ZADD', 'ranking', value.count, value.user],
  ]
  const any = await writerOf({ commands })
  any.write({ user: 'ann', count: 3 }, 0)
  any.write({ user: 'ann', count: 4 }, 0)
  await any.prepareCommit(1)
  expect(await redis.client.smembers('users')).toEqual(['ann'])
  expect(await redis.client.zscore('ranking', 'ann')).toBe('4')
})

test('an attempt that was given up writes nothing any more (R21)', async () => {
  const zombie = await writerOf(byHash, { attemptId: 'old' })
  zombie.write({ user: 'ann', count: 1 }, 0)
  await zombie.prepareCommit(1)
  const writer = await writerOf(byHash, { attemptId: 'new' })
  writer.write({ user: 'ann', count: 2 }, 0)
  await writer.prepareCommit(2)
  zombie.write({ user: 'ann', count: 99 }, 0)
  await expect(zombie.prepareCommit(2)).rejects.toMatchObject({
    code: 'MR_SINK',
    message: expect.stringMatching(/RedisSink: redis:\/\/127.0.0.1:\d+.*another attempt has taken over/),
  })
  expect(await redis.client.hget('user:ann', 'count')).toBe('2')
})

test('attempts of another parallelism are given up altogether, others of the same go on', async () => {
  const [zero, five] = [
    await writerOf(byHash, { attemptId: 'old', subtaskIndex: 0, parallelism: 8 }),
    await writerOf(byHash, { attemptId: 'old', subtaskIndex: 5, parallelism: 8 }),
  ]
  five.write({ user: 'ann', count: 1 }, 0)
  await five.prepareCommit(1)
  await writerOf(byHash, { attemptId: 'new', subtaskIndex: 3, parallelism: 4 })
  for (const zombie of [zero, five]) {
    zombie.write({ user: 'ann', count: 99 }, 0)
    await expect(zombie.prepareCommit(2)).rejects.toThrow('another attempt has taken over')
  }
  expect(await redis.client.hget('user:ann', 'count')).toBe('1')
})

test('sinks of the same uid in two jobs do not give each other up', async () => {
  const one = await writerOf(byHash, { jobName: 'one', attemptId: 'a1' })
  const other = await writerOf(byHash, { jobName: 'other', attemptId: 'a2', parallelism: 3 })
  one.write({ user: 'ann', count: 1 }, 0)
  await one.prepareCommit(1)
  other.write({ user: 'bob', count: 2 }, 0)
  await other.prepareCommit(1)
  expect(await redis.client.hget('user:ann', 'count')).toBe('1')
  expect(failures).toEqual([])
})

test('a hash has as many fields as it likes', async () => {
  const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`f${index}`, index]))
  const writer = await writerOf({ key: ({ user }) => user, hash: () => many, expire: '1h' })
  writer.write({ user: 'ann', count: 1 }, 0)
  await writer.prepareCommit(1)
  expect(await redis.client.hlen('ann')).toBe(20_000)
  expect(await redis.client.pttl('ann')).toBeGreaterThan(3_500_000)
})

test('the task is held while Redis is slow, and woken when there is room', async () => {
  const writer = await writerOf({ ...byHash, maxBufferedBytes: 20_000 })
  const before = wakes
  await redis.kill()
  for (let count = 0; writer.writable; count++) writer.write({ user: 'ann', count }, 0)
  await redis.launch()
  await until(() => writer.writable)
  expect(wakes).toBeGreaterThan(before)
  expect(failures).toEqual([])
})

test('what was written while Redis was away is there when it is back', async () => {
  const writer = await writerOf()
  writer.write({ user: 'ann', count: 1 }, 0)
  await writer.prepareCommit(1)
  await redis.kill()
  for (let count = 0; count < 500; count++) writer.write({ user: 'bob', count }, 0)
  const prepared = writer.prepareCommit(2)
  await redis.launch()
  await prepared
  expect(await redis.client.hget('user:bob', 'count')).toBe('499')
  expect(await redis.client.hget('user:ann', 'count')).toBe('1')
})

test('a server that stays away fails the task with its address, without the password', async () => {
  const url = 'redis://someone:secret@127.0.0.1:1/3'
  await writerOf({ ...byHash, url, unreachableTimeout: 100 })
  expect(failures[0]).toMatchObject({
    code: 'MR_SINK',
    message: expect.stringMatching(/^Redis at redis:\/\/127\.0\.0\.1:1\/3 can not be reached: .*ECONNREFUSED/),
  })
})

test('a server that evicts keys is refused, unless that is accepted', async () => {
  await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  try {
    await writerOf()
    expect(failures).toMatchObject([
      { code: 'MR_CONFIGURATION', message: expect.stringMatching(/redis:.*has maxmemory-policy allkeys-lru/) },
    ])
    failures.length = 0
    const writer = await writerOf({ ...byHash, acceptEviction: true })
    writer.write({ user: 'ann', count: 1 }, 0)
    await writer.prepareCommit(1)
    expect(failures).toEqual([])
  } finally {
    await redis.client.config('SET', 'maxmemory-policy', 'noeviction')
  }
})

test('with WAITAOF a barrier waits for the disk once for what was written; an unclear end fails the task (R3)', async () => {
  const newer = await NewerRedis.start(redis)
  try {
    const writer = await writerOf({ ...byHash, url: newer.url })
    writer.write({ user: 'ann', count: 1 }, 0)
    await writer.prepareCommit(1)
    await writer.prepareCommit(2)
    expect(newer.waits).toBe(1)
    newer.breakConnections()
    writer.write({ user: 'ann', count: 2 }, 0)
    await writer.prepareCommit(3)
    expect([newer.waits, failures]).toEqual([2, []])
    newer.answersWaits = false
    writer.write({ user: 'ann', count: 3 }, 0)
    const prepared = writer.prepareCommit(4)
    await until(() => newer.waits === 3)
    newer.breakConnections()
    await expect(prepared).rejects.toMatchObject({ code: 'MR_SINK', message: expect.stringContaining('was on disk') })
    expect(failures).toHaveLength(1)
  } finally {
    newer.stop()
  }
})

test('a command that Redis refuses fails the task with its words', async () => {
  await redis.client.set('user:ann', 'text')
  const writer = await writerOf()
  writer.write({ user: 'ann', count: 1 }, 0)
  await expect(writer.prepareCommit(1)).rejects.toThrow(/WRONGTYPE/)
  expect(failures).toHaveLength(1)
})

test('an abandoned attempt does not wait for Redis', async () => {
  const writer = await writerOf()
  await redis.kill()
  writer.write({ user: 'ann', count: 1 }, 0)
  const prepared = writer.prepareCommit(1)
  writer.abandon?.()
  await expect(prepared).rejects.toThrow()
  await redis.launch()
})

test('a lookup gives hashes and strings, and asks once for what is in its cache', async () => {
  await redis.client.hset('user:ann', { name: 'Ann', age: '7' })
  await redis.client.set('price', '12')
  const context = { timestamp: 0, attempt: 1, signal: new AbortController().signal }
  const hash = redisLookup({
    url: redis.url,
    key: (user: string) => `user:${user}`,
    hash: (user, found) => (found === undefined ? [] : [{ user, ...found }]),
  })
  expect(await hash('ann', context)).toEqual([{ user: 'ann', name: 'Ann', age: '7' }])
  expect(await hash('bob', context)).toEqual([])
  const text = redisLookup({
    url: redis.url,
    key: (key: string) => key,
    text: (_key, found) => [found],
    cache: { maxSize: 2, expireAfter: '1h' },
  })
  expect(await text('price', context)).toEqual(['12'])
  await redis.client.set('price', '13')
  expect(await text('price', context)).toEqual(['12'])
  // Two others push it out.
  expect([await text('a', context), await text('b', context)]).toEqual([[undefined], [undefined]])
  expect(await text('price', context)).toEqual(['13'])
  hash.close()
  text.close()
})
