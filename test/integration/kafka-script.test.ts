import { randomUUID } from 'node:crypto'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { expect, inject, test } from 'vitest'

test('the Kafka of the integration tests takes a record and gives it back', async () => {
  const kafka = new Kafka({ brokers: inject('kafkaBootstrap').split(','), logLevel: logLevel.NOTHING })
  const topic = `script-${randomUUID()}`
  const admin = kafka.admin()
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  const consumer = kafka.consumer({ groupId: topic })
  try {
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true })
    await producer.connect()
    await producer.send({ topic, messages: [{ key: 'page', value: 'view' }] })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const record = await new Promise<string>((resolve, reject) => {
      consumer.run({ eachMessage: async ({ message }) => resolve(`${message.key}: ${message.value}`) }).catch(reject)
    })
    expect(record).toBe('page: view')
  } finally {
    await Promise.all([consumer.disconnect(), producer.disconnect(), admin.disconnect()])
  }
})
