import {
  CountTrigger,
  GlobalWindows,
  RestartStrategies,
  type StreamExecutionEnvironment,
  TumblingProcessingTimeWindows,
  WatermarkStrategy,
} from 'millrace'
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

function cluster(options: TestClusterOptions = {}) {
  const started = startTestCluster(options)
  onTestFinished(() => started.close())
  return started
}

const noWatermarks = WatermarkStrategy.noWatermarks()
const keyOf = (value: number): string => `k${value % 3}`

test('Count windows hold each record once, through failures, a stop and another parallelism.', async () => {
  const numbers = scriptedSource([[0, 1, 2, 3, FAIL, 4, 5, 6, 7, PAUSE, 8, 9, 10, FAIL, 11, 12, 13, 14, END]])
  const sink = collectingSink<readonly number[]>()
  const build = (env: StreamExecutionEnvironment): void => {
    env.enableCheckpointing('5ms')
    env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 10, delay: '3ms' }))
    env
      .fromSource(numbers, noWatermarks, 'numbers')
      .keyBy(keyOf)
      .countWindow(2)
      .process<readonly number[]>({ process: (_key, _context, values, out) => out.collect(values) })
      .sinkTo(sink)
  }
  const virtual = cluster()
  const running = await virtual.start(build, { configuration: { 'parallelism.default': 2 } })
  await running.untilPaused()
  await running.triggerCheckpoint()
  await running.suspend()
  const again = await virtual.start(build, { from: running, configuration: { 'parallelism.default': 1 } })
  await again.untilPaused()
  again.resumeSources()
  expect((await again.result()).state).toBe('FINISHED')
  expect(sink.records.map((values) => values.join(' ')).toSorted()).toEqual([
    '0 3',
    '1 4',
    '2 5',
    '6 9',
    '7 10',
    '8 11',
  ])
})

test('Windows by the clock that are overdue after a restart give their result at once, others in their time.', async () => {
  const numbers = scriptedSource([[0, 3, 1, PAUSE, 6]])
  const sink = collectingSink<string>()
  const build = (env: StreamExecutionEnvironment): void => {
    env.enableCheckpointing('1s')
    env
      .fromSource(numbers, noWatermarks, 'numbers')
      .keyBy(keyOf)
      .window(TumblingProcessingTimeWindows.of('1min'))
      .reduce((left, right) => left + right, { withKey: (key, sum, { start }) => `${key} ${start}: ${sum}` })
      .sinkTo(sink)
  }
  const virtual = cluster({ time: 'manual' })
  const running = await virtual.start(build)
  await virtual.advanceTime('50s')
  expect(sink.records).toEqual([])
  virtual.crash()
  await virtual.advanceTime('20s')
  const again = await virtual.start(build, { from: running })
  await virtual.advanceTime('3s')
  expect(sink.records.toSorted()).toEqual(['k0 0: 3', 'k1 0: 1'])
  await again.cancel()
})

test('Windows over all records of a bounded stream are in one subtask and finish with it.', async () => {
  const sums = await cluster().runAndCollect(
    (env) =>
      env
        .fromSequence(1, 100)
        .rebalance()
        .map((value) => value)
        .countWindowAll(25)
        .reduce((left, right) => left + right),
    { configuration: { 'parallelism.default': 3 } },
  )
  expect(sums).toHaveLength(4)
  expect(sums.reduce((left, right) => left + right, 0)).toBe(5050)
})

test('where an evictor leaves no record there is nothing to reduce, and withKey is not called', async () => {
  await using cluster = startTestCluster()
  const results = await cluster.runAndCollect((env) =>
    env
      .fromCollection(['a1', 'b', 'a2'])
      .keyBy((value) => value.slice(0, 1))
      .window(GlobalWindows.create())
      .trigger(CountTrigger.of(1))
      .evictor({ evictBefore: (all) => all.filter(({ value }) => value !== 'b'), evictAfter: (all) => all })
      .reduce((left, right) => left + right, { withKey: (key, value) => `${key} ${value.length}` }),
  )
  expect(results.toSorted()).toEqual(['a 2', 'a 4'])
})
