import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Blow, Drill, type DrillResult, drillSeed, fullDrill } from './support/drill.ts'
import { publishedRecords } from './support/millrace.ts'
import { faultsOf, payment, type RunningSum, users } from './support/payments.ts'
import { RedisServer } from './support/redis.ts'

const records = fullDrill ? 1_000_000 : 120_000
const intervalMs = 200
const fileCount = 6
const job = resolve(import.meta.dirname, 'jobs/file-sums.ts')
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'file-jobs-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** All payments of a user are in one file, in order; every third file is packed. */
function fillFiles(): string {
  const texts = Array.from({ length: fileCount }, () => '')
  for (let id = 0; id < records; id++) {
    const value = payment(id)
    texts[Number(value.user.slice(1)) % fileCount] += `${JSON.stringify(value)}\n`
  }
  const input = join(folder, 'in')
  mkdirSync(input)
  for (const [index, text] of texts.entries()) {
    if (index % 3 === 0) writeFileSync(join(input, `${index}.jsonl.gz`), gzipSync(text))
    else writeFileSync(join(input, `${index}.jsonl`), text)
  }
  return input
}

function drill(output: string, blows: readonly Blow[]): Promise<DrillResult> {
  const settings = ['-D', `execution.checkpointing.interval=${intervalMs}ms`, '-D', 'restart-strategy.type=fixed-delay']
  const restarts = ['-D', 'restart-strategy.fixed-delay.attempts=1000', '-D', 'restart-strategy.fixed-delay.delay=50ms']
  const flags = ['--from', 'latest', '--json', ...settings, ...restarts]
  const input = fillFiles()
  return new Drill({
    folder,
    seed: drillSeed,
    blows,
    parallelism: [2],
    pauseMs: [800, 1500],
    argumentsOf: (parallelism) => ['run', job, '-p', String(parallelism), ...flags, '--', input, output, '8'],
    environment: {},
  }).run()
}

test('files are read exactly once though the run is killed inside of them', async () => {
  const out = join(folder, 'out')
  const { code, stderr, fallen } = await drill(out, ['killWorker', 'killBoth', 'killWorker'])
  expect(code, `seed ${drillSeed}: ${stderr}`).toBe(0)
  expect(fallen).toBe(3)
  expect(faultsOf(publishedRecords<RunningSum>(out), records), `seed ${drillSeed}`).toEqual([])
})

test('hashes in Redis hold the final values though the working process is killed several times (R21)', async () => {
  const redis = await RedisServer.start()
  try {
    const { code, stderr, fallen } = await drill(redis.url, ['killWorker', 'killWorker', 'killRestoring', 'killWorker'])
    expect(code, `seed ${drillSeed}: ${stderr}`).toBe(0)
    expect(fallen).toBeGreaterThanOrEqual(3)
    const expected = new Map<string, { count: number; sum: number }>()
    for (let id = 0; id < records; id++) {
      const { user, amount } = payment(id)
      const { count, sum } = expected.get(user) ?? { count: 0, sum: 0 }
      expected.set(user, { count: count + 1, sum: sum + amount })
    }
    const keys = await redis.client.keys('sum:*')
    expect(keys).toHaveLength(expected.size)
    expect(expected.size).toBeLessThanOrEqual(users)
    for (const [user, { count, sum }] of expected) {
      const hash = await redis.client.hgetall(`sum:${user}`)
      expect({ user, ...hash }, `seed ${drillSeed}`).toEqual({ user, count: String(count), sum: String(sum) })
    }
  } finally {
    await redis.stop()
  }
})
