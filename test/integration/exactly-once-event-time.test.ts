import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type ClickTotal, click, referenceOf, totalFaults } from './support/clicks.ts'
import { type Blow, Drill, drillSeed, fullDrill, processesIn } from './support/drill.ts'
import { publishedRecords, until } from './support/millrace.ts'
import { createTopic, fillTopic, kafkaClient } from './support/payments.ts'

const records = fullDrill ? 600_000 : 40_000
const job = resolve(import.meta.dirname, 'jobs/event-time.ts')
let folder: string

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'event-time-')))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function filledTopic(): Promise<string> {
  const topic = `clicks-${process.pid}-${Date.now()}`
  const client = kafkaClient(inject('kafkaBootstrap'))
  await createTopic(client, topic, 4)
  await fillTopic(client, topic, records, {
    recordOf: (id) => {
      const one = click(id)
      return { key: one.user, value: JSON.stringify(one) }
    },
  })
  return topic
}

function argumentsOf(topic: string, pauseMs: number): (parallelism: number) => string[] {
  const settings = {
    'execution.checkpointing.interval': fullDrill ? '700ms' : '200ms',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': '1000',
    'restart-strategy.fixed-delay.delay': '50ms',
  }
  const definitions = Object.entries(settings).flatMap(([key, value]) => ['-D', `${key}=${value}`])
  return (parallelism) => [
    ...['run', job, '-p', String(parallelism), '--from', 'latest', '--json', ...definitions],
    ...['--', topic, join(folder, 'out'), String(pauseMs)],
  ]
}

const once: readonly Blow[] = [
  'killWorker',
  'killBoth',
  'pauseWorker',
  'interrupt',
  'killRestoring',
  'interruptAndKillWorker',
  'killSupervisor',
  'interruptAndKillBoth',
]

/** Runs the job through the blows, and holds what it has published against the reference. */
async function drillThrough(blows: readonly Blow[], pauseMs: readonly [number, number]): Promise<void> {
  const topic = await filledTopic()
  const drill = new Drill({
    folder,
    seed: drillSeed,
    blows,
    parallelism: [2, 3, 1],
    pauseMs,
    argumentsOf: argumentsOf(topic, fullDrill ? 20 : 30),
    environment: { KAFKA_BROKERS: inject('kafkaBootstrap') },
  })
  const result = await drill.run()
  const seed = `seed ${drillSeed}, ${result.fallen} blows, ${result.runs} runs`
  process.stderr.write(`${seed}\n`)
  expect(result.code, `${seed}: ${result.stderr}`).toBe(0)
  const expected = referenceOf(records)
  const faults = (['tumbling', 'sessions', 'timers'] as const).flatMap((what) =>
    totalFaults(what, publishedRecords<ClickTotal>(join(folder, 'out', what)), expected[what]),
  )
  expect(faults.slice(0, 20), `${seed}: ${result.stderr}`).toEqual([])
  await until('the end of all processes', () => processesIn(folder).length === 0)
}

test(
  'windows, sessions and timers give each result exactly once through kills, pauses, Ctrl-C and another parallelism',
  () => drillThrough(fullDrill ? [...once, ...once, ...once] : once.slice(0, 5), fullDrill ? [500, 4000] : [700, 1500]),
  fullDrill ? 900_000 : 180_000,
)

test.runIf(fullDrill)(
  'Ctrl-C and --from latest twenty times, with another parallelism each time, change no result',
  () =>
    drillThrough(
      Array.from({ length: 20 }, () => 'interrupt' as const),
      [300, 3500],
    ),
  900_000,
)
