import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  avro,
  type ConfluentAvroOptions,
  confluentAvro,
  type Decoder,
  type Format,
  int32,
  long,
  NotYetDecodable,
  nullable,
  record,
  string,
} from '../../../src/formats/index.ts'
import { SchemaRegistryServer } from '../../support/schema-registry.ts'

let registry: SchemaRegistryServer

beforeEach(async () => {
  registry = await SchemaRegistryServer.start()
})

afterEach(async () => {
  await registry.stop()
})

const click = record({ user: string(), at: long() })
const clickSchema = {
  type: 'record',
  name: 'Click',
  namespace: 'com.example',
  fields: [
    { name: 'at', type: 'long' },
    { name: 'user', type: 'string' },
    { name: 'page', type: ['null', 'string'], default: null },
  ],
}

function framed(id: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(5)
  header.writeUInt32BE(id, 1)
  return Buffer.concat([header, body])
}

/** Decodes as a source does: again when what the record waits for is there. */
async function decode<T>(decoder: Decoder<T>, bytes: Buffer): Promise<T> {
  for (;;) {
    try {
      return decoder.decode(Buffer.concat([Buffer.from([9]), bytes]), 1, bytes.length + 1)
    } catch (error) {
      if (!(error instanceof NotYetDecodable)) throw error
      await error.ready
    }
  }
}

async function encoderOf<T>(format: Format<T>) {
  const encoder = format.createEncoder()
  await encoder.open?.()
  return encoder
}

const value = { user: 'ann', at: 7 }

test('a schema is registered when the encoder is opened, and fetched when its id is first seen', async () => {
  const format = confluentAvro({ url: registry.url, topic: 'clicks', type: click })
  const encoder = await encoderOf(format)
  expect(registry.requests).toEqual(['POST /subjects/clicks-value/versions'])
  const bytes = encoder.encode(value)
  expect(bytes.subarray(0, 5)).toEqual(Buffer.from([0, 0, 0, 0, 1]))
  const decoder = format.createDecoder()
  expect(() => decoder.decode(bytes, 0, bytes.length)).toThrow(NotYetDecodable)
  expect(await decode(decoder, bytes)).toEqual(value)
  expect(await decode(format.createDecoder(), bytes)).toEqual(value)
  expect(registry.requests.slice(1)).toEqual(['GET /schemas/ids/1'])
})

test('records of several schemas are read as the declared type', async () => {
  const old = registry.add('clicks-value', { ...clickSchema, fields: clickSchema.fields.slice(0, 2) })
  const now = registry.add('clicks-value', clickSchema)
  const decoder = confluentAvro({
    url: registry.url,
    type: record({ page: nullable(string()), user: string(), at: long() }),
  }).createDecoder()
  const body = avro(clickSchema).createEncoder().encode({ at: 1, user: 'bob', page: '/x' })
  expect(await decode(decoder, framed(now, body))).toEqual({ page: '/x', user: 'bob', at: 1 })
  // As in JSON, a nullable field that the record does not have is null.
  const oldBody = avro({ ...clickSchema, fields: clickSchema.fields.slice(0, 2) })
    .createEncoder()
    .encode({ at: 2, user: 'eve' })
  expect(await decode(decoder, framed(old, oldBody))).toEqual({ page: null, user: 'eve', at: 2 })
})

test('without a schema of its own, records are read as they were written', async () => {
  const id = registry.add('clicks-value', clickSchema)
  const decoder = confluentAvro<unknown>({ url: registry.url }).createDecoder()
  const body = avro(clickSchema).createEncoder().encode({ at: 1, user: 'bob' })
  expect(await decode(decoder, framed(id, body))).toEqual({ at: 1, user: 'bob', page: null })
})

test('schemas that refer to others are read', async () => {
  const user = { type: 'record', name: 'User', namespace: 'com.example', fields: [{ name: 'name', type: 'string' }] }
  registry.add('user', user)
  const order = { type: 'record', name: 'Order', namespace: 'com.example', fields: [{ name: 'by', type: 'User' }] }
  const references = [{ name: 'com.example.User', subject: 'user', version: 1 }]
  const id = registry.add('orders-value', order, { references })
  const decoder = confluentAvro<unknown>({ url: registry.url }).createDecoder()
  expect(await decode(decoder, framed(id, Buffer.from([6, 97, 110, 110])))).toEqual({ by: { name: 'ann' } })
})

