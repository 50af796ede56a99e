import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { KafkaSink } from '../../src/connectors/kafka/index.ts'
import { json, string } from '../../src/formats/index.ts'
import { RestartStrategies, WatermarkStrategy } from '../../src/index.ts'
import { scriptedSource, startTestCluster } from '../../src/testing/index.ts'
import { recordsOf } from './support/committed-records.ts'
import { TestTopics } from './support/topics.ts'

const brokers = inject('kafkaBootstrap').split(',')
const topics = new TestTopics({ brokers })

beforeAll(() => topics.open())
afterAll(() => topics.close())

const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

test.each(compressions)(
  'a bounded job writes each record once, compression %s, with keys, headers and times',
  async (compression) => {
    const topic = await topics.create({ name: 'sink', partitions: 3 })
    await using cluster = startTestCluster({ time: 'system' })
    const result = await cluster.run((env) => {
      env.enableCheckpointing('50ms', { timeout: '1min' })
      env
        .fromSequence(1, 5000)
        .map((n) => ({ n }))
        .sinkTo(
          KafkaSink.of<{ n: number }>({
            brokers,
            topic,
            value: json(),
            compression,
            key: ({ n }) => (n % 10 === 0 ? null : `k${n % 7}`),
            headers: ({ n }) => ({ parity: n % 2 === 0 ? 'even' : 'odd' }),
            timestamp: ({ n }) => 1_000_000 + n,
          }),
        )
    })
    expect(result).toMatchObject({ state: 'FINISHED', restarts: 0 })
    const read = await recordsOf(brokers, topic)
    const found = read.map(({ key, value, timestamp, headers }) => [JSON.parse(value ?? ''), key, timestamp, headers])
    const expected = Array.from({ length: 5000 }, (_, index) => {
      const n = index + 1
      return [{ n }, n % 10 === 0 ? null : `k${n % 7}`, 1_000_000 + n, { parity: n % 2 === 0 ? 'even' : 'odd' }]
    })
    expect(found.toSorted((one, other) => (one[2] as number) - (other[2] as number))).toEqual(expected)
    const byKey = Map.groupBy(read, ({ key }) => key)
    for (const [key, ofKey] of byKey)
      if (key !== null) expect(new Set(ofKey.map(({ partition }) => partition)).size).toBe(1)
  },
)

test.each(['at-least-once', 'none'] as const)(
  'without faults %s writes each record once as well',
  async (deliveryGuarantee) => {
    const topic = await topics.create({ name: 'sink', partitions: 3 })
    await using cluster = startTestCluster({ time: 'system' })
    const result = await cluster.run((env) => {
      env.setParallelism(2)
      env
        .fromSequence(1, 5000)
        .map((n) => ({ n }))
        .sinkTo(KafkaSink.of<{ n: number }>({ brokers, topic, value: json(), deliveryGuarantee }))
    })
    expect(result).toMatchObject({ state: 'FINISHED', restarts: 0 })
    const read = await recordsOf(brokers, topic)
    expect(read.map(({ value }) => JSON.parse(value ?? '').n as number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 5000 }, (_, index) => index + 1),
    )
  },
)

test('a topic that is not there fails the job, naming it', async () => {
  await using cluster = startTestCluster({ time: 'system' })
  const result = await cluster.run((env) => {
    env.fromSequence(1, 10).sinkTo(KafkaSink.of<number>({ brokers, topic: 'nowhere', value: json() }))
  })
  expect(result).toMatchObject({ state: 'FAILED', error: { code: 'MR_KAFKA_TOPIC' } })
  expect(result.error?.message).toContain('nowhere')
})

test('a record that is too large fails the job, naming topic, key and size', async () => {
  const topic = await topics.create({ name: 'sink' })
  await using cluster = startTestCluster({ time: 'system' })
  const result = await cluster.run((env) => {
    env.setRestartStrategy(RestartStrategies.none())
    env
      .fromSequence(1, 10)
      .map((n) => 'x'.repeat(n * 100))
      .sinkTo(
        KafkaSink.of<string>({ brokers, topic, value: json(), key: (text) => `k${text.length}`, maxRecordBytes: 500 }),
      )
  })
  expect(result).toMatchObject({ state: 'FAILED', error: { code: 'MR_SINK' } })
  expect(result.error?.message).toContain(`a record for topic ${topic} with key "k500" has 506 bytes`)
})

test('each record goes to the topic and partition that it says', async () => {
  const names = [
    await topics.create({ name: 'sink', partitions: 4 }),
    await topics.create({ name: 'sink', partitions: 2 }),
  ]
  await using cluster = startTestCluster({ time: 'system' })
  const topicOf = (n: number): string => names[n % 2] ?? ''
  const result = await cluster.run((env) => {
    env.enableCheckpointing('50ms', { timeout: '1min' })
    env.fromSequence(1, 1000).sinkTo(
      KafkaSink.of<number>({
        brokers,
        topic: topicOf,
        value: json(),
        partitioner: ({ value, partitions }) => Math.floor(value / 2) % partitions,
      }),
    )
  })
  expect(result).toMatchObject({ state: 'FINISHED' })
  for (const [index, partitions] of [4, 2].entries()) {
    const read = await recordsOf(brokers, names[index] ?? '')
    expect(read).toHaveLength(500)
    for (const { value, partition } of read) expect(partition).toBe(Math.floor(Number(value) / 2) % partitions)
  }
})

test('partitions that a topic gets while the job runs get records too', async () => {
  const topic = await topics.create({ name: 'sink', partitions: 1 })
  await using cluster = startTestCluster({ time: 'system' })
  const keys = Array.from({ length: 5000 }, (_, index) => `key ${index}`)
  const running = await cluster.start((env) => {
    env
      .fromSource(
        scriptedSource([keys], { recordsAtOnce: 1, interval: '10ms' }),
        WatermarkStrategy.noWatermarks(),
        'keys',
      )
      .sinkTo(
        KafkaSink.of<string>({
          brokers,
          topic,
          value: string(),
          key: (key) => key,
          deliveryGuarantee: 'at-least-once',
          metadataMaxAge: '100ms',
        }),
      )
  })
  const partitionsWith = async (wanted: number): Promise<ReadonlySet<number>> => {
    for (const deadline = Date.now() + 40_000; Date.now() < deadline; ) {
      const found = new Set((await recordsOf(brokers, topic)).map(({ partition }) => partition))
      if (found.size >= wanted) return found
    }
    throw new Error(`less than ${wanted} partitions have records`)
  }
  expect([...(await partitionsWith(1))]).toEqual([0])
  await topics.admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
  expect([...(await partitionsWith(3))].toSorted()).toEqual([0, 1, 2])
  expect(running.status().restarts).toBe(0)
  await running.cancel()
})
