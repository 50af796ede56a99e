import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { SlotFigures } from './jobs/measuring.ts'
import { sum } from './process-usage.ts'

export const peersFolder =
  process.env['PEERS_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace-peers')
export const bootstrap = process.env['BOOTSTRAP'] ?? '127.0.0.1:9092'
export const redisPort = Number(process.env['REDIS_PORT'] ?? 7391)

export interface Workload {
  /** Options of `millrace run`. */
  readonly settings: readonly string[]
  /** Before each run. */
  prepare(): Promise<void>
  checksum(slots: readonly SlotFigures[]): Promise<string>
}

const checkpointing = ['-D', 'execution.checkpointing.interval=1s']

function count(slots: readonly SlotFigures[]): number {
  return sum(slots.map((slot) => slot.count))
}

function sums(slots: readonly SlotFigures[], index: 0 | 1): number {
  return sum(slots.map((slot) => slot.sums[index]))
}

/** By name; what they compute is in peers/README.md. */
export const workloads: Readonly<Record<string, Workload>> = {
  w1: {
    settings: [],
    prepare: async () => {},
    checksum: async (slots) => `${count(slots)}:${sums(slots, 0)}`,
  },
  w2: {
    settings: checkpointing,
    prepare: async () => {},
    checksum: async (slots) => `${count(slots)}:${sums(slots, 0)}:${sums(slots, 1)}`,
  },
  w3: { settings: checkpointing, prepare: emptyRedis, checksum: windowsInRedis },
  w6: {
    // A shorter timeout, so that a transaction may wait as long as a broker's default allows (R17).
    settings: [...checkpointing, '-D', 'execution.checkpointing.timeout=1min'],
    prepare: async () => {
      generator('mktopic', outputTopic)
    },
    checksum: async () => generator('verifyout', outputTopic, '0,0,0,0'),
  },
}

/** The topic of the job bench/jobs/w6.ts. */
const outputTopic = 'peers-w6-out-millrace'

/** A command of peers/gen, such as a reader of committed data that is not ours. */
function generator(...args: readonly string[]): string {
  const options = { cwd: peersFolder, encoding: 'utf8', env: { ...process.env, BOOTSTRAP: bootstrap } } as const
  return execFileSync('java', ['-Xmx1g', '-cp', 'gen/classes:kstreams/lib/*', 'Gen', ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim()
}

async function connectRedis(): Promise<Redis> {
  const redis = new Redis({ port: redisPort, lazyConnect: true, retryStrategy: () => null })
  redis.on('error', () => undefined) // Told by `connect`.
  await redis.connect()
  return redis
}

/** As bench.sh does: a server without persistence, which stays for the next run. */
async function emptyRedis(): Promise<void> {
  let redis = await connectRedis().catch(() => undefined)
  if (redis === undefined) {
    const options = ['--port', String(redisPort), '--save', '', '--appendonly', 'no', '--dir', join(peersFolder, 'tmp')]
    spawn('redis-server', options, { detached: true, stdio: 'ignore' }).unref()
    for (let tries = 0; redis === undefined && tries < 50; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      redis = await connectRedis().catch(() => undefined)
    }
  }
  if (redis === undefined) throw new Error(`no redis-server answers at port ${redisPort}`)
  await redis.flushall()
  redis.disconnect()
}

/** Number of windows, of views, and views weighted by window and campaign: as RedisOut.java computes it. */
async function windowsInRedis(): Promise<string> {
  const ads = readFileSync(join(peersFolder, 'data', 'ads.csv'), 'utf8')
    .trim()
    .split('\n')
  const campaigns = [...new Set(ads.map((line) => line.slice(line.indexOf(',') + 1)))]
  const redis = await connectRedis()
  let [windows, views, weighted] = [0, 0, 0]
  for (const [index, campaign] of campaigns.entries()) {
    for (const [start, number] of Object.entries(await redis.hgetall(`ysb:${campaign}`))) {
      windows++
      views += Number(number)
      weighted += Number(number) * ((Math.floor(Number(start) / 10_000) % 1000) + 1) * (index + 1)
    }
  }
  redis.disconnect()
  return `${windows}:${views}:${weighted}`
}
