import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { KafkaSource, OffsetsInitializer } from '../../src/connectors/kafka/index.ts'
import { string } from '../../src/formats/index.ts'
import { readToEnd, SourceRun, startSplits } from './support/source-run.ts'
import { numbers, sorted, TestTopics } from './support/topics.ts'

const brokers = inject('kafkaBootstrap').split(',')
const topics = new TestTopics({ brokers })

beforeAll(() => topics.open())
afterAll(() => topics.close())

function texts(topic: string) {
  return KafkaSource.of({ brokers, topics: [topic], value: string(), endOffsets: 'latest' })
}

test('aborted records are left out, and the end of a log that ends with their markers is reached', async () => {
  const topic = await topics.create({ partitions: 2 })
  const producer = await topics.producer(`t-${topic}`)
  const fates = ['commit', 'abort', 'commit', 'abort', 'abort'] as const
  for (const [index, fate] of fates.entries()) {
    const transaction = await producer.transaction()
    const values = numbers(index * 10, 10).map((value) => ({ value, partition: Number(value) % 2 }))
    await transaction.send({ topic, messages: values })
    await (fate === 'commit' ? transaction.commit() : transaction.abort())
  }
  expect(sorted((await readToEnd(texts(topic))).values)).toEqual([...numbers(0, 10), ...numbers(20, 10)])
  const all = KafkaSource.of({
    brokers,
    topics: [topic],
    value: string(),
    endOffsets: 'latest',
    isolation: 'read_uncommitted',
  })
  expect(sorted((await readToEnd(all)).values)).toEqual(numbers(0, 50))
})

test('a log of control records alone ends, and so does one without anything', async () => {
  const topic = await topics.create({ partitions: 3 })
  const producer = await topics.producer(`t-${topic}`)
  for (let index = 0; index < 3; index++) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ value: 'aborted', partition: 1 }] })
    await transaction.abort()
  }
  const source = texts(topic)
  const run = await new SourceRun(source, await startSplits(source)).toEnd()
  expect(run.values).toEqual([])
  expect(run.finishedSplits.toSorted()).toEqual([`${topic}-0`, `${topic}-1`, `${topic}-2`])
  const positions = run.reader.snapshot().map(({ position }) => (position as { offset: number }).offset)
  expect(positions).toEqual([0, 6, 0])
})

test('reading may start and end anywhere in an aborted transaction', async () => {
  const topic = await topics.create()
  const producer = await topics.producer(`t-${topic}`)
  const aborted = await producer.transaction()
  await aborted.send({ topic, messages: numbers(0, 10).map((value) => ({ value })) })
  await aborted.abort()
  const committed = await producer.transaction()
  await committed.send({ topic, messages: [{ value: 'committed' }] })
  await committed.commit()
  // The records are at 0 to 9, the marker of the abort at 10, the record at 11, the marker of the commit at 12.
  const at = (offset: number) => OffsetsInitializer.offsets([{ topic, partition: 0, offset }])
  for (const [start, end, values] of [
    [0, 13, ['committed']],
    [5, 12, ['committed']],
    [10, 12, ['committed']],
    [11, 12, ['committed']],
    [12, 13, []],
    [0, 5, []],
    [3, 10, []],
    [4, 11, []],
  ] as const) {
    const options = { startingOffsets: at(start), endOffsets: at(end) }
    const source = KafkaSource.of({ brokers, topics: [topic], value: string(), ...options })
    expect((await readToEnd(source)).values, `from ${start} to ${end}`).toEqual(values)
  }
})

test('R18: latest as an end is the last stable offset; a reader without end waits for the transaction', async () => {
  const topic = await topics.create()
  await topics.fill(topic, { count: 5 })
  const producer = await topics.producer(`t-${topic}`)
  const transaction = await producer.transaction()
  await transaction.send({ topic, messages: [{ value: '5' }] })
  await topics.fill(topic, { first: 6, count: 1 })
  expect((await readToEnd(texts(topic))).values).toEqual(numbers(0, 5))
  const source = KafkaSource.of({ brokers, topics: [topic], value: string() })
  const run = new SourceRun(source, await startSplits(source))
  await run.until(() => run.records.length === 5)
  await transaction.commit()
  await run.until(() => run.records.length === 7)
  expect(run.values).toEqual(numbers(0, 7))
  await run.reader.close()
})
