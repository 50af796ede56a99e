import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../../src/common/system-ports.ts'
import { BrokerConnector } from '../../../../src/connectors/kafka/broker-connection.ts'
import { FetchBuffers } from '../../../../src/connectors/kafka/fetch-buffers.ts'
import { KafkaSource } from '../../../../src/connectors/kafka/index.ts'
import { connectionSettings } from '../../../../src/connectors/kafka/kafka-options.ts'
import { encodeMetadataRequest, kafkaApis } from '../../../../src/connectors/kafka/kafka-protocol.ts'
import { tokenProviderOf } from '../../../../src/connectors/kafka/oauth-token.ts'
import type { KafkaSaslOptions } from '../../../../src/connectors/kafka/sasl-options.ts'
import { string } from '../../../../src/formats/index.ts'
import { TokenEndpoint } from '../../../integration/support/token-endpoint.ts'
import { FakeBroker, type FakeLogin } from './fake-broker.ts'

const brokers: FakeBroker[] = []
const endpoints: TokenEndpoint[] = []

afterEach(async () => {
  await Promise.all(brokers.splice(0).map((broker) => broker.stop()))
  await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.stop()))
})

async function start(login: FakeLogin): Promise<FakeBroker> {
  const broker = await FakeBroker.start({
    leaders: () => [1],
    nodes: () => new Map([[1, broker.port]]),
    fetch: () => 'no answer',
    login,
  })
  brokers.push(broker)
  return broker
}

function connector(sasl: KafkaSaslOptions, tokenProvider?: () => string): BrokerConnector {
  return new BrokerConnector({
    settings: connectionSettings({ sasl }),
    buffers: new FetchBuffers({ reuse: false }),
    clock: systemClock,
    uniqueText: () => 'nonce',
    tokenProvider,
  })
}

async function logIn(broker: FakeBroker, sasl: KafkaSaslOptions, tokenProvider?: () => string): Promise<void> {
  const connection = await connector(sasl, tokenProvider).connect({ host: '127.0.0.1', port: broker.port })
  connection.close('done')
}

