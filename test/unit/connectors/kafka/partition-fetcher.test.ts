import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { SourceSplit } from '../../../../src/api/source.ts'
import { systemClock } from '../../../../src/common/system-ports.ts'
import { BrokerConnector } from '../../../../src/connectors/kafka/broker-connection.ts'
import { FetchBuffers } from '../../../../src/connectors/kafka/fetch-buffers.ts'
import { KafkaSource } from '../../../../src/connectors/kafka/index.ts'
import { connectionSettings, type KafkaProperties } from '../../../../src/connectors/kafka/kafka-options.ts'
import { string } from '../../../../src/formats/index.ts'
import { SourceRun } from '../../../integration/support/source-run.ts'
import { encodeBatch } from './batch-encoder.ts'
import { FakeBroker, type FakeFetchAnswer, type FakeScript, type FakeTarget } from './fake-broker.ts'

const brokers: FakeBroker[] = []
const runs: SourceRun<string>[] = []

afterEach(async () => {
  await Promise.all(runs.splice(0).map((run) => run.reader.close()))
  await Promise.all(brokers.splice(0).map((broker) => broker.stop()))
})

/** One broker, or several, that lead the partitions as `leaders` says. */
async function start(script: Partial<FakeScript> & Pick<FakeScript, 'fetch'>): Promise<FakeBroker> {
  const node = brokers.length + 1
  const broker = await FakeBroker.start({
    leaders: () => [1],
    nodes: () => new Map(brokers.map(({ port }, index) => [index + 1, port])),
    ...script,
  })
  brokers[node - 1] = broker
  return broker
}

function read(broker: FakeBroker, splits: readonly SourceSplit[], properties: KafkaProperties = {}): SourceRun<string> {
  const source = KafkaSource.of({ brokers: [broker.address], topics: ['ads'], value: string(), properties })
  const run = new SourceRun(source, splits)
  runs.push(run)
  return run
}

function split(partition: number, offset: number, end?: number): SourceSplit {
  return {
    id: `ads-${partition}`,
    position: { topic: 'ads', partition, offset, ...(end === undefined ? {} : { end }) },
  }
}

/** A batch with `count` records from the offset that was asked for. */
function batchAt({ partition, offset }: FakeTarget, count: number): Buffer {
  const records = Array.from({ length: count }, (_, index) => ({
    offset: offset + index,
    timestamp: 0,
    key: null,
    value: Buffer.from(`${partition}:${offset + index}`),
  }))
  return encodeBatch({ records })
}