test.each([
  [Buffer.from('{"user":"ann"}'), /not in the schema registry's wire format.*14 bytes that begin with 123/],
  [Buffer.from([0, 0, 1]), /not in the schema registry's wire format.*3 bytes/],
  [Buffer.alloc(0), /not in the schema registry's wire format.*no bytes/],
  [framed(77, Buffer.from([2])), /schema 77 of registry http:\/\/127.0.0.1:\d+: the registry has no such schema/],
  [framed(1, Buffer.from([2, 200])), /not Avro of this schema/],
  [framed(2, Buffer.from([2])), /schema 2 of registry .*: it is PROTOBUF, not Avro/],
  [framed(3, Buffer.from([2])), /schema 3 of registry .*: at: the writer's string can not be read as long/],
])('a record that is no value says why (%#)', async (bytes, message) => {
  registry.add('clicks-value', clickSchema)
  registry.add('other', 'message A {}', { schemaType: 'PROTOBUF' })
  registry.add('wrong', {
    ...clickSchema,
    fields: [
      { name: 'at', type: 'string' },
      { name: 'user', type: 'string' },
    ],
  })
  const decoder = confluentAvro({ url: registry.url, type: click }).createDecoder()
  await expect(decode(decoder, bytes)).rejects.toThrow(message)
  await expect(decode(decoder, bytes)).rejects.toMatchObject({ code: 'MR_DESERIALIZATION' })
})

test('a registry that is out of order for a while is asked again', async () => {
  const id = registry.add('clicks-value', clickSchema)
  registry.outages = [503, 0, 429]
  const decoder = confluentAvro<unknown>({ url: registry.url }).createDecoder()
  const body = avro(clickSchema).createEncoder().encode({ at: 1, user: 'bob' })
  expect(await decode(decoder, framed(id, body))).toMatchObject({ user: 'bob' })
  expect(registry.requests).toHaveLength(4)
})

test('a registry that stays away fails with its address and the schema, and can be asked again later', async () => {
  const id = registry.add('clicks-value', clickSchema)
  registry.outages = [500, 500]
  const decoder = confluentAvro<unknown>({ url: registry.url, retries: 1 }).createDecoder()
  const bytes = framed(id, avro(clickSchema).createEncoder().encode({ at: 1, user: 'bob' }))
  await expect(decode(decoder, bytes)).rejects.toMatchObject({
    code: 'MR_SCHEMA_REGISTRY',
    message: `schema registry ${registry.url}, schema 1: HTTP 500, out of order (2 attempts)`,
  })
  expect(await decode(decoder, bytes)).toMatchObject({ user: 'bob' })
})

test('the next address is asked where one does not answer', async () => {
  const gone = await SchemaRegistryServer.start()
  const { url } = gone
  await gone.stop()
  const encoder = await encoderOf(confluentAvro({ url: [url, registry.url], topic: 'clicks', type: click }))
  expect(encoder.encode(value)).toHaveLength(10)
  const alone = confluentAvro({ url, topic: 'clicks', type: click, retries: 0 }).createEncoder()
  await expect(alone.open?.()).rejects.toThrow(
    /schema registry http.*, subject clicks-value: .*ECONNREFUSED.*\(1 attempts\)/,
  )
})

test('an answer that does not come is given up after the timeout', async () => {
  const release = registry.hold()
  const encoder = confluentAvro({ url: registry.url, topic: 'c', type: click, retries: 0, timeout: 50 }).createEncoder()
  await expect(encoder.open?.()).rejects.toThrow('subject c-value: no answer within 50 ms (1 attempts)')
  release()
})

test('basic authentication: right and wrong credentials', async () => {
  registry.credentials = 'reader:secret'
  const options = { url: registry.url, topic: 'clicks', type: click }
  await encoderOf(confluentAvro({ ...options, auth: { username: 'reader', password: 'secret' } }))
  const wrong = confluentAvro({ ...options, auth: { username: 'reader', password: 'no' } }).createEncoder()
  await expect(wrong.open?.()).rejects.toMatchObject({
    code: 'MR_SCHEMA_REGISTRY',
    message: expect.stringMatching(/subject clicks-value: HTTP 401, Unauthorized: check the credentials$/),
  })
})

test('a schema that the registry refuses beside the earlier ones is told, and registers nothing', async () => {
  registry.add('clicks-value', clickSchema)
  const changed = { ...clickSchema, fields: [...clickSchema.fields, { name: 'must', type: 'int' }] }
  const encoder = confluentAvro<unknown>({ url: registry.url, topic: 'clicks', schema: changed }).createEncoder()
  await expect(encoder.open?.()).rejects.toMatchObject({
    code: 'MR_SCHEMA_INCOMPATIBLE',
    message: expect.stringMatching(/subject clicks-value: the schema is incompatible .*HTTP 409/),
  })
  expect(registry.versionsOf('clicks-value')).toBe(1)
})

test('without autoRegister the schema has to be there', async () => {
  const options = { url: registry.url, topic: 'clicks', schema: clickSchema, autoRegister: false } as const
  const missing = confluentAvro<unknown>(options).createEncoder()
  await expect(missing.open?.()).rejects.toThrow('the schema is not registered, and autoRegister is false')
  const id = registry.add('clicks-value', clickSchema)
  const encoder = await encoderOf(confluentAvro<unknown>(options))
  expect(encoder.encode({ at: 1, user: 'x' })[4]).toBe(id)
})

test('useLatestVersion writes with the newest schema of the subject', async () => {
  registry.add('clicks-value', { ...clickSchema, fields: clickSchema.fields.slice(0, 2) })
  const id = registry.add('clicks-value', clickSchema)
  const encoder = await encoderOf(
    confluentAvro<unknown>({ url: registry.url, topic: 'clicks', useLatestVersion: true }),
  )
  const bytes = encoder.encode({ at: 1, user: 'bob', page: 'p' })
  const decoder = confluentAvro<unknown>({ url: registry.url }).createDecoder()
  expect(bytes[4]).toBe(id)
  expect(await decode(decoder, bytes)).toEqual({ at: 1, user: 'bob', page: 'p' })
})

test('subjects are named as Confluent names them', async () => {
  const named = record({ n: int32() }, { name: 'Named' })
  const base = { url: registry.url, topic: 'T', type: named } as const
  await encoderOf(confluentAvro({ ...base, isKey: true }))
  await encoderOf(confluentAvro({ ...base, subjectNameStrategy: 'RecordNameStrategy' }))
  await encoderOf(confluentAvro({ ...base, subjectNameStrategy: 'TopicRecordNameStrategy' }))
  await encoderOf(confluentAvro<unknown>({ url: registry.url, subject: 'own/name', schema: clickSchema }))
  const subjects = registry.requests.map((request) => request.split('/')[2])
  expect(subjects).toEqual(['T-key', 'Named', 'T-Named', 'own%2Fname'])
})

test.each<[Partial<ConfluentAvroOptions<unknown>>, string]>([
  [{ url: 'registry:8081' }, 'is no http or https address'],
  [{ url: [] }, 'at least one is needed'],
  [{ url: 'http://user:secret@host' }, 'give user and password as auth'],
  [{ retries: -1 }, 'is no number of retries'],
  [{ timeout: 'soon' }, 'schema registry: timeout'],
])('%o is refused', (options, message) => {
  const wrong = { url: 'http://localhost', ...options } as ConfluentAvroOptions<unknown>
  expect(() => confluentAvro(wrong)).toThrow(expect.objectContaining({ code: 'MR_CONFIGURATION' }))
  expect(() => confluentAvro(wrong)).toThrow(message)
})

test('writing needs a subject and a schema', () => {
  expect(() => confluentAvro({ url: 'http://localhost', type: click }).createEncoder()).toThrow('writing needs topic')
  expect(() => confluentAvro({ url: 'http://localhost', topic: 't' }).createEncoder()).toThrow('writing needs type')
})

test('an answer that does not end is not read into memory: the registry is out of order', async () => {
  let sent = 0
  const server = createServer((_request, response) => {
    const chunk = Buffer.alloc(1 << 20, 32)
    const more = (): void => {
      while (!response.destroyed && response.write(chunk)) sent++
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const decoder = confluentAvro({ url, type: click, retries: 0, timeout: '60s' }).createDecoder()
    await expect(decode(decoder, framed(1, Buffer.alloc(2)))).rejects.toMatchObject({
      code: 'MR_SCHEMA_REGISTRY',
      message: expect.stringContaining('the answer has more than 16777216 bytes'),
    })
    expect(sent).toBeLessThan(64)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

test.each([
  ['no JSON', 'text/html', '<html>log in</html>'],
  ['another value', 'application/json', '[1]'],
  ['no schema', 'application/json', '{"schema": 7}'],
  ['a schema that is none', 'application/json', '{"schema": "{\\"type\\": \\"nothing\\"}"}'],
])('an answer of 200 that holds %s is a clear error', async (_what, type, body) => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': type }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const decoder = confluentAvro({ url, type: click, retries: 0 }).createDecoder()
    const error: unknown = await decode(decoder, framed(1, Buffer.alloc(2))).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: expect.stringMatching(/^MR_(SCHEMA_REGISTRY|DESERIALIZATION)$/) })
    expect(String(error)).toMatch(/schema 1/)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
})

test('the credentials do not follow a redirect to another host', async () => {
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    if (seen.length > 1) response.writeHead(500).end()
    else response.writeHead(302, { location: `http://localhost:${request.socket.localPort}${request.url}` }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const auth = { username: 'ann', password: 'secret' }
    const decoder = confluentAvro({ url, auth, type: click, retries: 0 }).createDecoder()
    await expect(decode(decoder, framed(1, Buffer.alloc(2)))).rejects.toMatchObject({ code: 'MR_SCHEMA_REGISTRY' })
    expect(seen).toEqual([expect.stringMatching(/^Basic /), undefined])
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})
