import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { systemClock } from '../../src/common/system-ports.ts'
import { FetchBuffers } from '../../src/connectors/kafka/fetch-buffers.ts'
import { KafkaClient } from '../../src/connectors/kafka/kafka-client.ts'
import { connectionSettings } from '../../src/connectors/kafka/kafka-options.ts'
import { TransactionClient } from '../../src/connectors/kafka/sink/transaction-client.ts'
import { idsOf } from '../../src/coordinator/transactions.ts'
import type { TransactionLedger } from '../../src/state/transaction-ledger.ts'
import { recordsOf, untilNothingIsOpen } from './support/committed-records.ts'
import { drillSeed, fullDrill, pause, seeded } from './support/drill.ts'
import { startKafka } from './support/kafka.ts'
import { isAlive, killNow, millrace, type RunningCommand, startMillrace, until } from './support/millrace.ts'
import { createTopic, faultsOf, fillPayments, kafkaClient, type RunningSum } from './support/payments.ts'

const records = fullDrill ? 1_000_000 : 80_000
const kills = fullDrill ? 20 : 6
const intervalMs = fullDrill ? 1000 : 200
const limitMs = fullDrill ? 1_800_000 : 180_000

const job = resolve(import.meta.dirname, 'jobs/running-sum.ts')
let folder: string
let topicCount = 0

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kafka-sink-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Trial {
  readonly bootstrap: string
  readonly input: string
  readonly output: string
}

async function newTrial(bootstrap = inject('kafkaBootstrap'), count = records): Promise<Trial> {
  topicCount++
  const name = `sums-${process.pid}-${Date.now()}-${topicCount}`
  const client = kafkaClient(bootstrap)
  await createTopic(client, name, 4)
  await createTopic(client, `${name}-out`, 3)
  await fillPayments(client, name, 0, count)
  return { bootstrap, input: name, output: `${name}-out` }
}

interface RunOptions {
  readonly killAt?: string
  readonly from?: string
  readonly pauseMs?: number
  readonly parallelism?: number
}

function runArguments({ input, output }: Trial, options: RunOptions = {}): string[] {
  const { killAt = '', from = 'latest', pauseMs = 5, parallelism = 2 } = options
  const settings = [
    '-D',
    `execution.checkpointing.interval=${intervalMs}ms`,
    '-D',
    'execution.checkpointing.timeout=1min',
  ]
  const restarts = ['-D', 'restart-strategy.type=fixed-delay', '-D', 'restart-strategy.fixed-delay.attempts=1000']
  const delay = ['-D', 'restart-strategy.fixed-delay.delay=50ms']
  const start = from === '' ? [] : ['--from', from]
  const flags = ['-p', String(parallelism), ...start, '--json', ...settings, ...restarts, ...delay]
  return ['run', job, ...flags, '--', input, join(folder, 'unused'), String(pauseMs), killAt, output]
}

function environment({ bootstrap }: Trial) {
  return { cwd: folder, environment: { KAFKA_BROKERS: bootstrap } }
}

async function expectExactlyOnce(trial: Trial, what: string, count = records): Promise<void> {
  const read = await recordsOf(trial.bootstrap.split(','), trial.output)
  const sums = read.map(({ value }) => JSON.parse(value ?? '') as RunningSum)
  expect(faultsOf(sums, count), what).toEqual([])
}

async function killBoth(running: RunningCommand): Promise<void> {
  const worker = running.workingProcess()
  running.child.kill('SIGKILL')
  killNow(worker)
  await running.result
  if (worker !== undefined) await until('the end of the working process', () => !isAlive(worker), 10_000)
}

