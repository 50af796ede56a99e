import {
  AsyncDataStream,
  ContinuousEventTimeTrigger,
  CountEvictor,
  CountTrigger,
  count,
  type DataStream,
  type DeadLetter,
  EventTimeSessionWindows,
  GlobalWindows,
  type JobBuilder,
  type KeyedBroadcastProcessFunction,
  type KeyedCoProcessFunction,
  type KeyedProcessFunction,
  mapStateDescriptor,
  outputTag,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  type ValueState,
  valueStateDescriptor,
  WatermarkStrategy,
} from 'millrace'
import { collectingSink, FAIL, scriptedSource, startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'

interface Event {
  readonly id: number
  readonly at: number
}

const ids = Array.from({ length: 60 }, (_, index) => index)
const ascending = WatermarkStrategy.forMonotonousTimestamps().withTimestamps(({ at }: Event) => at)
const refused = outputTag<DeadLetter>('refused')
const keyOf = ({ id }: Event): number => id % 3

/** Emits what it has counted only when a timer far behind the last record fires. */
function countedAtTheEnd(): Omit<Required<KeyedProcessFunction<number, Event, string>>, 'close'> {
  let seen: ValueState<number>
  return {
    open(context) {
      seen = context.valueState(valueStateDescriptor<number>('seen'))
    },
    processElement(_event, context) {
      seen.update((seen.value() ?? 0) + 1)
      context.timers.registerEventTimeTimer(1_000_000)
    },
    onTimer(_timestamp, context, out) {
      out.collect(`${context.key}: ${seen.value()}`)
    },
  }
}

/** The same with two inputs. */
function bothCountedAtTheEnd(): KeyedCoProcessFunction<number, Event, Event, string> {
  const { open, processElement, onTimer } = countedAtTheEnd()
  return { open, processElement1: processElement, processElement2: processElement, onTimer }
}

const rules = mapStateDescriptor<number, number>('rules')

/** The same with rules, of which it counts those that have come. */
function countedWithRules(): KeyedBroadcastProcessFunction<number, Event, Event, string> {
  const { open, processElement } = countedAtTheEnd()
  return {
    open,
    processElement: (event, context, out) => processElement(event, context, out),
    processBroadcastElement: ({ id }, context) => context.broadcastState(rules).put(id, id),
    onTimer: (_timestamp, context, out) =>
      out.collect(`${context.key}: ${[...context.broadcastState(rules).keys()].length} rules`),
  }
}

const keyed = (events: DataStream<Event>) => events.keyBy(keyOf)
const first = (left: Event): Event => left

/** One branch for each kind of operator, each with what a bounded input has to give in the end. */
const branches: Readonly<
  Record<string, { declare(events: DataStream<Event>, delay: () => Promise<void>): DataStream<unknown>; count: number }>
> = {
  map: { declare: (events) => events.map(({ id }) => id), count: 60 },
  filter: { declare: (events) => events.filter(({ id }) => id < 10), count: 10 },
  flatMap: { declare: (events) => events.flatMap(({ id }) => [id, id]), count: 120 },
  process: {
    declare: (events) => events.process<number>({ processElement: ({ id }, _context, out) => out.collect(id) }),
    count: 60,
  },
  timestamps: { declare: (events) => events.assignTimestampsAndWatermarks(ascending), count: 60 },
  keyedProcess: { declare: (events) => events.keyBy(keyOf).process(countedAtTheEnd()), count: 3 },
  reduce: { declare: (events) => events.keyBy(keyOf).reduce((left) => left), count: 60 },
  aggregate: { declare: (events) => events.keyBy(keyOf).aggregate(count()), count: 60 },
  tumbling: {
    declare: (events) => events.keyBy(keyOf).window(TumblingEventTimeWindows.of(1000)).aggregate(count()),
    count: 3,
  },
  sliding: {
    declare: (events) => events.keyBy(keyOf).window(SlidingEventTimeWindows.of(2000, 1000)).aggregate(count()),
    count: 6,
  },
  session: {
    declare: (events) =>
      events
        .keyBy(keyOf)
        .window(EventTimeSessionWindows.withGap(500))
        .reduce((left) => left),
    count: 3,
  },
  union: { declare: (events) => events.rebalance().union(events.filter(({ id }) => id < 5)), count: 65 },
  orderedWait: {
    declare: (events, delay) =>
      AsyncDataStream.orderedWait(events, (event) => delay().then(() => [event]), { timeout: '1h', capacity: 3 }),
    count: 60,
  },
  unorderedWait: {
    declare: (events, delay) =>
      AsyncDataStream.unorderedWait(events, (event) => delay().then(() => [event]), { timeout: '1h' }),
    count: 60,
  },
  windowBehindAsync: {
    declare: (events, delay) =>
      AsyncDataStream.unorderedWait(
        events
          .keyBy(keyOf)
          .window(TumblingEventTimeWindows.of(10))
          .reduce((left) => left),
        (event) => delay().then(() => [event]),
        { timeout: '1h', capacity: 2 },
      )
        .keyBy(() => 'all')
        .window(TumblingEventTimeWindows.of(1000))
        .aggregate(count()),
    count: 1,
  },
  countWindow: { declare: (events) => keyed(events).countWindow(7).reduce(first), count: 6 },
  slidingCountWindow: { declare: (events) => keyed(events).countWindow(4, 2).aggregate(count()), count: 30 },
  globalWindow: {
    declare: (events) => keyed(events).window(GlobalWindows.create()).trigger(CountTrigger.of(7)).reduce(first),
    count: 6,
  },
  // Nobody waits for the clock: what such a window holds in the end is dropped, as in Flink.
  processingTimeWindow: {
    declare: (events) => keyed(events).window(TumblingProcessingTimeWindows.of('1h')).aggregate(count()),
    count: 0,
  },
  dynamicSession: {
    declare: (events) =>
      keyed(events)
        .window(EventTimeSessionWindows.withDynamicGap(({ id }) => 500 + id))
        .reduce(first),
    count: 3,
  },
  trigger: {
    declare: (events) =>
      keyed(events)
        .window(TumblingEventTimeWindows.of(1000))
        .trigger(ContinuousEventTimeTrigger.of('1h'))
        .aggregate(count()),
    count: 3,
  },
  evictor: {
    declare: (events) =>
      keyed(events)
        .window(TumblingEventTimeWindows.of(1000))
        .evictor(CountEvictor.of(2))
        .process<number>({ process: (_key, _context, { length }, out) => out.collect(length) }),
    count: 3,
  },
  windowAll: { declare: (events) => events.windowAll(TumblingEventTimeWindows.of(1000)).aggregate(count()), count: 1 },
  coMap: { declare: (events) => events.connect(events).map({ map1: first, map2: first }), count: 120 },
  coFlatMap: {
    declare: (events) => events.connect(events).flatMap({ flatMap1: ({ id }) => [id], flatMap2: () => [] }),
    count: 60,
  },
  coProcess: {
    declare: (events) =>
      events.connect(events.rebalance()).process<number>({
        processElement1: ({ id }, _context, out) => out.collect(id),
        processElement2: ({ id }, _context, out) => out.collect(id),
      }),
    count: 120,
  },
  keyedCoProcess: {
    declare: (events) => keyed(events).connect(keyed(events)).process(bothCountedAtTheEnd()),
    count: 3,
  },
  broadcastProcess: {
    declare: (events) =>
      events.connect(events.broadcast(rules)).process<number>({
        processElement: ({ id }, _context, out) => out.collect(id),
        processBroadcastElement: ({ id }, context) => context.broadcastState(rules).put(id, id),
      }),
    count: 60,
  },
  keyedBroadcastProcess: {
    declare: (events) => keyed(events).connect(events.broadcast(rules)).process(countedWithRules()),
    count: 3,
  },
  join: {
    declare: (events) =>
      events
        .join(events)
        .where(keyOf)
        .equalTo(keyOf)
        .window(TumblingEventTimeWindows.of(1000))
        .apply((left, right) => [left.id, right.id]),
    count: 1200,
  },
  coGroup: {
    declare: (events) =>
      events
        .coGroup(events)
        .where(keyOf)
        .equalTo(keyOf)
        .window(TumblingEventTimeWindows.of(1000))
        .apply<number>({ coGroup: (lefts, rights, out) => out.collect([...lefts].length + [...rights].length) }),
    count: 3,
  },
  intervalJoin: {
    declare: (events) =>
      keyed(events)
        .intervalJoin(keyed(events))
        .between(0, 3)
        .process<number>({ processElement: (left, _right, _context, out) => out.collect(left.id) }),
    // Each with itself and the next one of its key.
    count: 117,
  },
  asyncIntoTwoInputs: {
    declare: (events, delay) =>
      keyed(
        AsyncDataStream.unorderedWait(events, (event) => delay().then(() => [event]), { timeout: '1h' }).name(
          'before two inputs',
        ),
      )
        .connect(keyed(events))
        .process(bothCountedAtTheEnd()),
    count: 3,
  },
  deadLetters: {
    declare: (events) =>
      events
        .map(({ id }) => {
          if (id % 2 === 0) throw new Error('even')
          return id
        })
        .deadLetters(refused)
        .getSideOutput(refused),
    count: 30,
  },
}

test.each([
  ['without checkpoints', undefined, false, '20s'],
  ['with checkpoints', '50ms', false, '20ms'],
  ['with checkpoints, through a failure', '10ms', true, '20ms'],
] as const)(
  'a bounded job ends %s with all windows and timers fired, nothing in flight, and its sinks committed (R12)',
  async (_name, interval, fails, latency) => {
    const sinks = new Map(Object.keys(branches).map((name) => [name, collectingSink<unknown>()]))
    await using cluster = startTestCluster()
    const build: JobBuilder = (env) => {
      env.setParallelism(2)
      if (interval !== undefined) env.enableCheckpointing(interval)
      const half = (first: boolean): (Event | typeof FAIL)[] => [
        ...ids.filter((id) => id < 30 === first).map((id) => ({ id, at: id })),
      ]
      const scripts = [half(true), half(false)]
      if (fails) scripts[1]?.splice(20, 0, FAIL)
      const source = scriptedSource(scripts as Event[][], { recordsAtOnce: 7, interval: '3ms' })
      const events = env.fromSource(source, ascending, 'events')
      for (const [name, { declare }] of Object.entries(branches)) {
        const stream = declare(events, () => cluster.delay(latency))
        const sink = sinks.get(name)
        // Stateful operators of one kind are told apart.
        if ('uid' in stream && typeof stream.uid === 'function') stream.uid(name)
        if (sink !== undefined) stream.sinkTo(sink, `sink of ${name}`)
      }
    }
    const { state, error, restarts } = await cluster.run(build)
    expect({ state, error, restarts }).toEqual({ state: 'FINISHED', error: undefined, restarts: fails ? 1 : 0 })
    const counts = Object.fromEntries([...sinks].map(([name, { records }]) => [name, records.length]))
    expect(counts).toEqual(
      Object.fromEntries(Object.entries(branches).map(([name, { count: wanted }]) => [name, wanted])),
    )
  },
)