describe('log-in', () => {
  test('PLAIN and AWS send what their servers expect', async () => {
    const broker = await start({ mechanisms: ['PLAIN', 'AWS'], step: () => ({}) })
    await logIn(broker, { mechanism: 'plain', username: 'ann', password: 'secret' })
    const aws = { authorizationIdentity: 'id', accessKeyId: 'access', secretAccessKey: 'secret' }
    await logIn(broker, { mechanism: 'aws', ...aws })
    expect(broker.logins).toEqual(['PLAIN', '\0ann\0secret', 'AWS', 'id\0access\0secret\0'])
  })

  test('a token is sent with its extensions (RFC 7628, KIP-342); a function in the tasks goes before it', async () => {
    const broker = await start({ mechanisms: ['OAUTHBEARER'], step: () => ({}) })
    await logIn(broker, { mechanism: 'oauthbearer', token: 'abc.def.', extensions: { tenant: 'eu 1' } })
    await logIn(broker, { mechanism: 'oauthbearer', token: 'abc.def.' }, () => 'made.in.task')
    expect(broker.logins).toEqual([
      'OAUTHBEARER',
      'n,,\x01auth=Bearer abc.def.\x01tenant=eu 1\x01\x01',
      'OAUTHBEARER',
      'n,,\x01auth=Bearer made.in.task\x01\x01',
    ])
  })

  test('a token that is refused is one error with the reason and without the token', async () => {
    const broker = await start({
      mechanisms: ['OAUTHBEARER'],
      step: (text) => (text === '\x01' ? { errorCode: 58, errorText: 'no' } : { answer: '{"status":"invalid_token"}' }),
    })
    const refused = logIn(broker, { mechanism: 'oauthbearer', token: 'very-secret' })
    await expect(refused).rejects.toMatchObject({ code: 'MR_KAFKA_LOGIN' })
    await expect(refused).rejects.toThrow(/OAUTHBEARER was refused.*authentication failed.*invalid_token/)
    await expect(refused).rejects.not.toThrow('very-secret')
    expect(broker.logins.at(-1)).toBe('\x01')
  })

  test('a text that is no bearer token is not sent', async () => {
    const broker = await start({ mechanisms: ['OAUTHBEARER'], step: () => ({}) })
    for (const token of ['two\nlines', 'a\x01auth=Bearer b', '', ' ']) {
      await expect(logIn(broker, { mechanism: 'oauthbearer', token: 'x' }, () => token)).rejects.toThrow(
        'the token is no bearer token',
      )
    }
    expect(broker.logins.filter((text) => text !== 'OAUTHBEARER')).toEqual([])
  })

  test('a mechanism that the broker does not offer is refused with those that it does', async () => {
    const broker = await start({ mechanisms: ['GSSAPI', 'PLAIN'], step: () => ({}) })
    const login = logIn(broker, { mechanism: 'scram-sha-256', username: 'ann', password: 'hidden' })
    await expect(login).rejects.toMatchObject({ code: 'MR_KAFKA_LOGIN' })
    await expect(login).rejects.toThrow(/SCRAM-SHA-256 as user 'ann' was refused: the broker offers GSSAPI, PLAIN/)
  })

  test('a password that is refused is an error of its own, with mechanism, user and the words of the broker', async () => {
    const step = () => ({ errorCode: 58, errorText: 'Authentication failed: Invalid username or password' })
    const broker = await start({ mechanisms: ['PLAIN'], step })
    const login = logIn(broker, { mechanism: 'plain', username: 'ann', password: 'hidden' })
    await expect(login).rejects.toMatchObject({ code: 'MR_KAFKA_LOGIN' })
    await expect(login).rejects.toThrow(/PLAIN as user 'ann' was refused: .*Invalid username or password/)
    await expect(login).rejects.not.toThrow('hidden')
  })

  test('a log-in that a broker could not check is not a refused one', async () => {
    const broker = await start({ mechanisms: ['PLAIN'], step: () => ({ errorCode: 14 }) })
    const login = logIn(broker, { mechanism: 'plain', username: 'ann', password: 'hidden' })
    await expect(login).rejects.toMatchObject({ code: 'MR_KAFKA_UNREACHABLE' })
  })

  test('a server of SCRAM that does not know the password is refused', async () => {
    const broker = await start({
      mechanisms: ['SCRAM-SHA-256'],
      step: (text) => ({ answer: text.startsWith('n,,') ? 'r=nonce1,s=c2FsdA==,i=4096' : 'v=AAAA' }),
    })
    const login = logIn(broker, { mechanism: 'scram-sha-256', username: 'ann', password: 'hidden' })
    await expect(login).rejects.toMatchObject({ code: 'MR_KAFKA_UNREACHABLE' })
    await expect(login).rejects.toThrow('does not prove that it knows the password')
    await expect(login).rejects.not.toThrow('hidden')
  })

  test('KIP-368: a session is renewed before it ends, while requests go on', async () => {
    const broker = await start({ mechanisms: ['PLAIN'], step: () => ({ sessionLifetimeMs: 1300 }) })
    const sasl = { mechanism: 'plain', username: 'ann', password: 'secret' } as const
    const connection = await connector(sasl).connect({ host: '127.0.0.1', port: broker.port })
    const ask = () => connection.send(kafkaApis.metadata, encodeMetadataRequest(['ads']))
    const deadline = Date.now() + 5000
    // Several at a time: none of them may come between the steps of the renewal.
    while (broker.logins.length < 4 && Date.now() < deadline) {
      await Promise.all([ask(), ask(), ask(), new Promise((resolve) => setTimeout(resolve, 20))])
    }
    connection.close('done')
    expect(broker.logins).toEqual(['PLAIN', '\0ann\0secret', 'PLAIN', '\0ann\0secret'])
    expect(broker.requestsBetweenLoginSteps).toBe(0)
  })
})