test(
  `readers of committed data see each sum once though the processes are killed ${kills} times, at changing parallelism, and nothing stays open`,
  async () => {
    const random = seeded(drillSeed)
    const trial = await newTrial()
    let running = startMillrace(runArguments(trial), environment(trial))
    for (let kill = 0; kill < kills; kill++) {
      const worker = await until('a working process', () => running.workingProcess() ?? running.child.exitCode !== null)
      if (typeof worker !== 'number') break
      await pause(600 + random() * (fullDrill ? 2500 : 1200))
      if (kill % 2 === 0) {
        killNow(running.workingProcess())
        continue
      }
      await killBoth(running)
      running = startMillrace(runArguments(trial, { parallelism: 1 + (kill % 3) }), environment(trial))
    }
    const result = await running.result
    expect(result.code, `seed ${drillSeed}: ${result.stderr}`).toBe(0)
    await expectExactlyOnce(trial, `seed ${drillSeed}`)
  },
  limitMs,
)

test(
  'readers of committed data see each sum once though slot threads die',
  async () => {
    const trial = await newTrial()
    const ids = Array.from({ length: kills }, (_, index) => Math.floor(((index + 0.5) * records) / kills))
    const result = await millrace(runArguments(trial, { killAt: ids.join(',') }), environment(trial))
    expect(result.code, result.stderr).toBe(0)
    expect(JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '{}')).toMatchObject({ state: 'FINISHED' })
    await expectExactlyOnce(trial, 'slot deaths')
  },
  limitMs,
)

/** Kills everything as soon as a record of a checkpoint appears; gives the checkpoint, where its commit was not marked. */
async function killAtCompletion(running: RunningCommand, runFolder: string): Promise<number | undefined> {
  const recordsFolder = join(runFolder, 'records')
  await until('the first record', () => existsSync(recordsFolder) && readdirSync(recordsFolder).length > 0)
  await new Promise<void>((settle) => {
    const watcher = watch(recordsFolder, (_, name) => {
      if (name === null || !/^chk-\d+\.json$/.test(name)) return
      killNow(running.workingProcess())
      running.child.kill('SIGKILL')
      watcher.close()
      settle()
    })
  })
  await running.result
  const newest = Math.max(...readdirSync(recordsFolder).map((name) => Number(/^chk-(\d+)\.json$/.exec(name)?.[1] ?? 0)))
  const text = readFileSync(join(recordsFolder, `chk-${newest}.json`), 'utf8')
  const lists = /"hasCommittables":\s*true/.test(text)
  return lists && !existsSync(join(runFolder, `committed-${newest}`)) ? newest : undefined
}

test(
  'what a checkpoint lists is committed by the next run where the kill falls between completion and commit',
  async () => {
    const trial = await newTrial()
    let between = 0
    for (let run = 1; run <= 8 && between < 2; run++) {
      const running = startMillrace(runArguments(trial), environment(trial))
      const runFolder = join(folder, '.millrace', 'checkpoints', 'running-sum', `run-${run}`)
      if ((await killAtCompletion(running, runFolder)) !== undefined) between++
    }
    expect(between).toBeGreaterThan(0)
    const result = await millrace(runArguments(trial), environment(trial))
    expect(result.code, result.stderr).toBe(0)
    await expectExactlyOnce(trial, 'killed between completion and commit')
  },
  limitMs,
)

test(
  'a fresh start ends what a killed run has left open, so that readers are not held back',
  async () => {
    const trial = await newTrial()
    const first = startMillrace(runArguments(trial), environment(trial))
    const runFolder = join(folder, '.millrace', 'checkpoints', 'running-sum', 'run-1')
    await until(
      'a mark',
      () => existsSync(runFolder) && readdirSync(runFolder).some((name) => /^committed-[3-9]/.test(name)),
    )
    await killBoth(first)
    expect(readFileSync(join(runFolder, 'transactions.json'), 'utf8')).toContain('millrace-')
    const result = await millrace(runArguments(trial, { from: '', pauseMs: 0 }), environment(trial))
    expect(result.code, result.stderr).toBe(0)
    const published = !/is not published/.test(result.stderr)
    if (published) await untilNothingIsOpen(trial.bootstrap.split(','), trial.output)
  },
  limitMs,
)

