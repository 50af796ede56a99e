import avsc from 'avsc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeEnvelope, encodeEnvelope, envelopeSchema } from '../../../src/actors/transport/wire/envelope.ts'
import { atOnce, damaged, damages, fuzzRuns, fuzzTimeoutMs, valueOrClearError } from '../fuzz/support.ts'

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, undefined, true, false, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
    fc.uint8Array(),
    fc.array(tie('value')),
    fc.dictionary(fc.string(), tie('value')),
  ),
})).value

const envelope = fc.record({
  to: fc.string(),
  envelope: fc.record(
    {
      protocolVersion: fc.constant(1 as const),
      from: fc.string(),
      token: fc.string(),
      leaderToken: fc.string(),
      sequence: fc.maxSafeInteger().map(Math.abs),
      body: plain,
    },
    { requiredKeys: ['protocolVersion', 'from', 'token', 'sequence', 'body'] },
  ),
})

test('any plain data comes back from an envelope as it was', () => {
  fc.assert(
    fc.property(envelope, (message) => {
      expect(decodeEnvelope(encodeEnvelope(message))).toEqual(message)
    }),
  )
})

test('an envelope is Avro, which another reader opens by its schema', () => {
  const type = avsc.Type.forSchema(JSON.parse(JSON.stringify(envelopeSchema)), { wrapUnions: true })
  const body = { list: [1, 2.5, 'three', null], bytes: new Uint8Array([4]), none: undefined }
  const bytes = encodeEnvelope({
    to: 'task-manager/a',
    envelope: { protocolVersion: 1, from: 'job-manager', token: 't', leaderToken: 'n:7', sequence: 3, body },
  })
  expect(JSON.parse(JSON.stringify(type.fromBuffer(bytes)))).toMatchObject({
    from: 'job-manager',
    to: 'task-manager/a',
    leaderToken: { string: 'n:7' },
    sequence: 3,
    body: {
      value: { map: { list: { value: { array: [{ value: { long: 1 } }, { value: { double: 2.5 } }, {}, {}] } } } },
    },
  })
})

test('what is no plain data is refused where it is sent', () => {
  class Point {}
  for (const body of [() => 1, Symbol('s'), 1n, new Point(), new Map()]) {
    const message = { to: 'b', envelope: { protocolVersion: 1, from: 'a', token: 't', sequence: 1, body } } as const
    expect(() => encodeEnvelope(message)).toThrow(/no plain data/)
  }
})

test('a key named __proto__ stands in the object and changes nothing else', () => {
  const body: unknown = JSON.parse('{"__proto__": {"polluted": true}}')
  const message = { to: 'b', envelope: { protocolVersion: 1, from: 'a', token: 't', sequence: 1, body } } as const
  const decoded = decodeEnvelope(encodeEnvelope(message)).envelope.body as Record<string, unknown>
  expect(Object.keys(decoded)).toEqual(['__proto__'])
  expect(decoded['polluted']).toBeUndefined()
})

test(
  'damaged bytes give a clear error, never a hang or a crash',
  () => {
    fc.assert(
      fc.property(envelope, damages, (message, list) => {
        const bytes = damaged(encodeEnvelope(message), list)
        atOnce(() => valueOrClearError(() => decodeEnvelope(bytes), ['MR_MESSAGE_DAMAGED']))
      }),
      fuzzRuns(500),
    )
  },
  fuzzTimeoutMs,
)
