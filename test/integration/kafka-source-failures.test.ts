import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { KafkaSource } from '../../src/connectors/kafka/index.ts'
import { kafkaSplitOf } from '../../src/connectors/kafka/kafka-split.ts'
import { string } from '../../src/formats/index.ts'
import { kafkaUser, startKafka } from './support/kafka.ts'
import { readToEnd, SourceRun, startSplits, withEnumerator } from './support/source-run.ts'
import { numbers, sorted, TestTopics } from './support/topics.ts'

async function hasLeadersOtherThan(brokers: string[], topic: string, broker: number): Promise<boolean> {
  const topics = new TestTopics({ brokers })
  try {
    await topics.open()
    const { topics: found } = await topics.admin.fetchTopicMetadata({ topics: [topic] })
    return found[0]?.partitions.every(({ leader }) => leader > 0 && leader !== broker) ?? false
  } catch {
    return false
  } finally {
    await topics.close()
  }
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('waited for 30 s in vain')
    await sleep(200)
  }
}

describe('brokers that come and go', () => {
  test('a reader goes on after its only broker was killed and started again', async () => {
    const kafka = await startKafka({ name: 'source-restart' })
    const brokers = [kafka.bootstrap]
    let topics = await new TestTopics({ brokers }).open()
    const topic = await topics.create({ partitions: 2 })
    await topics.fill(topic, { count: 1000, partitions: 2 })
    await topics.close()
    const source = KafkaSource.of({ brokers, topics: [topic], value: string() })
    const run = new SourceRun(source, await startSplits(source))
    try {
      await run.until(() => run.records.length === 1000)
      await kafka.kill()
      const warnings: string[] = []
      // A look for partitions while the broker is away is a warning.
      expect(await withEnumerator(source, (enumerator) => enumerator.discover(new Set()), warnings)).toEqual([])
      expect(warnings).toEqual([expect.stringContaining(kafka.bootstrap)])
      const restarted = kafka.restart()
      await run.until(() => run.records.length > 1000, { limitMs: 1500 }).catch(() => undefined)
      await restarted
      topics = await new TestTopics({ brokers }).open()
      await topics.fill(topic, { first: 1000, count: 1000, partitions: 2 })
      await topics.close()
      await run.until(() => run.records.length === 2000)
      expect(sorted(run.values)).toEqual(numbers(0, 2000))
    } finally {
      await run.reader.close()
      await kafka.stop()
    }
  })

  test('a source whose brokers are away for longer than allowed fails, naming them', async () => {
    const kafka = await startKafka({ name: 'source-away' })
    const brokers = [kafka.bootstrap]
    const topics = await new TestTopics({ brokers }).open()
    const topic = await topics.create()
    await topics.close()
    const source = KafkaSource.of({
      brokers,
      topics: [topic],
      value: string(),
      properties: { unreachableTimeout: '2s' },
    })
    const run = new SourceRun(source, await startSplits(source))
    await kafka.stop()
    await expect(run.until(() => false)).rejects.toMatchObject({
      code: 'MR_KAFKA_UNREACHABLE',
      message: expect.stringContaining(kafka.bootstrap),
    })
    await run.reader.close()
  })

  test('three brokers: partitions are read from their leaders, and from new ones when a broker dies', async () => {
    const kafka = await startKafka({ name: 'source-three', brokers: 3 })
    const brokers = kafka.bootstrap.split(',')
    const topics = await new TestTopics({ brokers }).open()
    const topic = await topics.create({ partitions: 6, replicas: 3 })
    await topics.fill(topic, { count: 6000, partitions: 6 })
    await topics.close()
    const killAndFill = async (broker: number, first: number) => {
      await kafka.kill(broker)
      await waitFor(() => hasLeadersOtherThan(brokers, topic, broker))
      // A client of its own: kafkajs' producer loses records, without an error, when a leader has died since it began.
      const fresh = await new TestTopics({ brokers }).open()
      await fresh.fill(topic, { first, count: 600, partitions: 6 })
      await fresh.close()
    }
    const source = KafkaSource.of({ brokers, topics: [topic], value: string() })
    const run = new SourceRun(source, await startSplits(source))
    // While a broker dies the client that fills may write a message twice: what counts is the log.
    const found = (count: number) => run.until(() => new Set(run.values).size === count)
    try {
      await found(6000)
      await killAndFill(2, 6000)
      await found(6600)
      await kafka.restart(2)
      await killAndFill(3, 6600)
      await found(7200)
      expect(sorted([...new Set(run.values)])).toEqual(numbers(0, 7200))
      const offsets = run.reader.snapshot().map((split) => kafkaSplitOf(split).offset)
      expect(run.records).toHaveLength(offsets.reduce((sum, offset) => sum + offset, 0))
    } finally {
      await run.reader.close()
      await kafka.stop()
    }
  })
})

test('TLS and SASL: a job logs in, and a wrong password or an unknown certificate is one clear error', async () => {
  const kafka = await startKafka({ name: 'source-secure', tls: true, sasl: true })
  const brokers = [kafka.bootstrap.replace('127.0.0.1', 'localhost')]
  const ca = readFileSync(kafka.caPath ?? '', 'utf8')
  const ssl = { ca: [ca], servername: 'localhost' }
  const topics = await new TestTopics({ brokers, ssl, sasl: { mechanism: 'plain', ...kafkaUser } }).open()
  try {
    const topic = await topics.create({ partitions: 2 })
    await topics.fill(topic, { count: 30_000, partitions: 2 })
    const read = (properties: Parameters<typeof KafkaSource.of>[0]['properties']) =>
      readToEnd(
        KafkaSource.of({
          brokers,
          topics: [topic],
          value: string(),
          endOffsets: 'latest',
          properties: properties ?? {},
        }),
      )
    const run = await read({ ssl, sasl: { mechanism: 'plain', ...kafkaUser } })
    expect(sorted(run.values)).toEqual(numbers(0, 30_000))
    const scram = await read({ ssl, sasl: { mechanism: 'scram-sha-512', ...kafkaUser } })
    expect(scram.records).toHaveLength(30_000)
    const wrong = read({ ssl, sasl: { mechanism: 'plain', username: kafkaUser.username, password: 'wrong' } })
    await expect(wrong).rejects.toMatchObject({
      code: 'MR_KAFKA_LOGIN',
      message: expect.stringMatching(/localhost.*PLAIN as user '.*(authentication|credentials)/i),
    })
    await expect(read({ ssl: true, sasl: { mechanism: 'plain', ...kafkaUser } })).rejects.toMatchObject({
      code: 'MR_KAFKA_UNREACHABLE',
      message: expect.stringMatching(/certificate/),
    })
  } finally {
    await topics.close()
    await kafka.stop()
  }
})
