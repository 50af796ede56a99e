// A running count and sum a user, one result for each payment, into exactly-once files, or a topic. Arguments: topic, output folder, pause, records at which a slot dies, topic to write to.
import { existsSync, writeFileSync } from 'node:fs'
import { job, type Sink, WatermarkStrategy } from 'millrace'
import { FileSink } from 'millrace/filesystem'
import { json } from 'millrace/formats'
import { KafkaSink, KafkaSource } from 'millrace/kafka'
import type { Payment, RunningSum } from '../support/payments.ts'
import { paced } from './paced.ts'

interface Accumulator {
  count: number
  sum: number
  last: Payment | undefined
}

/** Ends the slot's thread once for each of the given record ids; a file remembers it, since a replay meets the record again. */
function slotKiller(ids: readonly number[], folder: string): (value: Payment) => Payment {
  const pending = new Set(ids)
  return (value) => {
    if (pending.has(value.id)) {
      const marker = `${folder}/killed-${value.id}`
      if (!existsSync(marker)) {
        writeFileSync(marker, '')
        process.exit(1)
      }
    }
    return value
  }
}

export default job('running-sum', (env, [topic = '', folder = '.', pauseMs = '0', killAt = '', outTopic = '']) => {
  const source = KafkaSource.of({ topics: [topic], groupId: topic, value: json<Payment>(), endOffsets: 'latest' })
  const sink: Sink<RunningSum> =
    outTopic === ''
      ? FileSink.of({ folder })
      : KafkaSink.of<RunningSum>({ topic: outTopic, value: json(), key: ({ user }) => user })
  const killed = killAt === '' ? [] : killAt.split(',').map(Number)
  env
    .fromSource(source, WatermarkStrategy.noWatermarks(), 'payments')
    .map(paced(200, Number(pauseMs)))
    .map(slotKiller(killed, '.'))
    .keyBy((payment) => payment.user)
    .aggregate({
      createAccumulator: (): Accumulator => ({ count: 0, sum: 0, last: undefined }),
      add: (accumulator, payment: Payment) => ({
        count: accumulator.count + 1,
        sum: accumulator.sum + payment.amount,
        last: payment,
      }),
      getResult: ({ count, sum, last }): RunningSum => ({ id: last?.id ?? -1, user: last?.user ?? '', count, sum }),
    })
    .sinkTo(sink)
})
