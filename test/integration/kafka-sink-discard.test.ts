import { expect, inject, test } from 'vitest'
import type { Committable, SinkWriter } from '../../src/api/sink.ts'
import { systemClock } from '../../src/common/system-ports.ts'
import { KafkaSink } from '../../src/connectors/kafka/index.ts'
import { untilNothingIsOpen } from './support/committed-records.ts'
import { until } from './support/millrace.ts'
import { createTopic, kafkaClient } from './support/payments.ts'

const limitMs = 60_000

async function preparedWriter(topic: string): Promise<{ writer: SinkWriter<string>; lists: readonly Committable[] }> {
  const brokers = inject('kafkaBootstrap').split(',')
  await createTopic(kafkaClient(inject('kafkaBootstrap')), topic, 1)
  const sink = KafkaSink.of<string>({ brokers, serialize: (value) => ({ topic, value }) })
  const writer = sink.createWriter({
    jobName: 'job',
    subtaskIndex: 0,
    parallelism: 1,
    operatorName: 'out',
    operatorUid: 'out',
    attemptId: 'attempt',
    clock: systemClock,
    checkpointing: { intervalMs: 1000, timeoutMs: 10_000 },
    transactionalIds: { mark: 16, request: () => {} },
    wake: () => {},
    fail: (error) => {
      throw error
    },
  })
  await until('the writer', () => writer.writable)
  writer.write('a', 0)
  return { writer, lists: await writer.prepareCommit(1) }
}

test(
  'a prepared transaction that no checkpoint lists holds readers back no more when the job has ended (R16)',
  async () => {
    const brokers = inject('kafkaBootstrap').split(',')
    const topic = `discard-${process.pid}-${Date.now()}`
    const { writer, lists } = await preparedWriter(topic)
    expect(lists).toHaveLength(1)
    await expect(untilNothingIsOpen(brokers, topic, 500)).rejects.toThrow('a transaction is open')
    writer.discard?.(lists)
    await writer.close()
    await untilNothingIsOpen(brokers, topic)
  },
  limitMs,
)
