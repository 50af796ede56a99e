import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from './support/cluster.ts'
import { type CommandResult, isAlive, killNow, millrace } from './support/millrace.ts'
import { RedisServer } from './support/redis.ts'
import { TrialFolder } from './support/trial-folder.ts'

interface Status {
  readonly complete: boolean
  readonly processes: readonly {
    readonly name: string
    readonly kind: string
    readonly pid: number
    readonly state: string
    readonly address?: string
  }[]
}

describe('millrace cluster', () => {
  let redis: RedisServer
  let folder: TrialFolder
  const clusterFolder = (): string => join(folder.path, '.millrace', 'cluster')
  const command = (...args: readonly string[]): Promise<CommandResult> => millrace(args, { cwd: folder.path })
  const start = (...args: readonly string[]): Promise<CommandResult> =>
    command('cluster', 'start', '-D', 'rest.port=0', ...args)
  const status = async (): Promise<Status> =>
    JSON.parse((await command('cluster', 'status', '--json')).stdout) as Status

  beforeEach(async () => {
    redis = await RedisServer.start()
    folder = new TrialFolder()
    folder.write('millrace.yaml', `high-availability.redis.url: ${redis.url}\n`)
  })
  afterEach(async () => {
    for (const { pid } of (await status()).processes) killNow(pid)
    await redis.stop()
    folder.remove()
  })

  it('starts processes that run a job, shows what is missing, and leaves nothing behind', async () => {
    const started = await start('--jobmanagers', '2', '--taskmanagers', '2', '--slots', '2')
    expect(started).toMatchObject({ code: 0, stderr: '' })
    expect(started.stdout).toMatch(/^jobmanager-1 (?:leads|stands by): at http:\/\/127\.0\.0\.1:\d+ \(pid \d+\)$/m)
    expect(started.stdout.match(/^taskmanager-\d registered: \S+ with 2 slots \(pid \d+\)$/gm)).toHaveLength(2)

    folder.writeJob(
      'numbers',
      "  env.fromSource(datagen({ generate: (index: number) => index, count: 500 }), WatermarkStrategy.noWatermarks(), 'numbers').keyBy((number) => number % 7).reduce((_, number) => number).print()",
    )
    const addresses = /-m (\S+)/.exec(started.stdout)?.[1] ?? ''
    expect(addresses.split(',')).toHaveLength(2)
    const run = await command('run', 'numbers.ts', '-m', addresses, '-p', '2', '--json')
    expect(JSON.parse(run.stdout)).toMatchObject({ state: 'FINISHED' })

    const before = await status()
    expect(before.complete).toBe(true)
    expect(before.processes.map(({ state }) => state).toSorted()).toEqual([
      'leads',
      'registered',
      'registered',
      'stands by',
    ])
    const again = await start()
    expect(again.code).toBe(3)
    expect(again.stderr).toContain('runs already: jobmanager-1 (pid')

    const leader = before.processes.find(({ state }) => state === 'leads')
    killNow(leader?.pid)
    await until('the standby leads and has the TaskManagers', async () => {
      const states = (await status()).processes.map(({ state }) => state).toSorted()
      return states.join() === 'gone,leads,registered,registered'
    })
    const after = await command('cluster', 'status')
    expect(after.code).toBe(3)
    expect(after.stdout).toMatch(new RegExp(`^${leader?.name} +${leader?.pid} +gone`, 'm'))

    const pids = before.processes.map(({ pid }) => pid)
    const working = pids.flatMap(childrenOf)
    expect(working).toHaveLength(2)
    const stopped = await command('cluster', 'stop')
    expect(stopped).toMatchObject({ code: 0, stderr: '' })
    await until('all processes have ended', () => [...pids, ...working].every((pid) => !isAliveAndNoZombie(pid)))
    expect(existsSync(clusterFolder())).toBe(false)
    expect((await command('cluster', 'status')).stdout).toContain('no cluster was started')
    expect((await command('cluster', 'stop')).code).toBe(0)
  }, 120_000)

  it('names the key of a Redis that is not there, and starts nothing', async () => {
    await redis.kill()
    const { code, stderr } = await start()
    expect(code).toBe(3)
    expect(stderr).toMatch(
      /^millrace: MR_REDIS_UNAVAILABLE: high-availability\.redis\.url: Redis at \S+ can not be reached/,
    )
    expect(stderr.match(/millrace:/g)).toHaveLength(1)
    expect(existsSync(clusterFolder())).toBe(false)
  })

  it('says why a process ended at its start, ends the others and keeps the logs', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await until('a port is taken', () => taken.listening)
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const { code, stderr } = await command('cluster', 'start', '-D', `rest.port=${port}`)
    taken.close()
    expect(code).toBe(3)
    expect(stderr).toContain('jobmanager-1 ended; its log is .millrace/cluster/jobmanager-1.log')
    expect(stderr).toContain(String(port))
    expect((await status()).processes).toEqual([])
    expect(existsSync(join(clusterFolder(), 'jobmanager-1.log'))).toBe(true)
  }, 60_000)

  it('refuses wrong numbers', async () => {
    expect(await start('--taskmanagers', '0')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--taskmanagers: "0" is not allowed') as string,
    })
  })
})

function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return text === '' ? [] : text.split(/\s+/).map(Number)
  } catch {
    return [] // it has ended
  }
}

function isAliveAndNoZombie(pid: number): boolean {
  try {
    return isAlive(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
  } catch {
    return false
  }
}
