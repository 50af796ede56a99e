import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  count,
  job,
  RestartStrategies,
  type StreamExecutionEnvironment,
  TumblingEventTimeWindows,
  WatermarkStrategy,
} from 'millrace'
import { FileSink } from 'millrace/filesystem'
import {
  collectingSink,
  END,
  FAIL,
  PAUSE,
  scriptedSource,
  startTestCluster,
  type TestClusterOptions,
} from 'millrace/testing'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/common/system-ports.ts'

interface Numbered {
  readonly key: string
  readonly count: number
}

function cluster(options: TestClusterOptions = {}) {
  const started = startTestCluster(options)
  onTestFinished(() => started.close())
  return started
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)
const noWatermarks = WatermarkStrategy.noWatermarks()

/** Counts by key: every value of a key's count once, or the job has lost or doubled something. */
function counting(script: Parameters<typeof scriptedSource<number>>[0], sink = collectingSink<Numbered>()) {
  const source = scriptedSource<number>(script, { recordsAtOnce: 3, interval: '1ms' })
  const build = (env: StreamExecutionEnvironment): void => {
    env.enableCheckpointing('7ms', { tolerableFailedCheckpoints: 3 })
    env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 20, delay: '3ms' }))
    env
      .fromSource(source, noWatermarks, 'numbers')
      .map((value) => ({ key: `k${value % 5}`, count: 1 }))
      .keyBy((value) => value.key)
      .reduce((left, right) => ({ key: left.key, count: left.count + right.count }))
      .sinkTo(sink)
  }
  return { build, sink }
}

function expectCounts(records: readonly Numbered[], size: number): void {
  const texts = records.map((record) => `${record.key}:${record.count}`).toSorted()
  const expected = numbers(0, size).map((value) => `k${value % 5}:${Math.floor(value / 5) + 1}`)
  expect(texts).toEqual(expected.toSorted())
}

test('a stream is run and its records come back', async () => {
  const startedMs = systemClock.monotonicMs()
  const squares = await cluster().runAndCollect((env) => env.fromSequence(1, 4).map((value) => value * value))
  expect(squares).toEqual([1, 4, 9, 16])
  expect(systemClock.monotonicMs() - startedMs).toBeLessThan(300)
})

test('a job gets its arguments and configuration, and tells how it ended', async () => {
  const sink = collectingSink<string>()
  const seen: (readonly string[])[] = []
  const result = await cluster().run(
    job('with-arguments', (env, args) => {
      seen.push(args)
      env
        .fromCollection(['a', 'b'])
        .map((value) => `${value}${args[0]}`)
        .sinkTo(sink)
    }),
    { args: ['!'], configuration: { 'execution.checkpointing.interval': '1h' } },
  )
  expect(result).toMatchObject({ state: 'FINISHED', recordsIn: 2, recordsOut: 2, checkpoints: 1, restarts: 0 })
  expect(sink.records).toEqual(['a!', 'b!'])
  expect(seen.every(([arg]) => arg === '!')).toBe(true)
})

test('the error of a job that fails is thrown', async () => {
  const running = cluster().runAndCollect((env) =>
    env.fromSequence(1, 4).map((value) => {
      if (value === 3) throw new Error('three')
      return value
    }),
  )
  await expect(running).rejects.toMatchObject({ code: 'MR_USER_FUNCTION', message: expect.stringContaining('three') })
})

test('a job file is run with other sources and sinks than its own', async () => {
  const definition = job('own', (env) => {
    const all = env.fromSource(scriptedSource<number>([[0]]), noWatermarks, 'numbers')
    all.filter((value) => value % 2 === 0).sinkTo(collectingSink(), 'even')
    all.filter((value) => value % 2 === 1).sinkTo(collectingSink(), 'odd')
  })
  const sources = { numbers: scriptedSource([numbers(0, 6)]) }
  const odd = await cluster().runAndCollect<number>(definition, { sources, sink: 'odd' })
  expect(odd).toEqual([1, 3, 5])
  await expect(cluster().runAndCollect(definition, { sources })).rejects.toThrow(/several sinks.*'even', 'odd'/)
  const wrong = cluster().run(definition, { sources: { number: scriptedSource([[1]]) } })
  await expect(wrong).rejects.toThrow(/no source 'number'; there are 'numbers'/)
})

test('scripts fail once at each FAIL, and end at END', async () => {
  const { build, sink } = counting([[...numbers(0, 20), FAIL, ...numbers(20, 40), FAIL, ...numbers(40, 50), END, 99]])
  const result = await cluster().run(build)
  expect(result).toMatchObject({ state: 'FINISHED', restarts: 2 })
  expectCounts(sink.records, 50)
})

test('scripts wait at PAUSE until they are told to go on', async () => {
  const { build, sink } = counting([[...numbers(0, 10), PAUSE, ...numbers(10, 20)]])
  const running = await cluster().start(build)
  await running.untilPaused()
  await running.triggerCheckpoint()
  expectCounts(sink.records, 10)
  running.resumeSources()
  expect(await running.result()).toMatchObject({ state: 'FINISHED' })
  expectCounts(sink.records, 20)
})