const endless = (target: FakeTarget) => ({ records: batchAt(target, 10), highWatermark: 1e9 })

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('waited for 5 s in vain')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('fetching', () => {
  test('nothing is fetched while two answers wait, and fetching goes on when one is used up', async () => {
    const broker = await start({ fetch: () => ({ partition: endless }) })
    const run = read(broker, [split(0, 0)])
    await until(() => broker.fetches === 2)
    // Both answers have arrived once the lag is known and many turns have passed.
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(broker.fetches).toBe(2)
    await run.until(() => run.records.length === 10)
    await run.until(() => run.records.length === 20)
    await until(() => broker.fetches >= 3)
    expect(run.values.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, offset) => `0:${offset}`))
  })

  test('a partition that was served is asked for last the next time, so that none starves', async () => {
    const orders: number[][] = []
    const broker = await start({
      leaders: () => [1, 1, 1],
      fetch: (targets) => {
        orders.push(targets.map(({ partition }) => partition))
        const first = targets[0]?.partition
        return { partition: (target) => (target.partition === first ? endless(target) : { highWatermark: 1e9 }) }
      },
    })
    const run = read(broker, [split(0, 0), split(1, 0), split(2, 0)])
    await run.until(() => run.records.length >= 60)
    expect(orders.slice(0, 4)).toEqual([
      [0, 1, 2],
      [1, 2, 0],
      [2, 0, 1],
      [0, 1, 2],
    ])
  })

  test('a partition whose leader has moved is read from the new leader', async () => {
    let leader = 1
    const first = await start({
      leaders: () => [leader],
      fetch: (_, count): FakeFetchAnswer => {
        if (count === 1) return { partition: (target) => ({ records: batchAt(target, 5), highWatermark: 20 }) }
        leader = 2
        return { partition: () => ({ errorCode: 6, highWatermark: -1 }) }
      },
    })
    const second = await start({
      leaders: () => [leader],
      fetch: () => ({ partition: (target) => ({ records: batchAt(target, 20 - target.offset), highWatermark: 20 }) }),
    })
    const run = read(first, [split(0, 0, 20)])
    await run.toEnd()
    expect(run.values).toEqual(Array.from({ length: 20 }, (_, offset) => `0:${offset}`))
    expect(second.fetches).toBe(1)
  })

  test('R18: an end before which compaction has left no record is reached', async () => {
    const broker = await start({ fetch: () => ({ partition: () => ({ highWatermark: 50 }) }) })
    const run = await read(broker, [split(0, 10, 40)]).toEnd()
    expect(run.records).toEqual([])
    expect(run.reader.snapshot()).toEqual([split(0, 40, 40)])
    expect(run.finishedSplits).toEqual(['ads-0'])
  })

  test('an empty answer of a broker that asks for a pause is no end', async () => {
    const broker = await start({
      fetch: (_, count) => ({
        throttleMs: count === 1 ? 50 : 0,
        partition: (target) => ({ records: batchAt(target, 10), highWatermark: 10 }),
      }),
    })
    const run = await read(broker, [split(0, 0, 10)]).toEnd()
    expect(run.values).toHaveLength(10)
  })

  test('an error that no waiting mends fails the source, naming the partition', async () => {
    const broker = await start({ fetch: () => ({ partition: () => ({ errorCode: 29 }) }) })
    await expect(read(broker, [split(0, 0)]).until(() => false)).rejects.toMatchObject({
      code: 'MR_KAFKA_TOPIC',
      message: expect.stringMatching(/topic ads, partition 0: .*may not be read: TOPIC_AUTHORIZATION_FAILED/),
    })
  })

  test('a damaged batch fails the poll, naming topic, partition and offset, after the records before it', async () => {
    const broker = await start({
      fetch: () => ({
        partition: (target) => {
          const bad = batchAt({ ...target, offset: 15 }, 5)
          bad.writeUInt8(0xff, 70)
          return { records: Buffer.concat([batchAt(target, 5), bad]) }
        },
      }),
    })
    const run = read(broker, [split(0, 10)])
    await expect(run.until(() => false, { maxRecords: 5 })).rejects.toMatchObject({
      code: 'MR_KAFKA_CORRUPT',
      message: expect.stringContaining('topic ads, partition 0, offset 15: the record batch is damaged: checksum'),
    })
    expect(run.values).toHaveLength(5)
  })
})

describe('connections', () => {
  test('a broker that does not answer is left after the request timeout, and reading goes on', async () => {
    const broker = await start({
      fetch: (_, count): FakeFetchAnswer =>
        count === 1 ? 'no answer' : { partition: (target) => ({ records: batchAt(target, 10), highWatermark: 10 }) },
    })
    const run = await read(broker, [split(0, 0, 10)], { requestTimeout: 250 }).toEnd()
    expect(run.values).toHaveLength(10)
  })

  test('closing a reader does not wait for a broker that does not answer', async () => {
    const broker = await start({ fetch: () => 'no answer' as const })
    const run = read(broker, [split(0, 0)])
    await until(() => broker.fetches === 1)
    const begun = performance.now()
    await run.reader.close()
    expect(performance.now() - begun).toBeLessThan(200)
  })

  test('a port at which something else than Kafka listens is one clear error', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const connector = new BrokerConnector({
      settings: connectionSettings({}),
      buffers: new FetchBuffers({ reuse: false }),
      clock: systemClock,
      uniqueText: () => 'nonce',
    })
    await expect(connector.connect({ host: '127.0.0.1', port: port ?? 0 })).rejects.toMatchObject({
      code: 'MR_KAFKA_UNREACHABLE',
      message: expect.stringContaining("does not speak Kafka's protocol"),
    })
    await new Promise((resolve) => server.close(resolve))
  })
})
