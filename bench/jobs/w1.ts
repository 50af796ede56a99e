// W1: count raw values of 150 bytes and add up their first four bytes (bench/peers/README.md).
import { job, WatermarkStrategy } from 'millrace'
import { bytes } from 'millrace/formats'
import { KafkaSource } from 'millrace/kafka'
import { noted, summingSink, tracked } from './measuring.ts'

export default job('w1', (env, [topic = 'peers-w1', folder = '.']) => {
  const source = KafkaSource.of({ topics: [topic], groupId: 'bench-w1', value: noted(bytes()), endOffsets: 'latest' })
  env.fromSource(tracked(source), WatermarkStrategy.noWatermarks(), 'values').sinkTo(
    summingSink(
      folder,
      (value) => (((value[0] ?? 0) << 24) >>> 0) + (((value[1] ?? 0) << 16) | ((value[2] ?? 0) << 8) | (value[3] ?? 0)),
      (value) => value.length,
    ),
  )
})
