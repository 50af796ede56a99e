import { inspect } from 'node:util'
import fc from 'fast-check'
import {
  avg,
  col,
  count,
  EventTimeSessionWindows,
  job,
  max,
  min,
  RestartStrategies,
  SlidingEventTimeWindows,
  type Source,
  type StreamExecutionEnvironment,
  sum,
  TumblingEventTimeWindows,
  WatermarkStrategy,
} from 'millrace'
import { int32, long, nullable, record, string } from 'millrace/formats'
import { collectingSink, FAIL, scriptedSource, startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'
import { buildJob } from '../../../src/api/job.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { planOf } from '../../../src/graph/plan.ts'
import { jsonSource, type Written } from './support.ts'

const type = record({ user: string(), shop: int32(), cents: int32(), discount: nullable(int32()), at: long() })
interface Order {
  readonly user: string
  readonly shop: number
  readonly cents: number
  readonly discount: number | null
  readonly at: number
}

const orders: fc.Arbitrary<Order & Written> = fc.record({
  user: fc.constantFrom('ada', 'bob', 'é'),
  shop: fc.integer({ min: 1, max: 2 }),
  cents: fc.integer({ min: -50, max: 50 }),
  discount: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(null)),
  at: fc.integer({ min: -40, max: 200 }),
  style: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(4) }),
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

type Way = 'columns' | 'objects' | 'untyped' | 'columns, then objects' | 'objects, then columns'

function sourceOf(scripts: readonly (readonly (Order & Written)[])[], way: Way): Source<Order> {
  const pace = { recordsAtOnce: 3, interval: '1ms' as const }
  if (way === 'untyped') return scriptedSource<Order>(scripts, pace)
  return jsonSource<Order & Written>(scripts, type, pace)
}

/** Whether the first or the second run of a job is on columns. */
function columnsOf(way: Way, run: 0 | 1): 'auto' | 'off' {
  if (way === 'objects' || way === (run === 0 ? 'objects, then columns' : 'columns, then objects')) return 'off'
  return 'auto'
}

async function run({ splits, windows, failAt, parallelisms }: Shape, way: Way): Promise<readonly string[]> {
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
    env
      .fromSource(sourceOf(scripts, way), WatermarkStrategy.forMonotonousTimestamps().withTimestamps('at'), 'orders')
      .where(col('cents').ne(0))
      .keyBy('user', 'shop')
      .window(windows)
      .aggregate({
        n: count(),
        cents: sum('cents'),
        low: min('discount'),
        high: max('cents'),
        mean: avg('discount'),
        // NaN for even ones.
        least: min(col('cents').modulo(2).dividedBy(0)),
        most: max(col('cents').modulo(2).dividedBy(0)),
      })
      .where(col('n').plus(col('windowStart')).ne(1))
      .sinkTo(sink, 'sink')
  }
  const first = await cluster.start(build, { args: ['0'], configuration: { 'pipeline.columns': columnsOf(way, 0) } })
  await cluster.advanceTime(8)
  const { state } = await first.suspend()
  if (state !== 'FINISHED') {
    const configuration = { 'pipeline.columns': columnsOf(way, 1) }
    const result = await (await cluster.start(build, { args: ['1'], from: first, configuration })).result()
    if (result.state !== 'FINISHED') throw new Error(`the job is ${result.state}: ${JSON.stringify(result.error)}`)
  }
  return sink.records.map((value) => inspect(value)).toSorted()
}

const ways: readonly Way[] = ['columns', 'objects', 'columns, then objects', 'objects, then columns']

test('windows on columns, over typed objects and untyped records give equal results, through failures, restarts and other parallelisms', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (shape) => {
      const expected = await run(shape, 'untyped')
      for (const way of ways) expect(await run(shape, way), way).toEqual(expected)
    }),
    { numRuns: 15, interruptAfterTimeLimit: 8000 },
  )
}, 60_000)

test('the Yahoo benchmark: views, the campaign of their ad, and a time that is a string', async () => {
  const event = record({ ad: string(), kind: string(), time: string() })
  type Event = { readonly ad: string; readonly kind: string; readonly time: string } & Written
  const campaigns = { 'ad 1': 'spring', 'ad 2': 'summer', 'ad 3': 'spring' }
  const events: readonly Event[] = Array.from({ length: 300 }, (_, index) => ({
    ad: `ad ${index % 4}`,
    kind: index % 3 === 0 ? 'view' : 'click',
    time: `${1_700_000_000_000 + index * 100}`,
    style: index % 7 === 0 ? 3 : 0,
  }))
  const counts = async (columns: 'auto' | 'off'): Promise<readonly string[]> => {
    await using cluster = startTestCluster()
    const sink = collectingSink<unknown>()
    const build = (env: StreamExecutionEnvironment): void => {
      env.setParallelism(2)
      env
        .fromSource(
          jsonSource<Event>([events, events], event),
          WatermarkStrategy.forMonotonousTimestamps().withTimestamps(col('time').toNumber()),
          'events',
        )
        .where(col('kind').eq('view'))
        .select({ campaign: col('ad').lookup(campaigns).coalesce('none') })
        .keyBy('campaign')
        .window(TumblingEventTimeWindows.of('10s'))
        .aggregate({ views: count() })
        .sinkTo(sink, 'sink')
    }
    const { vertices } = planOf(createJobGraph(buildJob(job('views', build), [], {})))
    expect(vertices[0]?.operators.map(({ tier }) => tier?.split(':')[0])).toEqual(['columns', 'columns', 'columns'])
    const running = await cluster.start(build, { configuration: { 'pipeline.columns': columns } })
    expect((await running.result()).state).toBe('FINISHED')
    return sink.records.map((value) => inspect(value)).toSorted()
  }
  const expected = await counts('off')
  expect(expected).toHaveLength(9)
  expect(await counts('auto')).toEqual(expected)
})

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
