import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { isAlive, killNow, millrace, publishedRecords, startMillrace, until } from './support/millrace.ts'
import { createTopic, faultsOf, fillPayments, kafkaClient, type RunningSum } from './support/payments.ts'

/** FULL_DRILL=1 runs the drill at full size. */
const full = process.env['FULL_DRILL'] === '1'
const records = full ? 2_000_000 : 120_000
const kills = full ? 20 : 6
const intervalMs = full ? 1000 : 200

const job = resolve(import.meta.dirname, 'jobs/running-sum.ts')
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'exactly-once-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A seeded generator (mulberry32): the seed is in the test's name, so that a failure can be repeated. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function filledTopic(name: string): Promise<string> {
  const topic = `${name}-${process.pid}-${Date.now()}`
  const client = kafkaClient(inject('kafkaBootstrap'))
  await createTopic(client, topic, 4)
  await fillPayments(client, topic, 0, records)
  return topic
}

function runArguments(topic: string, pauseMs: number, killAt = ''): string[] {
  const settings = ['-D', `execution.checkpointing.interval=${intervalMs}ms`, '-D', 'restart-strategy.type=fixed-delay']
  const restarts = ['-D', 'restart-strategy.fixed-delay.attempts=1000', '-D', 'restart-strategy.fixed-delay.delay=50ms']
  const flags = ['-p', '2', '--from', 'latest', '--json', ...settings, ...restarts]
  return ['run', job, ...flags, '--', topic, join(folder, 'out'), String(pauseMs), killAt]
}

const options = () => ({ cwd: folder, environment: { KAFKA_BROKERS: inject('kafkaBootstrap') } })

test(
  `every payment is summed exactly once though supervisor and working process are killed ${kills} times at random`,
  async () => {
    const seed = Date.now() % 1_000_000
    const random = seeded(seed)
    const topic = await filledTopic('killed')
    let running = startMillrace(runArguments(topic, 5), options())
    for (let kill = 0; kill < kills; kill++) {
      const worker = await until('a working process', () => running.workingProcess() ?? running.child.exitCode !== null)
      if (typeof worker !== 'number') break // finished before the last kill
      await new Promise((settle) => setTimeout(settle, 300 + random() * (full ? 2500 : 900)))
      const what = (['both', 'supervisor', 'worker'] as const)[kill % 3]
      if (what !== 'worker') running.child.kill('SIGKILL')
      if (what !== 'supervisor') killNow(running.workingProcess() ?? worker)
      if (what === 'worker') continue
      await running.result
      await until('the end of the working process after its supervisor', () => !isAlive(worker), 10_000)
      running = startMillrace(runArguments(topic, 5), options())
    }
    const result = await running.result
    expect(result.code, `seed ${seed}: ${result.stderr}`).toBe(0)
    expect(faultsOf(publishedRecords<RunningSum>(join(folder, 'out')), records), `seed ${seed}`).toEqual([])
  },
  full ? 1_800_000 : 180_000,
)

test(
  'every payment is summed exactly once though slot threads die inside the run',
  async () => {
    const topic = await filledTopic('slots-killed')
    const ids = Array.from({ length: kills }, (_, index) => Math.floor(((index + 0.5) * records) / kills))
    const result = await millrace(runArguments(topic, 5, ids.join(',')), options())
    expect(result.code, result.stderr).toBe(0)
    const summary = JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '{}') as { state: string; restarts: number }
    expect(summary).toMatchObject({ state: 'FINISHED' })
    expect(summary.restarts).toBeGreaterThanOrEqual(1)
    expect(faultsOf(publishedRecords<RunningSum>(join(folder, 'out')), records)).toEqual([])
  },
  full ? 1_800_000 : 180_000,
)
