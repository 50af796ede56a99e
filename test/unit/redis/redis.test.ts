import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { epochOf, leaderToken } from '../../../src/common/ids.ts'
import { resolveConfiguration } from '../../../src/config/configuration.ts'
import { problemOf } from '../../../src/redis/check-redis.ts'
import { controlKeys } from '../../../src/redis/control-keys.ts'
import { redisError } from '../../../src/redis/redis-error.ts'
import {
  addressOf,
  controlRedisOptions,
  lockRedisOptions,
  stateRedisOptions,
} from '../../../src/redis/redis-options.ts'
import { redisServerTraits } from '../../../src/redis/redis-server-traits.ts'
import { ResponseWatch } from '../../../src/redis/response-watch.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const settingsOf = (...entries: (readonly [string, string])[]) => resolveConfiguration([{ origin: '-D', entries }])

test('the epoch of a token is the number after its last colon', () => {
  expect(epochOf(leaderToken('V1StGXR8_Z5jdHi6B-myT:12'))).toBe(12)
})

test('keys of a cluster share one hash tag, and a cluster id can not break out of it', () => {
  expect(controlKeys('east').leader).toBe('mr:{east}:leader')
  for (const id of ['', 'a}b', 'a:b', 'a b']) expect(() => controlKeys(id)).toThrow('high-availability.cluster-id')
})

test('state is kept in the Redis of the control plane unless it has one of its own', () => {
  const one = settingsOf(['high-availability.redis.url', 'redis://one:1'])
  expect(stateRedisOptions(one).urls).toEqual(['redis://one:1'])
  const two = settingsOf(
    ['high-availability.redis.url', 'redis://one:1'],
    ['state.backend.redis.url', 'rediss://a:7000,rediss://b:7000'],
    ['state.backend.redis.cluster', 'true'],
    ['state.backend.redis.username', 'millrace'],
  )
  expect(controlRedisOptions(two)).toMatchObject({ urls: ['redis://one:1'], cluster: false })
  expect(stateRedisOptions(two)).toMatchObject({ urls: ['rediss://a:7000', 'rediss://b:7000'], username: 'millrace' })
})

test('lock servers are those that are named, or the one of the control plane', () => {
  expect(lockRedisOptions(settingsOf()).map(addressOf)).toEqual(['redis://127.0.0.1:6379'])
  const three = settingsOf(['high-availability.redis.lock-urls', 'redis://a:1, redis://b:1, redis://c:1'])
  expect(lockRedisOptions(three).map(addressOf)).toEqual(['redis://a:1', 'redis://b:1', 'redis://c:1'])
})

test('an even number of lock servers, or one that is named twice, is refused (F8)', () => {
  const lockServers = (urls: string) => () => lockRedisOptions(settingsOf(['high-availability.redis.lock-urls', urls]))
  expect(lockServers('redis://a:1,redis://b:1')).toThrow(
    'high-availability.redis.lock-urls: 2 servers can not vote; name 1, 3 or 5 independent ones',
  )
  expect(lockServers('redis://a:1,redis://b:1,redis://a:1')).toThrow('a server is named twice')
})

test('several URLs are refused where they are not said to be a cluster', () => {
  const settings = settingsOf(['high-availability.redis.url', 'redis://a:1,redis://b:1'])
  expect(() => controlRedisOptions(settings)).toThrow('high-availability.redis.cluster')
})

test('no message and no address shows a password', () => {
  expect(addressOf({ urls: ['redis://user:geheim@host:1/2'], key: 'k' })).toBe('redis://host:1/2')
  expect(() => settingsOf(['state.backend.redis.url', 'http://user:geheim@host'])).toThrow(
    /^(?!.*geheim).*state\.backend\.redis\.url/,
  )
})

test.each([
  ['FENCED by other:3', 'MR_FENCED'],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'MR_REDIS_FULL'],
  ['MISCONF Redis is configured to save RDB snapshots', 'MR_REDIS_UNAVAILABLE'],
  ['LOADING Redis is loading the dataset in memory', 'MR_REDIS_UNAVAILABLE'],
  ["READONLY You can't write against a read only replica.", 'MR_REDIS_UNAVAILABLE'],
  ['CLUSTERDOWN Hash slot not served', 'MR_REDIS_UNAVAILABLE'],
  ['NOAUTH Authentication required.', 'MR_REDIS_CONFIGURATION'],
  ["NOPERM User x has no permissions to run the 'set' command", 'MR_REDIS_CONFIGURATION'],
  ['ERR syntax error', 'MR_INTERNAL'],
])('the reply %s is %s (F18)', (message, code) => {
  const reply = Object.assign(new Error(message), { name: 'ReplyError' })
  expect(redisError(reply, 'redis://host:1', 'SET')).toMatchObject({ code, message: expect.stringContaining('SET') })
})

