import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/common/system-ports.ts'
import { BrokerConnector } from '../../src/connectors/kafka/broker-connection.ts'
import { FetchBuffers } from '../../src/connectors/kafka/fetch-buffers.ts'
import { KafkaSource } from '../../src/connectors/kafka/index.ts'
import { connectionSettings, type KafkaProperties } from '../../src/connectors/kafka/kafka-options.ts'
import { encodeMetadataRequest, kafkaApis } from '../../src/connectors/kafka/kafka-protocol.ts'
import { string } from '../../src/formats/index.ts'
import { kafkaUser, type OwnKafka, startKafka } from './support/kafka.ts'
import { readToEnd } from './support/source-run.ts'
import { TokenEndpoint, unsecuredToken } from './support/token-endpoint.ts'
import { numbers, sorted, TestTopics } from './support/topics.ts'

const reauthenticationMs = 3000
const tokenLifetimeSeconds = 3

let kafka: OwnKafka
let endpoint: TokenEndpoint
let topic: string

beforeAll(async () => {
  kafka = await startKafka({
    name: 'log-in',
    tls: true,
    sasl: true,
    properties: { 'listener.name.client.connections.max.reauth.ms': String(reauthenticationMs) },
  })
  endpoint = await TokenEndpoint.start(() => ({
    body: { access_token: unsecuredToken('job', tokenLifetimeSeconds), expires_in: tokenLifetimeSeconds },
  }))
  const { ssl } = secured()
  const topics = await new TestTopics({
    brokers: brokers(),
    ssl: { ca: [ssl.ca] },
    sasl: { mechanism: 'plain', ...kafkaUser },
    reauthenticationThreshold: 1, // kafkajs would renew at once, again and again, which a broker refuses.
  }).open()
  topic = await topics.create({ partitions: 2 })
  await topics.fill(topic, { count: 20_000, partitions: 2 })
  await topics.close()
})

afterAll(async () => {
  await endpoint.stop()
  await kafka.stop()
})

function brokers(): string[] {
  return [kafka.bootstrap.replace('127.0.0.1', 'localhost')]
}

function secured() {
  return { ssl: { ca: readFileSync(kafka.caPath ?? '', 'utf8') } } satisfies KafkaProperties
}

function byEndpoint() {
  const clientCredentials = { tokenEndpoint: endpoint.url, clientId: 'job', clientSecret: 'hidden' }
  return { mechanism: 'oauthbearer', clientCredentials } as const
}

describe('a source logs in', () => {
  const read = async (properties: KafkaProperties): Promise<readonly string[]> => {
    const source = KafkaSource.of({
      brokers: brokers(),
      topics: [topic],
      value: string(),
      endOffsets: 'latest',
      properties: { ...secured(), ...properties },
    })
    return sorted((await readToEnd(source)).values)
  }

  test('by SCRAM-SHA-256', async () => {
    expect(await read({ sasl: { mechanism: 'scram-sha-256', ...kafkaUser } })).toEqual(numbers(0, 20_000))
    const begun = Date.now()
    const wrong = read({ sasl: { mechanism: 'scram-sha-256', ...kafkaUser, password: 'not-it' } })
    await expect(wrong).rejects.toMatchObject({ code: 'MR_KAFKA_LOGIN' })
    expect(Date.now() - begun).toBeLessThan(5000)
    await expect(wrong).rejects.toThrow(/authentication failed/i)
    await expect(wrong).rejects.not.toThrow('not-it')
  })

  test('by OAUTHBEARER with a token of an endpoint, with one of its own, and with one made in the tasks', async () => {
    expect(await read({ sasl: byEndpoint() })).toEqual(numbers(0, 20_000))
    const token = unsecuredToken('job', 60)
    expect(await read({ sasl: { mechanism: 'oauthbearer', token } })).toEqual(numbers(0, 20_000))
    let made = 0
    const tokenProvider = () => {
      made++
      return unsecuredToken('task', 60)
    }
    expect(await read({ sasl: { mechanism: 'oauthbearer', token }, tokenProvider })).toEqual(numbers(0, 20_000))
    expect(made).toBeGreaterThan(0)
  })

  test('a token that has run out is refused with the reason', async () => {
    const expired = read({ sasl: { mechanism: 'oauthbearer', token: unsecuredToken('job', -60) } })
    await expect(expired).rejects.toMatchObject({ code: 'MR_KAFKA_LOGIN' })
    await expect(expired).rejects.toThrow(/authentication failed/)
  })
})

test.each(['scram-sha-512', 'oauthbearer'] as const)(
  'KIP-368: a connection by %s outlives the sessions that the broker grants',
  async (mechanism) => {
    const sasl = mechanism === 'oauthbearer' ? byEndpoint() : ({ mechanism, ...kafkaUser } as const)
    const connector = new BrokerConnector({
      settings: connectionSettings({ ...secured(), sasl }),
      buffers: new FetchBuffers({ reuse: false }),
      clock: systemClock,
      uniqueText: () => Math.random().toString(36),
    })
    const [host = '', port = ''] = (brokers()[0] ?? '').split(':')
    const connection = await connector.connect({ host, port: Number(port) })
    const askedBefore = endpoint.requests.length
    // A broker ends a connection whose session is over at its next request, and the connection then fails that.
    const deadline = Date.now() + 3 * reauthenticationMs
    while (Date.now() < deadline) {
      await connection.send(kafkaApis.metadata, encodeMetadataRequest([topic]))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(connection.isOpen).toBe(true)
    if (mechanism === 'oauthbearer') expect(endpoint.requests.length).toBeGreaterThan(askedBefore)
    connection.close('done')
  },
)
