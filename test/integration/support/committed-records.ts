import { systemClock } from '../../../src/common/system-ports.ts'
import { FetchBuffers } from '../../../src/connectors/kafka/fetch-buffers.ts'
import { type KafkaRecord, KafkaSource } from '../../../src/connectors/kafka/index.ts'
import type { Offsets } from '../../../src/connectors/kafka/kafka-admin.ts'
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

export type AskOffsets = (timestamp: number, isolation: IsolationLevel) => Promise<Offsets>

export async function offsetsOf<Result>(
  brokers: readonly string[],
  topic: string,
  ask: (offsets: AskOffsets) => Promise<Result>,
  limitMs = 20_000,
): Promise<Result> {
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
    if (partitions.length === 0) throw new Error(`the brokers know no partitions of ${topic}`)
    return await ask((timestamp, isolation) => {
      const queries = partitions.map(({ partition }) => ({ topic, partition, timestamp }))
      return listOffsets(client, queries, isolation, limits)
    })
  } finally {
    client.close()
  }
}

/**
 * Waits until no transaction holds readers of committed data back: a broker writes the end of a transaction after it has
 * confirmed it.
 */
export async function untilNothingIsOpen(brokers: readonly string[], topic: string, limitMs = 20_000): Promise<void> {
  const untilEqual = async (offsets: AskOffsets): Promise<void> => {
    const ends = async (isolation: IsolationLevel): Promise<string> =>
      JSON.stringify([...(await offsets(latestTimestamp, isolation))].toSorted())
    const deadline = Date.now() + limitMs
    for (;;) {
      const [committed, all] = [await ends('read_committed'), await ends('read_uncommitted')]
      if (committed === all) return
      if (Date.now() > deadline) throw new Error(`a transaction is open on ${topic}: ${committed} of ${all}`)
      await new Promise((settle) => setTimeout(settle, 20))
    }
  }
  await offsetsOf(brokers, topic, untilEqual, limitMs)
}

/** In ListOffsets: the begin of the log. */
const earliestTimestamp = -2

/**
 * A broker deletes records that are older, by their own timestamps, than the topic's retention: a reader from the begin
 * does not see that they were ever there, which is no loss of whoever wrote them.
 */
async function checkNothingWasDeleted(brokers: readonly string[], topic: string): Promise<void> {
  const first = await offsetsOf(brokers, topic, async (offsets) => offsets(earliestTimestamp, 'read_uncommitted'))
  const deleted = [...first].filter(([, offset]) => offset > 0)
  if (deleted.length === 0) return
  const places = deleted.map(([partition, offset]) => `${partition} before offset ${offset}`).join(', ')
  throw new Error(`the broker has deleted records of ${topic} (retention.ms): ${places}`)
}

/**
 * What readers of committed data see when nothing is open any more.
 * @throws Error where the broker has deleted some of it
 */
export async function recordsOf(brokers: readonly string[], topic: string): Promise<readonly ReadRecord[]> {
  await untilNothingIsOpen(brokers, topic)
  const sink = collectingSink<ReadRecord>()
  await using cluster = startTestCluster({ time: 'system' })
  const result = await cluster.run((env) => {
    const source = KafkaSource.of({ brokers, topics: [topic], endOffsets: 'latest', deserialize: textOf })
    env.fromSource(source, WatermarkStrategy.noWatermarks(), 'read').sinkTo(sink, 'records')
  })
  if (result.state !== 'FINISHED') throw new Error(`reading ${topic}: ${JSON.stringify(result.error)}`)
  // After the reading, so that nothing can be deleted between the two.
  await checkNothingWasDeleted(brokers, topic)
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
