import {
  type AggregateFunction,
  avg,
  type Collector,
  type Committable,
  count,
  type DataStream,
  type DeadLetter,
  EventTimeSessionWindows,
  type KeyedStream,
  listStateDescriptor,
  mapStateDescriptor,
  min,
  outputTag,
  type ProcessWindowContext,
  type RecordOf,
  type SingleOutputStreamOperator,
  type Sink,
  type Source,
  type StreamExecutionEnvironment,
  sum,
  TumblingEventTimeWindows,
  type ValueState,
  valueStateDescriptor,
  WatermarkStrategy,
  type WindowedStream,
} from 'millrace'
import { double, record, string } from 'millrace/formats'
import { expectTypeOf, test } from 'vitest'

interface Order {
  readonly user: string
  readonly price: number
  readonly at: number
}
interface Refund {
  readonly user: string
  readonly reason: string
}

declare const env: StreamExecutionEnvironment
declare const orders: DataStream<Order>
declare const refunds: DataStream<Refund>
declare const keyed: KeyedStream<Order, string>
declare const windowed: WindowedStream<Order, string>

test('map, flatMap, filter and union give the types of their results', () => {
  expectTypeOf(orders.map((order) => order.price)).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  expectTypeOf(orders.flatMap((order) => [order.user, order.user])).toEqualTypeOf<SingleOutputStreamOperator<string>>()
  expectTypeOf(
    orders.flatMap(function* (order) {
      yield order.at
    }),
  ).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  expectTypeOf(orders.filter((order) => order.price > 1)).toEqualTypeOf<SingleOutputStreamOperator<Order>>()
  expectTypeOf<RecordOf<ReturnType<typeof orders.rebalance>>>().toEqualTypeOf<Order>()
  expectTypeOf(orders.union(orders)).toEqualTypeOf<DataStream<Order>>()
  expectTypeOf(orders.union(refunds)).toEqualTypeOf<DataStream<Order | Refund>>()
})

test('a type predicate narrows', () => {
  const both = orders.union(refunds)
  const narrowed = both.filter((record): record is Refund => 'reason' in record)
  expectTypeOf(narrowed).toEqualTypeOf<SingleOutputStreamOperator<Refund>>()
})

test('sources give their records, and collections those of their items', () => {
  expectTypeOf(env.fromCollection([{ user: 'ada' }])).toEqualTypeOf<SingleOutputStreamOperator<{ user: string }>>()
  expectTypeOf(env.fromSequence(1, 2)).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  const declared = env.fromCollection([{ user: 'ada', price: 1 }], {
    type: record({ user: string(), price: double() }),
  })
  expectTypeOf<RecordOf<typeof declared>>().toEqualTypeOf<{ user: string; price: number }>()
  orders.map((order) => ({ user: order.user, price: order.price })).returns(record({ user: string(), price: double() }))
  // @ts-expect-error the declared type is another one
  orders.map((order) => order.user).returns(double())
})

test('keys are inferred and have to be keys', () => {
  expectTypeOf(orders.keyBy((order) => order.user)).toEqualTypeOf<KeyedStream<Order, string>>()
  expectTypeOf(orders.keyBy((order) => [order.user, order.at])).toEqualTypeOf<
    KeyedStream<Order, readonly [string, number]>
  >()
  // @ts-expect-error an object is no key
  orders.keyBy((order) => ({ user: order.user }))
  // @ts-expect-error a date is no key
  orders.keyBy((order) => new Date(order.at))
  // @ts-expect-error undefined is no key
  orders.keyBy((order) => (order.price > 1 ? order.user : undefined))
  // @ts-expect-error the records have no such field
  orders.keyBy((order) => order.customer)
})

test('windows and keyed operators are on keyed streams alone', () => {
  // @ts-expect-error a window needs keyBy
  orders.window(TumblingEventTimeWindows.of('10s'))
  // @ts-expect-error a reduce needs keyBy
  orders.reduce((left) => left)
  // @ts-expect-error a window has to be reduced, aggregated or processed first
  keyed.window(TumblingEventTimeWindows.of('10s')).sinkTo
})

