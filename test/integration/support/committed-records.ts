import { type KafkaRecord, KafkaSource } from '../../../src/connectors/kafka/index.ts'
import { WatermarkStrategy } from '../../../src/index.ts'
import { collectingSink, startTestCluster } from '../../../src/testing/index.ts'

export interface ReadRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly partition: number
  readonly headers: Readonly<Record<string, string | null>>
}

/** What a reader sees now, by default one that reads committed data only: up to the last stable offset. */
export async function recordsOf(
  brokers: readonly string[],
  topic: string,
  isolation: 'read_committed' | 'read_uncommitted' = 'read_committed',
): Promise<readonly ReadRecord[]> {
  const sink = collectingSink<ReadRecord>()
  await using cluster = startTestCluster({ time: 'system' })
  const result = await cluster.run((env) => {
    const source = KafkaSource.of({ brokers, topics: [topic], isolation, endOffsets: 'latest', deserialize: textOf })
    env.fromSource(source, WatermarkStrategy.noWatermarks(), 'read').sinkTo(sink, 'records')
  })
  if (result.state !== 'FINISHED') throw new Error(`reading ${topic}: ${JSON.stringify(result.error)}`)
  return sink.records
}

function textOf({ key, value, timestamp, partition, headers }: KafkaRecord): ReadRecord {
  return {
    key: key === null ? null : key.toString('utf8'),
    value: value === null ? null : value.toString('utf8'),
    timestamp,
    partition,
    headers: Object.fromEntries(headers.map((header) => [header.key, header.value?.toString('utf8') ?? null])),
  }
}
