import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../../src/common/system-ports.ts'
import { type BrokerConnection, BrokerConnector } from '../../../../src/connectors/kafka/broker-connection.ts'
import { FetchBuffers } from '../../../../src/connectors/kafka/fetch-buffers.ts'
import { encodeFetchRequest } from '../../../../src/connectors/kafka/fetch-protocol.ts'
import { connectionSettings, type KafkaProperties } from '../../../../src/connectors/kafka/kafka-options.ts'
import {
  decodeMetadataAnswer,
  encodeMetadataRequest,
  kafkaApis,
} from '../../../../src/connectors/kafka/kafka-protocol.ts'
import { certificates } from './certificates.ts'
import { FakeBroker, type FakeScript } from './fake-broker.ts'

const brokers: FakeBroker[] = []
const connections: BrokerConnection[] = []

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close('the test is over')
  await Promise.all(brokers.splice(0).map((broker) => broker.stop()))
})

async function start(script: Partial<FakeScript> = {}): Promise<FakeBroker> {
  const broker = await FakeBroker.start({
    leaders: () => [1],
    nodes: () => new Map([[1, broker.port]]),
    fetch: () => 'no answer',
    ...script,
  })
  brokers.push(broker)
  return broker
}

async function connect(broker: FakeBroker, properties: KafkaProperties = {}): Promise<BrokerConnection> {
  const connector = new BrokerConnector({
    settings: connectionSettings(properties),
    buffers: new FetchBuffers({ reuse: true }),
    clock: systemClock,
    uniqueText: () => 'nonce',
  })
  const connection = await connector.connect({ host: '127.0.0.1', port: broker.port })
  connections.push(connection)
  return connection
}

async function topicsOf(connection: BrokerConnection): Promise<readonly string[]> {
  const answer = await connection.send(kafkaApis.metadata, encodeMetadataRequest(['ads']))
  return decodeMetadataAnswer(answer).topics.map(({ topic }) => topic)
}

const fetchRequest = encodeFetchRequest(
  [{ topic: 'ads', partition: 0, offset: 0 }],
  { maxWaitMs: 500, maxPartitionBytes: 1000, maxBytes: 1000 },
  'read_committed',
)

describe('a connection', () => {
  test('other requests do not wait behind a fetch that is not answered', async () => {
    const broker = await start()
    const connection = await connect(broker)
    const fetch = connection.send(kafkaApis.fetch, fetchRequest)
    expect(await topicsOf(connection)).toEqual(['ads'])
    connection.close('enough')
    await expect(fetch).rejects.toThrow('enough')
  })

  test('many requests at a time get each its own answer', async () => {
    const connection = await connect(await start())
    const answers = await Promise.all(Array.from({ length: 200 }, () => topicsOf(connection)))
    expect(answers.every(([topic]) => topic === 'ads')).toBe(true)
  })

  test('an answer that nobody waits for ends it', async () => {
    const broker = await start()
    const connection = await connect(broker)
    broker.shiftCorrelation = 1
    await expect(topicsOf(connection)).rejects.toThrow('a request that was not the next one')
    expect(connection.isOpen).toBe(false)
  })

  test('a broker that ends it fails what is on its way, with a hint', async () => {
    const broker = await start()
    const connection = await connect(broker)
    const fetch = connection.send(kafkaApis.fetch, fetchRequest)
    fetch.catch(() => undefined)
    await topicsOf(connection)
    await broker.stop()
    await expect(fetch).rejects.toMatchObject({ code: 'MR_KAFKA_UNREACHABLE' })
    expect(connection.isOpen).toBe(false)
  })
})

describe('TLS', () => {
  const { ca, serverCert, serverKey, clientCert, clientKey } = certificates
  const tls = { cert: serverCert, key: serverKey, ca, requestCert: true, rejectUnauthorized: true }
  const ssl = { ca, servername: 'broker.test', cert: clientCert, key: clientKey, passphrase: 'pass' }

  test('a client with a certificate of its own is let in, and large answers come whole', async () => {
    const records = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251))
    const broker = await start({ tls, fetch: () => ({ partition: () => ({ records }) }) })
    const connection = await connect(broker, { ssl })
    expect(await topicsOf(connection)).toEqual(['ads'])
    for (let fetch = 0; fetch < 3; fetch++) {
      const answer = await connection.send(kafkaApis.fetch, fetchRequest)
      expect(answer.subarray(answer.length - records.length).equals(records)).toBe(true)
    }
  })

  test('a client without one is not', async () => {
    const broker = await start({ tls })
    const { ca: authority, servername } = ssl
    await expect(connect(broker, { ssl: { ca: authority, servername } })).rejects.toMatchObject({
      code: 'MR_KAFKA_UNREACHABLE',
    })
  })

  test('a broker of another name, or of an authority that is not known, is refused', async () => {
    const broker = await start({ tls })
    await expect(connect(broker, { ssl: { ...ssl, servername: 'other.test' } })).rejects.toThrow(/altnames/)
    const { ca: authority, ...withoutAuthority } = ssl
    expect(authority).toContain('CERTIFICATE')
    await expect(connect(broker, { ssl: withoutAuthority })).rejects.toThrow(/certificate/)
  })

  test('without TLS at a port with TLS the error says what to do', async () => {
    const broker = await start({ tls })
    await expect(connect(broker)).rejects.toThrow(/set properties.ssl|TLS and SASL options/)
  })
})