test('running aggregates', () => {
  expectTypeOf(keyed.reduce((left, right) => (left.price > right.price ? left : right))).toEqualTypeOf<
    SingleOutputStreamOperator<Order>
  >()
  expectTypeOf(keyed.aggregate(count())).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  expectTypeOf(keyed.aggregate(sum((order) => order.price))).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  expectTypeOf(keyed.aggregate(sum('price'))).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  expectTypeOf(keyed.aggregate(avg('price'), { withKey: (user, average) => ({ user, average }) })).toEqualTypeOf<
    SingleOutputStreamOperator<{ user: string; average: number }>
  >()
  // @ts-expect-error no such field
  keyed.aggregate(sum('amount'))
  // @ts-expect-error no number
  keyed.aggregate(min('user'))
  // @ts-expect-error no number
  keyed.aggregate(sum((order) => order.user))
})

declare const longest: AggregateFunction<Order, { names: string[] }, string>

test('windows with reduce, aggregate and process', () => {
  expectTypeOf(windowed.reduce((left) => left)).toEqualTypeOf<SingleOutputStreamOperator<Order>>()
  expectTypeOf(windowed.aggregate(count())).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  expectTypeOf(windowed.aggregate(longest)).toEqualTypeOf<SingleOutputStreamOperator<string>>()
  expectTypeOf(
    windowed.aggregate(count(), { withKey: (user, orders, window) => ({ user, orders, from: window.start }) }),
  ).toEqualTypeOf<SingleOutputStreamOperator<{ user: string; orders: number; from: number }>>()
  expectTypeOf(
    windowed.reduce((left) => left, { withKey: (user, order, { end }) => [user, order.price, end] as const }),
  ).toEqualTypeOf<SingleOutputStreamOperator<readonly [string, number, number]>>()
  expectTypeOf(
    windowed.aggregate(count(), {
      process(key, context, elements, out: Collector<string>) {
        expectTypeOf(key).toEqualTypeOf<string>()
        expectTypeOf(context).toEqualTypeOf<ProcessWindowContext>()
        expectTypeOf(elements).toEqualTypeOf<readonly number[]>()
        out.collect(key)
      },
    }),
  ).toEqualTypeOf<SingleOutputStreamOperator<string>>()
  expectTypeOf(
    windowed.process<number>({
      process(_key, _context, elements, out) {
        expectTypeOf(elements).toEqualTypeOf<readonly Order[]>()
        out.collect(elements.length)
      },
    }),
  ).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  // @ts-expect-error the late records are orders
  windowed.sideOutputLateData(outputTag<Refund>('late'))
  expectTypeOf(windowed.sideOutputLateData(outputTag('late'))).toEqualTypeOf<WindowedStream<Order, string>>()
  expectTypeOf(keyed.window(EventTimeSessionWindows.withGap('1min'))).toEqualTypeOf<WindowedStream<Order, string>>()
})

test('process functions know key, state and side outputs', () => {
  const alerts = outputTag<{ user: string }>('alerts')
  const result = keyed.process<number>(
    (() => {
      let total: ValueState<number>
      return {
        open(context) {
          total = context.valueState(valueStateDescriptor('total', double()))
          const last = context.listState(listStateDescriptor<Order>('last'))
          expectTypeOf(last.get()).items.toHaveProperty('price')
          const seen = context.mapState(mapStateDescriptor<string, number>('seen'))
          expectTypeOf(seen.get('a')).toEqualTypeOf<number | undefined>()
        },
        processElement(order, context, out) {
          expectTypeOf(order).toEqualTypeOf<Order>()
          expectTypeOf(context.key).toEqualTypeOf<string>()
          context.output(alerts, { user: context.key })
          // @ts-expect-error the tag's type
          context.output(alerts, order.price)
          out.collect(order.price + (total.value() ?? 0))
          // @ts-expect-error the type of the results
          out.collect(order.user)
        },
      }
    })(),
  )
  expectTypeOf(result).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  expectTypeOf(result.getSideOutput(alerts)).toEqualTypeOf<DataStream<{ user: string }>>()
})

