import { afterEach, expect, test } from 'vitest'
import { LeaderElection } from '../../src/actors/election/leader-election.ts'
import { Candidate } from './support/candidates.ts'
import { RedisServer } from './support/redis.ts'

const leaseMs = 1500
const servers: RedisServer[] = []
const candidates: Candidate[] = []

afterEach(async () => {
  await Promise.all(candidates.splice(0).map((candidate) => candidate.kill()))
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

async function server(): Promise<RedisServer> {
  const started = await RedisServer.start()
  servers.push(started)
  return started
}

async function candidate(control: RedisServer, locks: readonly RedisServer[] = [control]): Promise<Candidate> {
  const started = await Candidate.start({ control: control.url, locks: locks.map(({ url }) => url), leaseMs })
  candidates.push(started)
  return started
}

/** One that leads, and one that stands by. */
async function pair(control: RedisServer, locks: readonly RedisServer[] = [control]) {
  const leader = await candidate(control, locks)
  const { token = '' } = await leader.until('leading')
  const standby = await candidate(control, locks)
  return { leader, token, standby }
}

test('a leader that is stopped for longer than its lease is replaced, writes nothing and stands by (F1)', async () => {
  const { leader, token, standby } = await pair(await server())
  leader.signal('SIGSTOP')
  const stoppedMs = Date.now()
  const next = await standby.until('leading')
  expect(next.atMs - stoppedMs).toBeLessThan(leaseMs + 1000)
  expect(next.epoch).toBe(2)
  leader.command('write')
  leader.signal('SIGCONT')
  expect(await leader.until('refused')).toMatchObject({
    token,
    valid: false,
    reason: expect.stringContaining('FENCED'),
  })
  expect(await leader.until('standby')).toMatchObject({ valid: false })
  standby.command('write')
  await standby.until('written')
})

test('a leader whose main loop does no work loses the leadership, which it knows when it goes on (F2, I13)', async () => {
  const { leader, standby } = await pair(await server())
  leader.command(`busy ${leaseMs * 3}`)
  const next = await standby.until('leading')
  const idle = await leader.until('idle')
  expect(next.atMs).toBeLessThan(idle.atMs)
  expect(idle.valid).toBe(false)
  await leader.until('standby')
  leader.command('write')
  expect((await leader.until('refused')).reason).toContain('FENCED')
})

test('a main loop that is busy for less than the lease keeps it', async () => {
  const { leader, standby } = await pair(await server())
  leader.command(`busy ${leaseMs / 2}`)
  expect((await leader.until('idle')).valid).toBe(true)
  expect(standby.events.map(({ type }) => type)).toEqual(['started'])
})

test('while Redis is frozen nobody leads past the deadline, and then one does (F3)', async () => {
  const redis = await server()
  const { leader, standby } = await pair(redis)
  redis.signal('SIGSTOP')
  const stoppedMs = Date.now()
  const ended = await leader.until('standby')
  expect(ended.atMs - stoppedMs).toBeLessThan(leaseMs + 100)
  redis.signal('SIGCONT')
  await expect.poll(() => Number(leader.leads) + Number(standby.leads), { timeout: 10_000 }).toBe(1)
})

test('when Redis has lost all, the old token is refused, the epoch goes on and the loss is told (F5, I2, I12)', async () => {
  const redis = await server()
  const { leader, standby } = await pair(redis)
  await expect.poll(() => leader.leads).toBe(true)
  // Both look at the cluster at the same pace: by then the standby has looked too.
  const looks = async () => Number(/cmdstat_mget:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1] ?? 0)
  await expect.poll(looks, { timeout: 20_000 }).toBeGreaterThan(5)
  await redis.client.flushall()
  leader.command('write')
  await leader.until('standby')
  await expect.poll(() => leader.leads || standby.leads, { timeout: 10_000 }).toBe(true)
  const next = [leader, standby].find(({ leads }) => leads)
  const leading = next?.events.findLast(({ type }) => type === 'leading')
  expect(leading?.epoch).toBeGreaterThan(1)
  expect(leading?.losses).toBe(1)
})

test('scripts that all servers have forgotten are sent again (F16)', async () => {
  const redis = await server()
  const { leader } = await pair(redis)
  const until = Date.now() + leaseMs * 2
  await expect
    .poll(
      async () => {
        await redis.client.script('FLUSH')
        return Date.now() > until
      },
      { timeout: 20_000, interval: 50 },
    )
    .toBe(true)
  expect(leader.leads).toBe(true)
})

test('one of three lock servers may be away, with two of them away nobody leads, and then one does again (F8)', async () => {
  const control = await server()
  const locks = [await server(), await server(), await server()] as const
  const { leader, standby } = await pair(control, locks)
  await locks[0].kill()
  const until = Date.now() + leaseMs * 2
  await expect.poll(() => Date.now() > until, { timeout: 20_000 }).toBe(true)
  expect(leader.leads).toBe(true)
  await leader.kill()
  await standby.until('leading')
  await locks[1].kill()
  await standby.until('standby')
  const seen = standby.events.length
  await locks[2].kill()
  await Promise.all(locks.map((lock) => lock.launch()))
  await standby.until('leading', seen)
})

test('an even number of lock servers is refused before anything is opened (F8)', async () => {
  const redis = (port: number) => ({ urls: [`redis://127.0.0.1:${port}`], key: 'high-availability.redis.lock-urls' })
  const start = LeaderElection.start({
    control: redis(1),
    lockNodes: [redis(1), redis(2)],
    clusterId: 'east',
    onLeading: () => {},
    onStandby: () => {},
  })
  await expect(start).rejects.toMatchObject({ code: 'MR_CONFIGURATION', message: expect.stringContaining('1, 3 or 5') })
})

test('after a resignation another one leads within 200 ms, and the one that resigned leaves it the lead', async () => {
  const redis = await server()
  const { leader, standby } = await pair(redis)
  // Two connections of each and the test's own: the standby is warm.
  const connections = async () =>
    String(await redis.client.client('LIST'))
      .trim()
      .split('\n').length
  await expect.poll(connections, { timeout: 20_000 }).toBeGreaterThan(4)
  leader.command('resign')
  const ended = await leader.until('standby')
  const next = await standby.until('leading')
  expect(next.atMs - ended.atMs).toBeLessThan(200)
  await leader.until('resigned')
  expect(leader.leads).toBe(false)
})

test('each of 20 killed leaders is replaced within the lease and a second', async () => {
  const redis = await server()
  let leader = await candidate(redis)
  await leader.until('leading')
  let standby = await candidate(redis)
  const gapsMs: number[] = []
  const epochs: number[] = []
  for (let count = 0; count < 20; count++) {
    const killedMs = Date.now()
    await leader.kill()
    const next = await standby.until('leading')
    gapsMs.push(next.atMs - killedMs)
    epochs.push(next.epoch ?? 0)
    leader = standby
    standby = await candidate(redis)
  }
  gapsMs.sort((a, b) => a - b)
  console.log(
    `without a leader after SIGKILL, lease ${leaseMs} ms: min ${gapsMs[0]} median ${gapsMs[10]} max ${gapsMs[19]} ms`,
  )
  expect(gapsMs[19]).toBeLessThan(leaseMs + 1000)
  expect(epochs).toEqual([...epochs].sort((a, b) => a - b))
  expect(new Set(epochs).size).toBe(20)
})
