import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../../src/common/system-ports.ts'
import { FetchBuffers } from '../../../../src/connectors/kafka/fetch-buffers.ts'
import { KafkaAdmin } from '../../../../src/connectors/kafka/kafka-admin.ts'
import { KafkaClient } from '../../../../src/connectors/kafka/kafka-client.ts'
import { connectionSettings, type KafkaProperties } from '../../../../src/connectors/kafka/kafka-options.ts'
import { FakeBroker, type FakeLogin } from './fake-broker.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function start(login?: FakeLogin): Promise<FakeBroker> {
  const broker: FakeBroker = await FakeBroker.start({
    leaders: () => [1, 1],
    nodes: () => new Map([[1, broker.port]]),
    fetch: () => 'no answer',
    ...(login === undefined ? {} : { login }),
  })
  closing.push(() => broker.stop())
  return broker
}

function open(bootstrap: readonly string[], properties: KafkaProperties = {}): KafkaAdmin {
  const settings = connectionSettings(properties)
  const options = { bootstrap, settings, buffers: new FetchBuffers({ reuse: false }), clock: systemClock }
  const client = new KafkaClient(options)
  const admin = new KafkaAdmin(client, options)
  closing.push(() => {
    client.close()
    admin.close()
  })
  return admin
}

const found = [{ topic: 'ads', partitions: [{ partition: 0 }, { partition: 1 }] }]

describe('what kafkajs asks', () => {
  test('an address that nobody answers at is passed over', async () => {
    const broker = await start()
    expect(await open(['127.0.0.1:1', broker.address]).topics(['ads'])).toMatchObject(found)
  })

  test('after its connection was lost it asks by a fresh one', async () => {
    const broker = await start()
    const admin = open([broker.address])
    await admin.topics(['ads'])
    broker.dropConnections()
    expect(await admin.topics(['ads'])).toMatchObject(found)
  })

  test('a broker that takes the connection and then says nothing is told within the time limit', async () => {
    const broker = await start({ mechanisms: ['PLAIN'], step: () => 'no answer' })
    const sasl = { mechanism: 'plain', username: 'ann', password: 'hidden' } as const
    const asked = open([broker.address], { sasl, connectionTimeout: '300ms' }).topics(['ads'])
    await expect(asked).rejects.toMatchObject({ code: 'MR_KAFKA_UNREACHABLE' })
    await expect(asked).rejects.toThrow(/no answer within 300 ms/)
  })
})

describe('its log-in', () => {
  test.each([
    [{ mechanism: 'plain', username: 'ann', password: 'hidden' }, "PLAIN as user 'ann'"],
    [{ mechanism: 'scram-sha-512', username: 'ann', password: 'hidden' }, "SCRAM-SHA-512 as user 'ann'"],
    [{ mechanism: 'oauthbearer', token: 'hidden' }, 'OAUTHBEARER'],
    [{ mechanism: 'aws', authorizationIdentity: 'role', accessKeyId: 'id', secretAccessKey: 'hidden' }, "'role'"],
  ] as const)('%o: a refusal is an error of its own with the words of the broker', async (sasl, text) => {
    const step = () => ({ errorCode: 58, errorText: 'no such user' })
    const broker = await start({ mechanisms: [sasl.mechanism.toUpperCase()], step })
    const asked = open([broker.address], { sasl }).topics(['ads'])
    await expect(asked).rejects.toMatchObject({ code: 'MR_KAFKA_LOGIN' })
    await expect(asked).rejects.toThrow(text)
    await expect(asked).rejects.toThrow(broker.address)
    await expect(asked).rejects.toThrow('no such user')
    await expect(asked).rejects.not.toThrow('hidden')
  })

  test('a mechanism that the broker does not offer is refused', async () => {
    const broker = await start({ mechanisms: ['GSSAPI'], step: () => ({}) })
    const sasl = { mechanism: 'plain', username: 'ann', password: 'hidden' } as const
    const asked = open([broker.address], { sasl }).topics(['ads'])
    await expect(asked).rejects.toMatchObject({ code: 'MR_KAFKA_LOGIN' })
    await expect(asked).rejects.toThrow('UNSUPPORTED_SASL_MECHANISM')
  })

  test('a token goes with its extensions', async () => {
    const broker = await start({ mechanisms: ['OAUTHBEARER'], step: () => ({}) })
    const sasl = { mechanism: 'oauthbearer', token: 'abc', extensions: { tenant: 'eu' } } as const
    expect(await open([broker.address], { sasl }).topics(['ads'])).toMatchObject(found)
    expect(broker.logins).toEqual(['OAUTHBEARER', 'n,,\x01auth=Bearer abc\x01tenant=eu\x01\x01'])
  })
})