describe('tokens', () => {
  const credentials = { clientId: 'job:1', clientSecret: 's&ecret', scope: 'kafka' }

  test('client credentials: the request is that of RFC 6749, and the token is kept while it is fresh', async () => {
    let nowMs = 0
    const clock = { ...systemClock, monotonicMs: () => nowMs }
    const endpoint = await TokenEndpoint.start(() => ({
      body: { access_token: `token-${endpoint.requests.length}`, expires_in: 100 },
    }))
    endpoints.push(endpoint)
    const parameters = { audience: 'ads' }
    const provide = tokenProviderOf(
      { clientCredentials: { tokenEndpoint: endpoint.url, ...credentials, parameters } },
      clock,
    )
    expect(await Promise.all([provide(), provide()])).toEqual(['token-1', 'token-1'])
    nowMs = 74_000
    expect(await provide()).toBe('token-1')
    nowMs = 76_000
    expect(await provide()).toBe('token-2')
    expect(endpoint.requests).toHaveLength(2)
    const request = endpoint.requests[0]
    expect(Object.fromEntries(request?.form ?? [])).toEqual({
      grant_type: 'client_credentials',
      scope: 'kafka',
      audience: 'ads',
    })
    expect(request?.authorization).toBe(`Basic ${Buffer.from('job%3A1:s%26ecret').toString('base64')}`)
  })

  test('an endpoint that refuses, answers nonsense or is away is one error without the secret', async () => {
    const cases = [
      { status: 401, body: { error: 'invalid_client', error_description: 'unknown' }, text: 'invalid_client: unknown' },
      { status: 200, body: { access_token: 7 }, text: 'status 200 and no access_token' },
      { status: 500, body: 'client_secret=s&ecret', text: 'status 500' },
    ]
    for (const { status, body, text } of cases) {
      const endpoint = await TokenEndpoint.start(() => ({ status, body }))
      endpoints.push(endpoint)
      const tokenEndpoint = endpoint.url
      const token = tokenProviderOf({ clientCredentials: { tokenEndpoint, ...credentials } }, systemClock)()
      await expect(token).rejects.toThrow(text)
      await expect(token).rejects.toThrow(tokenEndpoint)
      await expect(token).rejects.not.toThrow('s&ecret')
    }
    const gone = { tokenEndpoint: 'http://127.0.0.1:1/token', ...credentials }
    await expect(tokenProviderOf({ clientCredentials: gone }, systemClock)()).rejects.toThrow('ECONNREFUSED')
  })

  test('a token file is read at each log-in', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-token-'))
    const tokenFile = join(folder, 'token')
    const provide = tokenProviderOf({ tokenFile }, systemClock)
    writeFileSync(tokenFile, 'first\n')
    expect(await provide()).toBe('first')
    writeFileSync(tokenFile, 'second')
    expect(await provide()).toBe('second')
    rmSync(folder, { recursive: true })
    await expect(provide()).rejects.toThrow(tokenFile)
  })
})

test('options that make no sense are refused by name, without their values', () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [{ mechanism: 'plain', username: 'ann' }, 'password is missing'],
    [{ mechanism: 'kerberos' }, 'there is no mechanism kerberos'],
    [{ mechanism: 'oauthbearer' }, 'one of token, tokenFile and clientCredentials'],
    [{ mechanism: 'oauthbearer', token: 'a', tokenFile: 'b' }, 'one of token'],
    [{ mechanism: 'oauthbearer', token: 'a', extensions: { auth: 'x' } }, "'auth'"],
    [
      { mechanism: 'oauthbearer', clientCredentials: { tokenEndpoint: 'ftp://x', clientId: 'a', clientSecret: 'b' } },
      'tokenEndpoint',
    ],
    [
      {
        mechanism: 'oauthbearer',
        clientCredentials: { tokenEndpoint: 'http://u:pw@x/', clientId: 'a', clientSecret: 'b' },
      },
      'holds a password',
    ],
  ]
  for (const [sasl, text] of wrong) {
    expect(() => connectionSettings({ sasl: sasl as KafkaSaslOptions })).toThrow(text)
  }
  expect(() => connectionSettings({ tokenProvider: () => 'x' })).toThrow('needs properties.sasl by oauthbearer')
})

test('a token provider stays out of the description, which is data', () => {
  const sasl = { mechanism: 'oauthbearer', tokenFile: '/run/token' } as const
  const source = KafkaSource.of({
    brokers: ['127.0.0.1:1'],
    topics: ['ads'],
    value: string(),
    properties: { sasl, tokenProvider: () => 'token' },
  })
  expect(JSON.parse(JSON.stringify(source.description))).toEqual(source.description)
})
