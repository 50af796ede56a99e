// Tumbling windows, sessions and timers of event time over one topic, each into exactly-once files of its own. Arguments:
// topic, output folder, pause in milliseconds a 200 records.
import {
  EventTimeSessionWindows,
  job,
  type KeyedProcessFunction,
  type MapState,
  mapStateDescriptor,
  TumblingEventTimeWindows,
  WatermarkStrategy,
} from 'millrace'
import { FileSink } from 'millrace/filesystem'
import { json, long, record } from 'millrace/formats'
import { KafkaSource } from 'millrace/kafka'
import { type Click, type ClickTotal, gapMs, lateByMs, timerOf, windowMs } from '../support/clicks.ts'
import { paced } from './paced.ts'

/** Declared: kept off the heap. */
const totalType = record({ count: long(), sum: long() })

interface Sums {
  count: number
  sum: number
}

const total = {
  createAccumulator: (): Sums => ({ count: 0, sum: 0 }),
  add: (accumulator: Sums, click: Click) => {
    accumulator.count++
    accumulator.sum += click.amount
    return accumulator
  },
  merge: (left: Sums, right: Sums) => ({ count: left.count + right.count, sum: left.sum + right.sum }),
  getResult: ({ count, sum }: Sums) => ({ count, sum }),
}

/** Sums clicks in buckets of a map, and tells each by a timer. */
function buckets(): KeyedProcessFunction<string, Click, ClickTotal> {
  let sums: MapState<number, Sums>
  return {
    open(context) {
      sums = context.mapState(mapStateDescriptor<number, Sums>('buckets'))
    },
    processElement({ at, amount }, { timers }) {
      const timer = timerOf(at)
      const { count, sum } = sums.get(timer) ?? { count: 0, sum: 0 }
      sums.put(timer, { count: count + 1, sum: sum + amount })
      timers.registerEventTimeTimer(timer)
    },
    onTimer(timestamp, { key }, out) {
      const { count, sum } = sums.get(timestamp) ?? { count: -1, sum: -1 }
      sums.remove(timestamp)
      out.collect({ user: key, end: timestamp, count, sum })
    },
  }
}

export default job('event-time', (env, [topic = '', folder = '.', pauseMs = '0']) => {
  const source = KafkaSource.of({ topics: [topic], groupId: topic, value: json<Click>(), endOffsets: 'latest' })
  const strategy = WatermarkStrategy.forBoundedOutOfOrderness(lateByMs).withTimestamps((click: Click) => click.at)
  const clicks = env
    .fromSource(source, strategy, 'clicks')
    .map(paced(200, Number(pauseMs)))
    .keyBy((click) => click.user)
  clicks
    .window(TumblingEventTimeWindows.of(windowMs))
    .aggregate(
      { ...total, accumulatorType: totalType },
      { withKey: (user, sums, { end }): ClickTotal => ({ user, end, ...sums }) },
    )
    .sinkTo(FileSink.of({ folder: `${folder}/tumbling` }))
    .name('tumbling files')
  clicks
    .window(EventTimeSessionWindows.withGap(gapMs))
    .aggregate(total, { withKey: (user, sums, { end }): ClickTotal => ({ user, end, ...sums }) })
    .sinkTo(FileSink.of({ folder: `${folder}/sessions` }))
    .name('sessions files')
  clicks
    .process(buckets())
    .sinkTo(FileSink.of({ folder: `${folder}/timers` }))
    .name('timers files')
})
