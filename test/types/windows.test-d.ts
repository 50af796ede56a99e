import { expectTypeOf, test } from 'vitest'
import {
  type AllWindowedStream,
  type Collector,
  ContinuousEventTimeTrigger,
  CountEvictor,
  CountTrigger,
  count,
  type DataStream,
  DeltaEvictor,
  DeltaTrigger,
  EventTimeSessionWindows,
  type Evictor,
  GlobalWindows,
  type KeyedStateStore,
  type KeyedStream,
  ProcessingTimeSessionWindows,
  PurgingTrigger,
  type SingleOutputStreamOperator,
  TimeEvictor,
  type TimestampedValue,
  type TimeWindow,
  type Trigger,
  type TriggerContext,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  valueStateDescriptor,
  type WindowedStream,
} from '../../src/index.ts'

interface Order {
  readonly user: string
  readonly cents: number
  readonly gapMs: number
}

declare const orders: DataStream<Order>
declare const keyed: KeyedStream<Order, string>
const windowed = keyed.window(TumblingProcessingTimeWindows.of('1min'))

test('assigners of dynamic gaps know the record', () => {
  expectTypeOf(
    keyed.window(
      EventTimeSessionWindows.withDynamicGap((order) => {
        expectTypeOf(order).toEqualTypeOf<Order>()
        return order.gapMs
      }),
    ),
  ).toEqualTypeOf<WindowedStream<Order, string>>()
  keyed.window(ProcessingTimeSessionWindows.withDynamicGap((order: Order) => order.gapMs))
  // @ts-expect-error of another record
  keyed.window(ProcessingTimeSessionWindows.withDynamicGap((refund: { readonly at: number }) => refund.at))
  // @ts-expect-error no milliseconds
  keyed.window(EventTimeSessionWindows.withDynamicGap((order: Order) => order.user))
})

test('triggers and evictors know the record', () => {
  expectTypeOf(windowed.trigger(CountTrigger.of(3))).toEqualTypeOf<WindowedStream<Order, string>>()
  expectTypeOf(windowed.evictor(CountEvictor.of(3))).toEqualTypeOf<WindowedStream<Order, string>>()
  windowed.trigger(PurgingTrigger.of(ContinuousEventTimeTrigger.of('10s'))).evictor(TimeEvictor.of('1s'))
  windowed.trigger(DeltaTrigger.of(10, (from, to) => to.cents - from.cents))
  windowed.evictor(DeltaEvictor.of(10, (order, last) => last.cents - order.cents, { doEvictAfter: true }))
  windowed.trigger({
    onElement(order, timestamp, window, context) {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(timestamp).toEqualTypeOf<number>()
      expectTypeOf(window).toEqualTypeOf<TimeWindow>()
      expectTypeOf(context).toEqualTypeOf<TriggerContext>()
      const last = context.partitionedState.valueState(valueStateDescriptor<Order>('last'))
      expectTypeOf(last.value()?.cents).toEqualTypeOf<number | undefined>()
      return 'FIRE'
    },
    onEventTime: () => 'PURGE',
    onProcessingTime: () => 'FIRE_AND_PURGE',
    clear() {},
  })
  windowed.evictor({
    evictBefore(elements) {
      expectTypeOf(elements).toEqualTypeOf<readonly TimestampedValue<Order>[]>()
      return elements
    },
    evictAfter: () => [],
  })
  // @ts-expect-error of another record
  windowed.evictor(null as unknown as Evictor<{ readonly at: number }>)
  // @ts-expect-error no result of a trigger
  const wrong: Trigger<Order> = { ...CountTrigger.of(1), onEventTime: () => 'FIRED' }
  // @ts-expect-error clear is missing
  windowed.trigger({ onElement: () => 'FIRE', onEventTime: () => 'FIRE', onProcessingTime: () => 'FIRE' })
  expectTypeOf(wrong).toEqualTypeOf<Trigger<Order>>()
})

test('window functions have state of window and key', () => {
  windowed.process<number>({
    process(_key, context, _elements, out) {
      expectTypeOf(context.windowState).toEqualTypeOf<KeyedStateStore>()
      expectTypeOf(context.globalState).toEqualTypeOf<KeyedStateStore>()
      expectTypeOf(context.currentProcessingTime).toEqualTypeOf<number>()
      out.collect(context.windowState.valueState(valueStateDescriptor<number>('fired')).value() ?? 0)
    },
    clear: (context) => context.windowState.valueState(valueStateDescriptor<number>('fired')).clear(),
  })
  expectTypeOf(
    windowed.apply((key, window, elements, out: Collector<string>) => {
      expectTypeOf(elements).toEqualTypeOf<readonly Order[]>()
      out.collect(key + window.start)
    }),
  ).toEqualTypeOf<SingleOutputStreamOperator<string>>()
})

test('count windows and windows over all records', () => {
  expectTypeOf(keyed.countWindow(3)).toEqualTypeOf<WindowedStream<Order, string>>()
  expectTypeOf(keyed.window(GlobalWindows.create()).trigger(CountTrigger.of(1)).aggregate(count())).toEqualTypeOf<
    SingleOutputStreamOperator<number>
  >()
  const all = orders.windowAll(TumblingEventTimeWindows.of('1h'))
  expectTypeOf(all).toEqualTypeOf<AllWindowedStream<Order>>()
  expectTypeOf(orders.countWindowAll(10, 2)).toEqualTypeOf<AllWindowedStream<Order>>()
  expectTypeOf(all.aggregate(count())).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  expectTypeOf(
    all.aggregate(count(), { withWindow: (orderCount, { start }) => ({ orderCount, start }) }),
  ).toEqualTypeOf<SingleOutputStreamOperator<{ orderCount: number; start: number }>>()
  expectTypeOf(all.reduce((left) => left)).toEqualTypeOf<SingleOutputStreamOperator<Order>>()
  expectTypeOf(
    all.process<string>({
      process(context, elements, out) {
        expectTypeOf(elements).toEqualTypeOf<readonly Order[]>()
        out.collect(`${context.window.start} ${elements.length}`)
      },
    }),
  ).toEqualTypeOf<SingleOutputStreamOperator<string>>()
  expectTypeOf(
    all.apply((window, elements, out: Collector<number>) => out.collect(window.end + elements.length)),
  ).toEqualTypeOf<SingleOutputStreamOperator<number>>()
})
