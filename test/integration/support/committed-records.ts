import { systemClock } from '../../../src/common/system-ports.ts'
import { FetchBuffers } from '../../../src/connectors/kafka/fetch-buffers.ts'
import { type KafkaRecord, KafkaSource } from '../../../src/connectors/kafka/index.ts'
import { KafkaClient } from '../../../src/connectors/kafka/kafka-client.ts'
import { listOffsets } from '../../../src/connectors/kafka/kafka-offsets.ts'
import { connectionSettings } from '../../../src/connectors/kafka/kafka-options.ts'
import { type IsolationLevel, latestTimestamp } from '../../../src/connectors/kafka/kafka-protocol.ts'
import { WatermarkStrategy } from '../../../src/index.ts'
import { collectingSink, startTestCluster } from '../../../src/testing/index.ts'

export interface ReadRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly partition: number
  readonly headers: Readonly<Record<string, string | null>>
}

/**
 * Waits until no transaction holds readers of committed data back: a broker writes the end of a transaction after it has
 * confirmed it.
 */
export async function untilNothingIsOpen(brokers: readonly string[], topic: string, limitMs = 20_000): Promise<void> {
  const settings = connectionSettings({})
  const client = new KafkaClient({
    bootstrap: brokers,
    settings,
    buffers: new FetchBuffers({ reuse: false }),
    clock: systemClock,
  })
  const limits = { unreachableMs: limitMs, transientMs: limitMs }
  try {
    const partitions = (await client.refreshMetadata([topic])).topics[0]?.partitions ?? []
    const queries = partitions.map(({ partition }) => ({ topic, partition, timestamp: latestTimestamp }))
    const offsets = async (isolation: IsolationLevel): Promise<string> =>
      JSON.stringify([...(await listOffsets(client, queries, isolation, limits))].toSorted())
    const deadline = Date.now() + limitMs
    for (;;) {
      const [committed, all] = [await offsets('read_committed'), await offsets('read_uncommitted')]
      if (committed === all) return
      if (Date.now() > deadline) throw new Error(`a transaction is open on ${topic}: ${committed} of ${all}`)
      await new Promise((settle) => setTimeout(settle, 20))
    }
  } finally {
    client.close()
  }
}

/** What readers of committed data see when nothing is open any more. */
export async function recordsOf(brokers: readonly string[], topic: string): Promise<readonly ReadRecord[]> {
  await untilNothingIsOpen(brokers, topic)
  const sink = collectingSink<ReadRecord>()
  await using cluster = startTestCluster({ time: 'system' })
  const result = await cluster.run((env) => {
    const source = KafkaSource.of({ brokers, topics: [topic], endOffsets: 'latest', deserialize: textOf })
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
