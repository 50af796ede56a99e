import { randomUUID } from 'node:crypto'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { expect, inject, test } from 'vitest'

/** As kafkajs's ConfigResourceTypes.TOPIC, which Node does not find among its exports. */
const topicResource = 2

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

test.skipIf(process.env['KAFKA_BOOTSTRAP'])('a Kafka of scripts/kafka keeps records of any age', async () => {
  const kafka = new Kafka({ brokers: inject('kafkaBootstrap').split(','), logLevel: logLevel.NOTHING })
  const topic = `script-${randomUUID()}`
  const admin = kafka.admin()
  await admin.connect()
  try {
    await admin.createTopics({ topics: [{ topic }], waitForLeaders: true })
    const resource = { type: topicResource, name: topic, configNames: ['retention.ms'] }
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
    expect(resources[0]?.configEntries.map(({ configValue }) => configValue)).toEqual(['-1'])
  } finally {
    await admin.disconnect()
  }
})
