// W6: w2 with every update in an exactly-once Kafka topic (bench/peers/README.md).
import { type AggregateFunction, job, WatermarkStrategy } from 'millrace'
import { double, int32, json, long, record, string, type TypeOf } from 'millrace/formats'
import { KafkaSink, KafkaSource } from 'millrace/kafka'
import { noted, tracked } from './measuring.ts'
import { timed } from './timed-sink.ts'

const userEvent = record({ userId: string(), ts: long(), value: int32() })
const totals = record({ count: double(), sum: double() })
const running = record({ userId: string(), count: double(), sum: double() })
type UserEvent = TypeOf<typeof userEvent>
type Totals = TypeOf<typeof totals>
type Running = TypeOf<typeof running>

const countAndSum: Omit<AggregateFunction<UserEvent, Totals, Totals>, 'accumulatorType'> = {
  createAccumulator: () => ({ count: 0, sum: 0 }),
  add(accumulator, event) {
    accumulator.count++
    accumulator.sum += event.value
    return accumulator
  },
  getResult: ({ count, sum }) => ({ count, sum }),
}
const withKey = (userId: string, { count, sum }: Totals): Running => ({ userId, count, sum })

export default job('w6', (env, [topic = 'peers-w6', folder = '.', tier = 'typed']) => {
  const typed = tier === 'typed'
  const sink = KafkaSink.of<Running>({
    topic: 'peers-w6-out-millrace',
    key: (update) => update.userId,
    value: typed ? json(running) : json<Running>(),
  })
  env
    .fromSource(
      tracked(
        KafkaSource.of({
          topics: [topic],
          groupId: 'bench-w6',
          value: noted(typed ? json(userEvent) : json<UserEvent>()),
          endOffsets: 'latest',
        }),
      ),
      WatermarkStrategy.noWatermarks(),
      'events',
    )
    .keyBy((event) => event.userId)
    .aggregate(typed ? { ...countAndSum, accumulatorType: totals } : countAndSum, { withKey })
    .sinkTo(timed(folder, sink))
})