test('a slot that is failed, a checkpoint that is aborted and storage that gives no answer change nothing in the output', async () => {
  const { build, sink } = counting([
    numbers(0, 300).filter((value) => value % 2 === 0),
    numbers(0, 300).filter((value) => value % 2 === 1),
  ])
  const running = await cluster({ batchesPerTurn: 2 }).start(build, { configuration: { 'parallelism.default': 2 } })
  await running.until((status) => status.checkpoints.completed > 1)
  running.failSlot()
  await running.until((status) => status.state === 'RUNNING' && status.restarts === 1)
  running.abortNextCheckpoint()
  await running.until((status) => status.checkpoints.lastFailure?.message.includes('the test aborts it') === true)
  running.failStorage('complete', 'unanswered')
  running.failSlot(1)
  expect(await running.result()).toMatchObject({ state: 'FINISHED', error: undefined, restarts: 2 })
  expectCounts(sink.records, 300)
})

test.each([
  ['the same', 2],
  ['another', 3],
])('a suspended job goes on from its last checkpoint at %s parallelism', async (_, parallelism) => {
  const { build, sink } = counting([numbers(0, 100), numbers(100, 200)])
  const started = cluster()
  const first = await started.start(build, { configuration: { 'parallelism.default': 2 } })
  await first.until((status) => status.checkpoints.completed > 1)
  expect(await first.suspend()).toMatchObject({ state: 'SUSPENDED', error: undefined })
  expect(sink.records.length).toBeLessThan(200)
  const second = await started.start(build, { from: first, configuration: { 'parallelism.default': parallelism } })
  expect(await second.result()).toMatchObject({ state: 'FINISHED' })
  expectCounts(sink.records, 200)
})

test('a crash of the process loses nothing that a checkpoint holds', async () => {
  const { build, sink } = counting([numbers(0, 100), numbers(100, 200)])
  const started = cluster()
  let running = await started.start(build, { configuration: { 'parallelism.default': 2 } })
  for (const crash of [1, 2, 3]) {
    await running.until((status) => status.checkpoints.completed >= crash % 3)
    started.crash()
    await expect(running.result()).rejects.toThrow(/crashed/)
    running = await started.start(build, { from: running, configuration: { 'parallelism.default': 2 } })
  }
  expect(await running.result()).toMatchObject({ state: 'FINISHED' })
  expectCounts(sink.records, 200)
})

test('time that a test moves by itself stands still in between', async () => {
  const sink = collectingSink<number>({ deliveryGuarantee: 'at-least-once' })
  const started = cluster({ time: 'manual', startTimeMs: 1000 })
  const running = await started.start((env) => {
    env
      .fromSource(scriptedSource([numbers(0, 5)], { recordsAtOnce: 1, interval: '10s' }), noWatermarks, 'numbers')
      .sinkTo(sink)
  })
  await started.settled()
  expect(sink.records).toEqual([0])
  await started.advanceTime('25s')
  expect(sink.records).toEqual([0, 1, 2])
  expect(started.now).toBe(26_000)
  await started.advanceTime('1min')
  expect(await running.result()).toMatchObject({ state: 'FINISHED' })
})

test('long waits take no time: windows, restarts and intervals of hours', async () => {
  const startedMs = systemClock.monotonicMs()
  const started = cluster()
  const source = scriptedSource([[0, 600_000, FAIL, 3_600_000, 7_200_000]])
  const counts = await started.runAndCollect(
    (env) => {
      env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 1, delay: '30min' }))
      return env
        .fromSource(
          source,
          WatermarkStrategy.forMonotonousTimestamps().withTimestamps((at) => at),
          'times',
        )
        .keyBy(() => 'all')
        .window(TumblingEventTimeWindows.of('1h'))
        .aggregate(count(), { withKey: (_, records, window) => [window.start, records] })
    },
    { configuration: { 'execution.checkpointing.interval': '1s' } },
  )
  expect(counts).toEqual([
    [0, 2],
    [3_600_000, 1],
    [7_200_000, 1],
  ])
  expect(started.now).toBeGreaterThanOrEqual(30 * 60_000)
  expect(systemClock.monotonicMs() - startedMs).toBeLessThan(3000)
})

test('virtual time does not run past a sink that does something real', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'millrace-'))
  onTestFinished(() => rm(parent, { recursive: true }))
  const folder = join(parent, 'out')
  const source = scriptedSource([numbers(0, 50)], { recordsAtOnce: 10, interval: '20ms' })
  const result = await cluster().run((env) => {
    env.enableCheckpointing('20ms', { timeout: '5ms' })
    env.fromSource(source, noWatermarks, 'numbers').sinkTo(FileSink.of({ folder }))
  })
  expect(result).toMatchObject({ state: 'FINISHED', restarts: 0 })
  const files = (await readdir(folder)).filter((name) => !name.startsWith('.'))
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))
  expect(
    texts
      .join('')
      .trim()
      .split('\n')
      .map(Number)
      .toSorted((a, b) => a - b),
  ).toEqual(numbers(0, 50))
})

test('what never comes is an error that says how the job stands', async () => {
  const running = await cluster().start((env) => {
    env.fromSource(scriptedSource([[1, PAUSE]]), noWatermarks, 'numbers').sinkTo(collectingSink())
  })
  await running.untilPaused()
  await expect(running.until((status) => status.restarts > 0)).rejects.toThrow(/within 3600000 ms.*the job is RUNNING/)
  await expect(running.cancel()).resolves.toMatchObject({ state: 'CANCELED' })
  await expect(running.until((status) => status.restarts > 0)).rejects.toThrow(/ended before.*CANCELED/)
  expect(() => running.failSlot()).toThrow(/has no slot/)
})
