import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { KafkaSource } from '../../src/connectors/kafka/index.ts'
import { string } from '../../src/formats/index.ts'
import { SourceRun, withEnumerator } from './support/source-run.ts'
import { TestTopics } from './support/topics.ts'

// In a file of its own: a kafkajs client of the test would spend more than what is measured.
test('an idle reader and an idle enumerator cost next to nothing, and Node.js warns of no timer', async () => {
  const brokers = inject('kafkaBootstrap').split(',')
  const topics = await new TestTopics({ brokers }).open()
  const topic = await topics.create({ partitions: 4 })
  await topics.fill(topic, { count: 8, partitions: 4 })
  await topics.close()
  const warnings: string[] = []
  const keep = ({ name, message }: Error): void => {
    warnings.push(`${name}: ${message}`)
  }
  process.on('warning', keep)
  const source = KafkaSource.of({ brokers, topics: [topic], groupId: `g-${topic}`, value: string() })
  await withEnumerator(source, async (enumerator) => {
    const splits = await enumerator.start(1)
    await enumerator.checkpointCompleted(splits)
    const run = new SourceRun(source, splits)
    try {
      await run.until(() => run.records.length === 8)
      const before = process.cpuUsage()
      await sleep(2000) // What is measured: the time in which nothing happens.
      const { user, system } = process.cpuUsage(before)
      expect((user + system) / 1000).toBeLessThan(60)
      expect(warnings).toEqual([])
    } finally {
      process.off('warning', keep)
      await run.reader.close()
    }
  })
})
