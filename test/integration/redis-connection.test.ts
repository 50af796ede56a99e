import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { checkRedis } from '../../src/redis/check-redis.ts'
import { openRedis, type RedisConnection } from '../../src/redis/redis-connection.ts'
import type { RedisOptions } from '../../src/redis/redis-options.ts'
import { redisScript, runScript } from '../../src/redis/redis-script.ts'
import { NewerRedis, RedisServer } from './support/redis.ts'

let server: RedisServer
const opened: RedisConnection[] = []

beforeAll(async () => {
  server = await RedisServer.start()
})
afterEach(() => {
  for (const connection of opened.splice(0)) connection.close()
})
afterAll(() => server.stop())

async function open(more: Partial<RedisOptions> = {}): Promise<RedisConnection> {
  const connection = await openRedis({ urls: [server.url], key: 'state.backend.redis.url', ...more })
  opened.push(connection)
  return connection
}

const undetermined = { code: 'MR_REDIS_UNDETERMINED' }

test('text and bytes go there and back', async () => {
  const connection = await open()
  expect(await connection.call('SET', 'text', 'größer')).toBe('OK')
  expect(await connection.call('GET', 'text')).toBe('größer')
  const bytes = Buffer.from([0, 255, 13, 10])
  await connection.call('SET', 'bytes', bytes)
  expect(await connection.callBuffer('GET', 'bytes')).toEqual(bytes)
  expect(await connection.call('GET', 'nothing')).toBe(null)
  checkRedis(connection)
  await connection.durable()
})

test('a script of which the server knows nothing is sent, also after SCRIPT FLUSH (F16)', async () => {
  const connection = await open()
  const script = redisScript('fenced-set')
  await connection.call('SET', 'leader', 'a:1')
  for (let count = 0; count < 2; count++) {
    await connection.call('SCRIPT', 'FLUSH')
    expect(await runScript(connection, script, ['leader', 'key'], ['a:1', `value ${count}`])).toBe('OK')
    expect(await runScript(connection, script, ['leader', 'key'], ['a:1', `value ${count}`])).toBe('OK')
  }
  await expect(runScript(connection, script, ['leader', 'key'], ['b:1', 'late'])).rejects.toMatchObject({
    code: 'MR_FENCED',
    message: expect.stringContaining('a:1'),
  })
  expect(await connection.call('GET', 'key')).toBe('value 1')
})

test('a script that runs too long makes Redis busy, which is an error that passes (F16)', async () => {
  const other = await RedisServer.start({ 'busy-reply-threshold': '100' })
  const connection = await open({ urls: [other.url] })
  const second = await open({ urls: [other.url] })
  const endless = connection.call('EVAL', 'while true do end', 0).catch((error: unknown) => error)
  await expect
    .poll(() => second.call('GET', 'x').catch((error: unknown) => error), { timeout: 10_000 })
    .toMatchObject({ code: 'MR_REDIS_UNAVAILABLE' })
  await second.call('SCRIPT', 'KILL')
  expect(await endless).toMatchObject({ code: 'MR_INTERNAL' })
  expect(await second.call('GET', 'x')).toBe(null)
  await other.stop()
})

test('a server that is killed rejects what is in flight as undetermined, and nothing is sent again (F4)', async () => {
  const other = await RedisServer.start()
  const connection = await open({ urls: [other.url] })
  await connection.call('INCR', 'count')
  other.signal('SIGSTOP')
  const inFlight = connection.call('INCR', 'count')
  const durable = connection.durable()
  await Promise.all([expect(inFlight).rejects.toMatchObject(undetermined), other.kill()])
  await durable
  expect(await connection.lost).toMatchObject({ code: 'MR_REDIS_UNAVAILABLE' })
  expect(connection.isOpen).toBe(false)
  await other.launch()
  await expect(connection.call('INCR', 'count')).rejects.toMatchObject({ code: 'MR_REDIS_UNAVAILABLE' })
  const again = await open({ urls: [other.url] })
  expect(await again.call('GET', 'count')).toBe('1')
  expect(again.servers[0]?.runId).not.toBe(connection.servers[0]?.runId)
  await other.stop()
})

test('a server that is silent is given up after the time for an answer (F3)', async () => {
  const other = await RedisServer.start()
  const connection = await open({ urls: [other.url], commandTimeoutMs: 300 })
  expect(await connection.callBlocking(600, 'XREAD', 'BLOCK', 600, 'STREAMS', 'none', '$')).toBe(null)
  other.signal('SIGSTOP')
  await expect(connection.call('GET', 'x')).rejects.toMatchObject(undetermined)
  expect((await connection.lost).message).toContain('no answer for')
  other.signal('SIGCONT')
  await other.stop()
})

test('WAITAOF makes a write durable where the server has it, and its silence leaves it undetermined (R3)', async () => {
  const other = await RedisServer.start({ appendfsync: 'everysec' })
  const lossy = await open({ urls: [other.url] })
  expect(() => checkRedis(lossy)).toThrow(/appendfsync everysec/)
  const newer = await NewerRedis.start(other)
  const connection = await open({ urls: [newer.url], commandTimeoutMs: 300 })
  checkRedis(connection)
  await connection.call('SET', 'a', '1')
  await connection.durable()
  expect(newer.waits).toBe(1)
  newer.answersWaits = false
  await connection.call('SET', 'a', '2')
  await expect(connection.durable()).rejects.toMatchObject(undetermined)
  newer.stop()
  await other.stop()
})

test('a server that can not be reached, or refuses the log-in, is named with its key and never with the password', async () => {
  await expect(open({ urls: ['redis://user:geheim@127.0.0.1:1'] })).rejects.toMatchObject({
    code: 'MR_REDIS_UNAVAILABLE',
    message: expect.stringMatching(/^(?!.*geheim).*state\.backend\.redis\.url.*127\.0\.0\.1:1/),
  })
  const guarded = await RedisServer.start()
  await guarded.client.call('ACL', 'SETUSER', 'millrace', 'on', '>geheim', '~mr:*', '+@all', '-config')
  const login = (password: string) => open({ urls: [guarded.url], username: 'millrace', password })
  await expect(login('wrong')).rejects.toMatchObject({
    code: 'MR_REDIS_CONFIGURATION',
    message: expect.stringMatching(/^(?!.*wrong).*state\.backend\.redis\.url.*WRONGPASS/),
  })
  const connection = await login('geheim')
  expect(await connection.call('SET', 'mr:x', '1')).toBe('OK')
  await expect(connection.call('SET', 'other', '1')).rejects.toMatchObject({ code: 'MR_REDIS_CONFIGURATION' })
  expect(() => checkRedis(connection)).toThrow(/\+config\|get/)
  await guarded.stop()
})

test('a full server refuses to write, and says so (F10)', async () => {
  const small = await RedisServer.start({ maxmemory: '3mb' })
  const connection = await open({ urls: [small.url] })
  const fill = async () => {
    for (let count = 0; count < 10; count++) await connection.call('SET', `mr:${count}`, Buffer.alloc(500_000))
  }
  await expect(fill()).rejects.toMatchObject({ code: 'MR_REDIS_FULL' })
  await small.stop()
  const evicting = await RedisServer.start({ 'maxmemory-policy': 'allkeys-lru' })
  const other = await open({ urls: [evicting.url] })
  expect(() => checkRedis(other)).toThrow(/state\.backend\.redis\.url: Redis at .* allkeys-lru/)
  await evicting.stop()
})
