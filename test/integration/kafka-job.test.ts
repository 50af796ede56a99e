import { count, outputTag, TumblingEventTimeWindows, WatermarkStrategy } from 'millrace'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { DeadLetter } from '../../src/api/dead-letters.ts'
import { KafkaSource } from '../../src/connectors/kafka/index.ts'
import { json, long, record, string } from '../../src/formats/index.ts'
import { collectingSink, startTestCluster } from '../../src/testing/index.ts'
import { TestTopics } from './support/topics.ts'

const brokers = inject('kafkaBootstrap').split(',')
const topics = new TestTopics({ brokers })

beforeAll(() => topics.open())
afterAll(() => topics.close())

const click = record({ user: string(), at: long() })
/** Whole minutes of clicks; partition 1 is an hour ahead of partition 0. */
const clicks = Array.from({ length: 400 }, (_, index) => {
  const partition = index % 2
  return { partition, value: JSON.stringify({ user: `u${index % 5}`, at: partition * 3_600_000 + index * 1000 }) }
})

async function filledTopic(): Promise<string> {
  const topic = await topics.create({ partitions: 3 })
  const producer = await topics.producer()
  const broken = ['{', '{"user":7,"at":1}'].map((value) => ({ partition: 1, value }))
  await producer.send({ topic, messages: [...clicks.slice(0, 200), ...broken, ...clicks.slice(200)] })
  return topic
}

for (const parallelism of [1, 3]) {
  test(`a job keeps a watermark for each partition, sends broken records aside and commits offsets after checkpoints, by ${parallelism} subtasks`, async () => {
    const topic = await filledTopic()
    const groupId = `g-${topic}`
    const [windows, letters, late] = [collectingSink<number>(), collectingSink<DeadLetter>(), collectingSink<unknown>()]
    await using cluster = startTestCluster({ time: 'system' })
    const result = await cluster.run((env) => {
      env.setParallelism(parallelism).enableCheckpointing('100ms')
      const [deadLetters, tooLate] = [outputTag<DeadLetter>('dead'), outputTag<{ user: string; at: number }>('late')]
      const source = KafkaSource.of({ brokers, topics: [topic], groupId, value: json(click), endOffsets: 'latest' })
      const strategy = WatermarkStrategy.forMonotonousTimestamps().withTimestamps((one: { at: number }) => one.at)
      const stream = env.fromSource(source, strategy, 'clicks', { deadLetters })
      const counted = stream
        .keyBy(({ user }) => user)
        .window(TumblingEventTimeWindows.of('1min'))
        .sideOutputLateData(tooLate)
        .aggregate(count())
      counted.sinkTo(windows, 'windows')
      counted.getSideOutput(tooLate).sinkTo(late, 'late')
      stream.getSideOutput(deadLetters).sinkTo(letters, 'letters')
    })
    expect(result).toMatchObject({ state: 'FINISHED', restarts: 0 })
    expect(windows.records.reduce((sum, one) => sum + one, 0)).toBe(clicks.length)
    expect(late.records).toEqual([])
    const places = letters.records.map(({ place, error }) => [place, error])
    expect(places).toEqual([
      [`topic ${topic}, partition 1, offset 100`, expect.stringContaining('not JSON')],
      [`topic ${topic}, partition 1, offset 101`, 'user: expected string, got 7'],
    ])
    const [committed] = await topics.admin.fetchOffsets({ groupId, topics: [topic] })
    const offsets = committed?.partitions.toSorted((one, other) => one.partition - other.partition)
    expect(offsets?.map(({ offset }) => offset)).toEqual(['200', '202', '0'])
  })
}