test('an error that is no reply leaves open whether the command was executed (R3)', () => {
  expect(redisError(new Error('Connection is closed.'), 'a', 'SET').code).toBe('MR_REDIS_UNDETERMINED')
})

const good = ['redis_version:7.0.15', 'maxmemory_policy:noeviction', 'aof_enabled:1', 'cluster_enabled:0']
const options = { urls: ['redis://host:1'], key: 'state.backend.redis.url' }
const problem = (fields: readonly string[], fsync: string | undefined, more = {}) =>
  problemOf(redisServerTraits('', [...good, ...fields].join('\r\n'), fsync), { ...options, ...more })

test('a server that keeps what it answered is accepted, any other is refused with what to change (R3, I10)', () => {
  expect(problem([], 'always')).toBe(undefined)
  expect(problem(['redis_version:7.2.4'], 'everysec')).toBe(undefined)
  expect(problem(['redis_version:8.0.0'], undefined)).toBe(undefined)
  expect(problem([], 'everysec', { acceptDataLoss: true })).toBe(undefined)
  expect(problem([], 'everysec')).toMatch(/appendfsync always.*state\.backend\.redis\.accept-data-loss/)
  expect(problem([], undefined)).toMatch(/\+config\|get/)
  expect(problem(['aof_enabled:0'], 'always')).toMatch(/appendonly yes/)
  expect(problem(['maxmemory_policy:allkeys-lru'], 'always')).toMatch(/allkeys-lru.*noeviction/)
  expect(problem(['redis_version:6.2.1'], 'always')).toMatch(/6\.2\.1; Redis 7/)
  expect(problem(['cluster_enabled:1'], 'always')).toMatch(/state\.backend\.redis\.cluster: true/)
  expect(problem([], 'always', { cluster: true })).toMatch(/not a node of a Redis Cluster/)
})

test('silence of a server is noticed after the time, and an answer starts it anew', () => {
  const clock = new VirtualClock()
  let silentMs = 0
  const watch = new ResponseWatch(clock, 1000, (waitedMs) => {
    silentMs = waitedMs
  })
  const first = watch.sent(0)
  watch.sent(0)
  clock.advanceTo(900)
  watch.answered(first, true)
  clock.advanceTo(1800)
  expect(silentMs).toBe(0)
  clock.advanceTo(2300)
  expect(silentMs).toBeGreaterThan(1000)
})

test('a command that holds its answer back by itself gets that time on top', () => {
  const clock = new VirtualClock()
  let silent = false
  const watch = new ResponseWatch(clock, 1000, () => {
    silent = true
  })
  watch.sent(5000)
  clock.advanceTo(5900)
  expect(silent).toBe(false)
  clock.advanceTo(6500)
  expect(silent).toBe(true)
})

const folder = new URL('../../../src/redis/scripts/', import.meta.url)
const scripts = readdirSync(folder).filter((name) => name.endsWith('.lua'))

test.each(scripts)(
  '%s says what its KEYS, its ARGV and its answers are, and is fenced or says why not (I1)',
  (name) => {
    const lines = readFileSync(new URL(name, folder), 'utf8').split('\n')
    const header = lines.filter((line) => line.startsWith('--')).join('\n')
    for (const part of ['-- KEYS: 1 ', '-- ARGV: 1 ', '-- Returns ']) expect(header).toContain(part)
    if (/^-- Not fenced: \S/m.test(header)) return
    expect(header).toContain('-- KEYS: 1 the leader key')
    const code = lines.filter((line) => line !== '' && !/^(?:--|#!)/.test(line)).join(' ')
    expect(code).toMatch(/^if redis\.call\('GET', KEYS\[1\]\) ~= ARGV\[1\] then\s+return redis\.error_reply\('FENCED/)
  },
)
