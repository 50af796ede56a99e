import { inspect } from 'node:util'
import fc from 'fast-check'
import {
  avg,
  col,
  count,
  EventTimeSessionWindows,
  max,
  min,
  RestartStrategies,
  SlidingEventTimeWindows,
  type StreamExecutionEnvironment,
  sum,
  TumblingEventTimeWindows,
  WatermarkStrategy,
} from 'millrace'
import { int32, long, nullable, record, string } from 'millrace/formats'
import { collectingSink, FAIL, scriptedSource, startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'

const type = record({ user: string(), shop: int32(), cents: int32(), discount: nullable(int32()), at: long() })
interface Order {
  readonly user: string
  readonly shop: number
  readonly cents: number
  readonly discount: number | null
  readonly at: number
}

const orders: fc.Arbitrary<Order> = fc.record({
  user: fc.constantFrom('ada', 'bob', 'é'),
  shop: fc.integer({ min: 1, max: 2 }),
  cents: fc.integer({ min: -50, max: 50 }),
  discount: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(null)),
  at: fc.integer({ min: -40, max: 200 }),
})

const shapes = fc.record({
  splits: fc.array(fc.array(orders, { maxLength: 25 }), { minLength: 1, maxLength: 3 }),
  windows: fc.constantFrom(
    TumblingEventTimeWindows.of(10),
    SlidingEventTimeWindows.of(20, 5),
    SlidingEventTimeWindows.of(21, 20),
    EventTimeSessionWindows.withGap(7),
  ),
  failAt: fc.nat(30),
  parallelisms: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
})
type Shape = typeof shapes extends fc.Arbitrary<infer S> ? S : never

async function run({ splits, windows, failAt, parallelisms }: Shape, declared: boolean): Promise<readonly string[]> {
  await using cluster = startTestCluster()
  const scripts = splits.map((split, index) => {
    const inOrder = split.toSorted((left, right) => left.at - right.at)
    return index === 0 ? inOrder.toSpliced(failAt, 0, FAIL as never) : inOrder
  })
  const sink = collectingSink<unknown>()
  const build = (env: StreamExecutionEnvironment, [start = '0']: readonly string[]): void => {
    env.enableCheckpointing('5ms', { tolerableFailedCheckpoints: 10 })
    env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 10, delay: '2ms' }))
    env.setParallelism(parallelisms[Number(start)] as number)
    const pace = { recordsAtOnce: 3, interval: '1ms' as const }
    const source = scriptedSource<Order>(scripts, declared ? { ...pace, type } : pace)
    env
      .fromSource(source, WatermarkStrategy.forMonotonousTimestamps().withTimestamps('at'), 'orders')
      .where(col('cents').ne(0))
      .keyBy('user', 'shop')
      .window(windows)
      .aggregate({ n: count(), cents: sum('cents'), low: min('discount'), high: max('cents'), mean: avg('discount') })
      .where(col('n').plus(col('windowStart')).ne(1))
      .sinkTo(sink, 'sink')
  }
  const first = await cluster.start(build, { args: ['0'] })
  await cluster.advanceTime(8)
  const { state } = await first.suspend()
  if (state !== 'FINISHED') {
    const result = await (await cluster.start(build, { args: ['1'], from: first })).result()
    if (result.state !== 'FINISHED') throw new Error(`the job is ${result.state}: ${JSON.stringify(result.error)}`)
  }
  return sink.records.map((value) => inspect(value)).toSorted()
}

test('windows over declared and untyped records give equal results, through failures, restarts and other parallelisms', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (shape) => {
      expect(await run(shape, true)).toEqual(await run(shape, false))
    }),
    { numRuns: 15, interruptAfterTimeLimit: 6000 },
  )
}, 60_000)

test('a window gives the fields of the key, the results, and where it begins and ends', async () => {
  await using cluster = startTestCluster()
  const order = { user: 'ada', shop: 1, cents: 5, discount: null, at: 12 }
  const records = await cluster.runAndCollect((env) =>
    env
      .fromSource(
        scriptedSource<Order>([[order, { ...order, cents: 7, discount: 3 }]], { type }),
        WatermarkStrategy.forMonotonousTimestamps().withTimestamps('at'),
        'orders',
      )
      .keyBy('user')
      .window(TumblingEventTimeWindows.of(10))
      .aggregate({ n: count(), cents: sum('cents'), low: min('discount') }),
  )
  expect(records).toEqual([{ user: 'ada', n: 2, cents: 12, low: 3, windowStart: 10, windowEnd: 20 }])
})
