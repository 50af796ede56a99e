import {
  col,
  count,
  type DataStream,
  EventTimeSessionWindows,
  type JobBuilder,
  job,
  outputTag,
  type Sink,
  SlidingEventTimeWindows,
  type StreamExecutionEnvironment,
  sum,
  TumblingEventTimeWindows,
  WatermarkStrategy,
} from 'millrace'
import { array, int32, json, long, type RecordType, record, string } from 'millrace/formats'
import { KafkaSource } from 'millrace/kafka'
import { expect, test } from 'vitest'
import { buildJob } from '../../../src/api/job.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { planOf, planText } from '../../../src/graph/plan.ts'

const order = record({ user: string(), cents: int32(), at: long() })
interface Order {
  readonly user: string
  readonly cents: number
  readonly at: number
}
const strategy = WatermarkStrategy.forMonotonousTimestamps().withTimestamps('at')

function sink(takesColumns = false): Sink<unknown> {
  return {
    connector: 'test',
    deliveryGuarantee: 'none',
    takesColumns,
    createWriter: () => {
      throw new Error('nothing runs here')
    },
  }
}

function orders<T = Order>(
  env: StreamExecutionEnvironment,
  type: RecordType<T> = order as never,
  watermarks = strategy,
  name = 'orders',
): DataStream<Order> {
  const source = KafkaSource.of({ topics: ['orders'], groupId: 'test', value: json(type) })
  return env.fromSource(source as never, watermarks as never, name) as unknown as DataStream<Order>
}

const planned = (build: JobBuilder, settings = {}) => planOf(createJobGraph(buildJob(job('test', build), [], settings)))

/** What the plan says of each operator, by its name. */
function tiersOf(build: JobBuilder, settings = { 'parallelism.default': 2 }): Record<string, string | undefined> {
  const operators = planned(build, settings).vertices.flatMap((vertex) => vertex.operators)
  return Object.fromEntries(operators.map(({ name, tier }) => [name, tier]))
}

test.each([1, 2])(
  'from a scanned source to a sink that takes columns nothing needs objects, at parallelism %i',
  (parallelism) => {
    const tiers = tiersOf(
      (env) => {
        orders(env)
          .where(col('cents').gt(0))
          .select('user', { euros: col('cents').dividedBy(100) })
          .keyBy('user')
          .aggregate({ n: count(), euros: sum('euros') })
          .where(col('n').gt(1))
          .name('Often')
          .sinkTo(sink(true), 'out')
      },
      { 'parallelism.default': parallelism },
    )
    expect(tiers).toEqual({
      orders: 'columns: its values are scanned where they lie',
      Where: 'columns: it is part of the scan',
      Select: 'columns: it is part of the scan',
      'Keyed Aggregate': 'columns: keys and values come as columns',
      Often: 'columns: it is part of the aggregate',
      out: 'columns: it takes columns',
    })
  },
)

test('jobs without field names and expressions have no tiers', () => {
  const tiers = tiersOf((env) => {
    orders(env)
      .filter((value) => value.cents > 0)
      .sinkTo(sink(), 'out')
  })
  expect(tiers).toEqual({ orders: undefined, Filter: undefined, out: undefined })
})

const aggregated = (stream: DataStream<Order>): void => {
  stream.keyBy('user').aggregate({ n: count() }).sinkTo(sink(), 'out')
}

function windowed(stream: DataStream<Order>, windows: unknown, lateness = '0s' as `${number}s`): void {
  stream
    .keyBy('user')
    .window(windows as never)
    .allowedLateness(lateness)
    .aggregate({ n: count() })
    .name('window')
    .sinkTo(sink(), 'out')
}