test(
  'readers see each sum once though the only broker is killed and started again in the middle',
  async () => {
    const kafka = await startKafka({ name: 'sink-restart' })
    try {
      const trial = await newTrial(kafka.bootstrap)
      const running = startMillrace(runArguments(trial), environment(trial))
      await until('the second checkpoint', () => /[2-9]/.test(checkpointsOf(folder)))
      await kafka.kill()
      await pause(500)
      await kafka.restart()
      const result = await running.result
      expect(result.code, result.stderr).toBe(0)
      await expectExactlyOnce(trial, 'broker restarted')
    } finally {
      await kafka.stop()
    }
  },
  limitMs,
)

test(
  'readers see each sum once though one of three brokers is killed in the middle',
  async () => {
    const kafka = await startKafka({ name: 'sink-leader', brokers: 3 })
    try {
      const trial = await newTrial(kafka.bootstrap)
      const running = startMillrace(runArguments(trial), environment(trial))
      await until('the second checkpoint', () => /[2-9]/.test(checkpointsOf(folder)), 60_000)
      await kafka.kill(2)
      const result = await running.result
      expect(result.code, result.stderr).toBe(0)
      await expectExactlyOnce(trial, 'a leader killed')
    } finally {
      await kafka.stop()
    }
  },
  limitMs,
)

test(
  'a listed transaction that somebody has ended is told as lost, with topic, id and checkpoint (R17)',
  async () => {
    const trial = await newTrial()
    const runs = join(folder, '.millrace', 'checkpoints', 'running-sum')
    let lost: number | undefined
    let run = 0
    while (lost === undefined && run < 10) {
      run++
      lost = await killAtCompletion(startMillrace(runArguments(trial), environment(trial)), join(runs, `run-${run}`))
    }
    expect(lost).toBeGreaterThan(0)
    await fenceAll(trial, join(runs, `run-${run}`, 'transactions.json'))
    const result = await millrace(runArguments(trial), environment(trial))
    expect(result.code).not.toBe(0)
    expect(result.stderr).toContain('MR_TRANSACTION_LOST')
    expect(result.stderr).toContain(`output of checkpoint ${lost} to topic ${trial.output} is lost`)
    expect(result.stderr).toMatch(/transaction of millrace-sink:kafka-\S+ /)
  },
  limitMs,
)

/** As a stranger would who takes these ids: whatever is open under them is aborted. */
async function fenceAll({ bootstrap }: Trial, ledgerPath: string): Promise<void> {
  const { record } = JSON.parse(readFileSync(ledgerPath, 'utf8')) as { record: TransactionLedger }
  const client = new KafkaClient({
    bootstrap: bootstrap.split(','),
    settings: connectionSettings({}),
    buffers: new FetchBuffers({ reuse: false }),
    clock: systemClock,
  })
  const transactions = new TransactionClient(client, { unreachableMs: 10_000, transientMs: 10_000 })
  for (const id of record.flatMap(idsOf)) await transactions.initProducer(id, 1000)
  client.close()
}

function checkpointsOf(within: string): string {
  const path = join(within, '.millrace', 'checkpoints', 'running-sum', 'run-1', 'records')
  return existsSync(path) ? readdirSync(path).join() : ''
}

test('a job whose checkpoints may take longer than the brokers let a transaction live is refused at start, with both figures', async () => {
  const trial = await newTrial(undefined, 100)
  const args = runArguments(trial)
  args.splice(args.indexOf('--'), 0, '-D', 'execution.checkpointing.timeout=10min')
  const result = await millrace(args, environment(trial))
  expect(result.code).toBe(2)
  expect(result.stderr).toContain('MR_CONFIGURATION')
  expect(result.stderr).toMatch(
    /transaction.max.timeout.ms is 900000 ms, but a transaction may have to wait 1860200 ms/,
  )
})
