// W2: running count and sum by user, every update to a sink, a checkpoint a second (bench/peers/README.md).
import { type AggregateFunction, count, job, sum, WatermarkStrategy } from 'millrace'
import { double, int32, json, long, record, string, type TypeOf } from 'millrace/formats'
import { KafkaSource } from 'millrace/kafka'
import { noted, summingColumnsSink, summingSink, tracked } from './measuring.ts'

const userEvent = record({ userId: string(), ts: long(), value: int32() })
const running = record({ count: double(), sum: double() })
type UserEvent = TypeOf<typeof userEvent>
type Running = TypeOf<typeof running>

const countAndSum: Omit<AggregateFunction<UserEvent, Running, Running>, 'accumulatorType'> = {
  createAccumulator: () => ({ count: 0, sum: 0 }),
  add(accumulator, event) {
    accumulator.count++
    accumulator.sum += event.value
    return accumulator
  },
  getResult: ({ count, sum }) => ({ count, sum }),
}

export default job('w2', (env, [topic = 'peers-w2', folder = '.', tier = 'typed']) => {
  if (tier === 'columns') {
    const source = KafkaSource.of({
      topics: [topic],
      groupId: 'bench-w2',
      value: json(userEvent),
      endOffsets: 'latest',
    })
    env
      .fromSource(tracked(source), WatermarkStrategy.noWatermarks(), 'events')
      .keyBy('userId')
      .aggregate({ count: count(), sum: sum('value') })
      .sinkTo(summingColumnsSink(folder, 'count', 'sum'))
    return
  }
  const format = tier === 'typed' ? json(userEvent) : json<UserEvent>()
  const aggregate = tier === 'typed' ? { ...countAndSum, accumulatorType: running } : countAndSum
  env
    .fromSource(
      tracked(KafkaSource.of({ topics: [topic], groupId: 'bench-w2', value: noted(format), endOffsets: 'latest' })),
      WatermarkStrategy.noWatermarks(),
      'events',
    )
    .keyBy((event) => event.userId)
    .aggregate(aggregate)
    .sinkTo(
      summingSink(
        folder,
        (update) => update.count,
        (update) => update.sum,
      ),
    )
})