test.each<[string, JobBuilder, string, string]>([
  [
    'a function',
    (env) => aggregated(orders(env).filter(() => true)),
    'orders',
    "objects: 'Filter' behind it needs objects",
  ],
  [
    'a function for timestamps',
    (env) =>
      aggregated(
        orders(env, order, WatermarkStrategy.noWatermarks().withTimestamps((value: Order) => value.at) as never),
      ),
    'orders',
    "objects: its timestamps are given by a function: withTimestamps('field') needs no objects",
  ],
  [
    'a list',
    (env) => aggregated(orders(env, record({ user: string(), at: long(), list: array(int32()) }) as never)),
    'orders',
    "objects: field 'list' is array, and only scalars are scanned",
  ],
  [
    'two readers',
    (env) => {
      const stream = orders(env)
      stream.map(String).sinkTo(sink(), 'other')
      aggregated(stream)
    },
    'orders',
    'objects: its records go several ways',
  ],
  [
    'undeclared records',
    (env) => {
      const source = KafkaSource.of({ topics: ['orders'], groupId: 'test', value: json<Order>() })
      aggregated(env.fromSource(source, strategy, 'orders'))
    },
    'Keyed Aggregate',
    'objects: its records are not declared: give their source a type, such as json(record({ … }))',
  ],
  [
    'a union',
    (env) => {
      const stream = orders(env)
      aggregated(stream.union(stream.map((value) => value).returns(order as never)))
    },
    'Keyed Aggregate',
    'objects: several streams are united in it',
  ],
  [
    'a dead-letter output',
    (env) => orders(env).keyBy('user').aggregate({ n: count() }).deadLetters(outputTag('broken')).sinkTo(sink(), 'out'),
    'Keyed Aggregate',
    'objects: its failures go to a dead-letter output',
  ],
  [
    'a window',
    (env) => {
      orders(env)
        .keyBy('user')
        .window(TumblingEventTimeWindows.of('1s'))
        .aggregate({ n: count() })
        .sinkTo(sink(), 'out')
    },
    'TumblingEventTimeWindows',
    'objects: it merges partial results: records are combined on columns before the shuffle',
  ],
  ['a sink of records', (env) => aggregated(orders(env)), 'out', 'objects: it gets records one by one'],
])('%s is a reason to run on objects', (_, build, operator, tier) => {
  expect(tiersOf(build)[operator]).toBe(tier)
})

test.each<[string, JobBuilder, string, string]>([
  [
    'a window',
    (env) => windowed(orders(env).where(col('cents').gt(0)), TumblingEventTimeWindows.of('1s')),
    'columns: its values are scanned where they lie',
    'objects: it merges partial results: records are combined on columns before the shuffle',
  ],
  [
    'a sliding window of united streams',
    (env) => windowed(orders(env).union(orders(env, order, strategy, 'more')), SlidingEventTimeWindows.of('10s', '1s')),
    'columns: its values are scanned where they lie',
    'objects: it merges partial results: records are combined on columns before the shuffle',
  ],
  [
    'a window behind a function',
    (env) =>
      windowed(
        orders(env).filter(() => true),
        EventTimeSessionWindows.withGap('1s'),
      ),
    "objects: 'Filter' behind it needs objects",
    'objects: it merges partial results: records are combined as objects before the shuffle',
  ],
  [
    'a window with allowed lateness',
    (env) => windowed(orders(env), TumblingEventTimeWindows.of('1s'), '1s'),
    'objects: no aggregate on columns is reached from it by where and select alone',
    'objects: its records are not combined before the shuffle',
  ],
])('%s scans its source where records are combined before the shuffle', (_, build, source, window) => {
  const tiers = tiersOf(build)
  expect([tiers['orders'], tiers['window']]).toEqual([source, window])
})

test('pipeline.columns turns it off, and changes neither uids nor the hash', () => {
  const build: JobBuilder = (env) => aggregated(orders(env))
  const [auto, off] = [planned(build), planned(build, { 'pipeline.columns': 'off' })]
  expect(tiersOf(build, { 'pipeline.columns': 'off' } as never)['Keyed Aggregate']).toBe(
    'objects: pipeline.columns is off',
  )
  expect(off.hash).toBe(auto.hash)
})

test('two evaluations plan alike, and the plan shows it', () => {
  const build: JobBuilder = (env) => aggregated(orders(env))
  expect(planned(build)).toEqual(planned(build))
  expect(planText(planned(build))).toContain('     runs on columns: its values are scanned where they lie')
})
