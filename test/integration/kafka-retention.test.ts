import { afterAll, beforeAll, expect, test } from 'vitest'
import { KafkaSink } from '../../src/connectors/kafka/index.ts'
import { json } from '../../src/formats/index.ts'
import { startTestCluster } from '../../src/testing/index.ts'
import { recordsOf } from './support/committed-records.ts'
import { type OwnKafka, startKafka } from './support/kafka.ts'
import { TestTopics } from './support/topics.ts'

/** As Kafka is by default, but it looks for old records all the time, not 30 s after its start and every 5 minutes. */
let kafka: OwnKafka
let brokers: string[]
let topics: TestTopics

beforeAll(async () => {
  kafka = await startKafka({
    name: 'retention',
    properties: {
      'log.retention.ms': '604800000',
      'log.initial.task.delay.ms': '100',
      'log.retention.check.interval.ms': '100',
    },
  })
  brokers = kafka.bootstrap.split(',')
  topics = await new TestTopics({ brokers }).open()
})

afterAll(async () => {
  await topics?.close()
  await kafka?.stop()
})

/** 1970: what the broker deletes first where it deletes by age. */
async function writeOldRecords(topic: string): Promise<void> {
  await using cluster = startTestCluster({ time: 'system' })
  const result = await cluster.run((env) => {
    env.enableCheckpointing('50ms', { timeout: '1min' })
    env
      .fromSequence(1, 1000)
      .sinkTo(KafkaSink.of<number>({ brokers, topic, value: json(), timestamp: (n) => 1_000_000 + n }))
  })
  expect(result).toMatchObject({ state: 'FINISHED', restarts: 0 })
}

/** The broker has deleted records by their age; whatever was older than its check before that is gone too. */
async function untilOldRecordsAreDeleted(): Promise<void> {
  const topic = await topics.create({ name: 'week', config: { 'retention.ms': '604800000' } })
  await writeOldRecords(topic)
  await expect
    .poll(async () => (await topics.admin.fetchTopicOffsets(topic))[0]?.low, { timeout: 60_000, interval: 50 })
    .not.toBe('0')
  await expect(recordsOf(brokers, topic)).rejects.toThrow(`the broker has deleted records of ${topic}`)
}

test('topics of tests keep records of any age, and what a broker has deleted by age is not taken for a loss', async () => {
  const topic = await topics.create({ name: 'kept' })
  await writeOldRecords(topic)
  // Twice, since one check may come by the first topic before its records and by the second after them.
  await untilOldRecordsAreDeleted()
  await untilOldRecordsAreDeleted()
  const read = (await recordsOf(brokers, topic)).map(({ value }) => Number(value))
  expect(read.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1))
})
