// A running count and sum a user of payments in files, into exactly-once files, or into hashes of Redis. Arguments: input folder,
// output folder or address of Redis, pause.
import { job, WatermarkStrategy } from 'millrace'
import { FileSink, FileSource, jsonLines } from 'millrace/filesystem'
import { int32, json, record, string } from 'millrace/formats'
import { RedisSink } from 'millrace/redis'
import type { RunningSum } from '../support/payments.ts'
import { paced } from './paced.ts'

const payment = record({ id: int32(), user: string(), amount: int32() })

export default job('file-sums', (env, [input = '', output = '', pauseMs = '0']) => {
  const toRedis = output.startsWith('redis:')
  // The sums of files are told after each payment, in its user's order: those files are read whole.
  const ranges = toRedis ? { maxSplitSize: 100_000 } : {}
  const source = FileSource.of({ paths: input, format: jsonLines(json(payment)), ...ranges })
  const sums = env
    .fromSource(source, WatermarkStrategy.noWatermarks(), 'payments')
    .map(paced(200, Number(pauseMs)))
    .keyBy(({ user }) => user)
    .aggregate({
      createAccumulator: () => ({ count: 0, sum: 0, id: -1, user: '' }),
      add: ({ count, sum }, { id, user, amount }) => ({ count: count + 1, sum: sum + amount, id, user }),
      getResult: ({ id, user, count, sum }): RunningSum => ({ id, user, count, sum }),
    })
  if (!toRedis) {
    sums.sinkTo(FileSink.of({ folder: output }))
    return
  }
  const hash = ({ count, sum }: RunningSum) => ({ count, sum })
  sums.sinkTo(RedisSink.of<RunningSum>({ url: output, key: ({ user }) => `sum:${user}`, hash }))
})