declare const numbers: Sink<number>
declare const anything: Sink<unknown>
declare const source: Source<Order>

test('sinks and strategies have to fit the records', () => {
  orders.sinkTo(anything)
  orders.map((order) => order.at).sinkTo(numbers)
  // @ts-expect-error orders are no numbers
  orders.sinkTo(numbers)
  env.fromSource(
    source,
    // @ts-expect-error orders have no such field
    WatermarkStrategy.forMonotonousTimestamps().withTimestamps((order) => order.eventTime),
    'orders',
  )
  env.fromSource(
    source,
    // @ts-expect-error a strategy for other records
    WatermarkStrategy.forMonotonousTimestamps().withTimestamps((refund: Refund) => refund.reason.length),
    'orders',
  )
  env.fromSource(source, WatermarkStrategy.noWatermarks(), 'orders', { deadLetters: outputTag<DeadLetter>('dead') })
  orders.assignTimestampsAndWatermarks(WatermarkStrategy.forMonotonousTimestamps().withTimestamps((order) => order.at))
})

test('no any reaches the user', () => {
  expectTypeOf<RecordOf<typeof orders>>().not.toBeAny()
  expectTypeOf(orders.map((order) => order).process)
    .parameter(0)
    .not.toBeAny()
  expectTypeOf<Committable>().not.toBeAny()
})

test('two streams: connected, joined, with broadcast state', () => {
  const both = orders.connect(refunds)
  expectTypeOf(both.map({ map1: (order) => order.price, map2: (refund) => refund.reason.length })).toEqualTypeOf<
    SingleOutputStreamOperator<number>
  >()
  both.keyBy(
    (order) => order.user,
    // @ts-expect-error keys of both are of one type
    (refund) => refund.reason.length,
  )
  // @ts-expect-error the keys differ
  keyed.connect(refunds.keyBy((refund) => refund.reason.length))
  const joined = orders
    .join(refunds)
    .where((order) => order.user)
    .equalTo((refund) => refund.user)
    .window(TumblingEventTimeWindows.of('10s'))
    .apply((order, refund) => [order.price, refund.reason] as const)
  expectTypeOf(joined).toEqualTypeOf<SingleOutputStreamOperator<readonly [number, string]>>()
  const byUser = refunds.keyBy((refund) => refund.user)
  const near = keyed
    .intervalJoin(byUser)
    .between('-1s', 0)
    .process({
      processElement: (order, refund, context, out: Collector<string>) =>
        out.collect(`${order.user} ${refund.reason} ${context.leftTimestamp}`),
    })
  expectTypeOf(near).toEqualTypeOf<SingleOutputStreamOperator<string>>()
  const rules = mapStateDescriptor<string, number>('rules')
  const names = valueStateDescriptor<string>('names')
  keyed.connect(refunds.broadcast(rules)).process<string>({
    processElement(_order, context) {
      expectTypeOf(context.broadcastState(rules).get('a')).toEqualTypeOf<number | undefined>()
      // @ts-expect-error read only on this side
      context.broadcastState(rules).put('a', 1)
    },
    processBroadcastElement(refund, context) {
      context.broadcastState(rules).put(refund.user, 1)
      context.applyToKeyedState(names, (key, state) => {
        expectTypeOf(key).toEqualTypeOf<string>()
        expectTypeOf(state).toEqualTypeOf<ValueState<string>>()
      })
    },
  })
})

test('aggregates by field', () => {
  expectTypeOf(keyed.sum('price')).toEqualTypeOf<SingleOutputStreamOperator<Order>>()
  expectTypeOf(keyed.max((order) => order.price)).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  expectTypeOf(windowed.minBy('user')).toEqualTypeOf<SingleOutputStreamOperator<Order>>()
  // @ts-expect-error a name has no sum
  keyed.sum('user')
  // @ts-expect-error there is no such field
  keyed.minBy('customer')
})
