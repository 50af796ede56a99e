import fc from 'fast-check'
import protobufjs from 'protobufjs'
import { expect, test } from 'vitest'
import { type Format, protobuf } from '../../../src/formats/index.ts'

const schema = `
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
enum Status { UNKNOWN = 0; PAID = 1; SENT = 2; }
message Line { string sku = 1; uint32 count = 2; }
message Order {
  string id = 1;
  int64 placed_at = 2;
  uint64 big = 3;
  sint32 delta = 4;
  double total = 5;
  bool paid = 6;
  bytes raw = 7;
  Status status = 8;
  repeated Line lines = 9;
  map<string, int32> counts = 10;
  Line gift = 11;
  optional string note = 12;
  repeated sint64 deltas = 13;
  oneof payment { string card = 14; string iban = 15; }
  google.protobuf.Timestamp at = 16;
}
`

function decode<T>(format: Format<T>, body: Uint8Array): T {
  const all = Buffer.concat([Buffer.from([8, 1, 8]), body, Buffer.from([8, 1, 8])])
  const value = format.createDecoder().decode(all, 3, 3 + body.length)
  all.fill(0)
  return value
}

const line = fc.record({ sku: fc.string(), count: fc.nat() })
const order = fc.record(
  {
    id: fc.string({ unit: 'grapheme' }),
    placedAt: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    big: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    delta: fc.integer(),
    total: fc.double({ noNaN: true }),
    paid: fc.boolean(),
    raw: fc.uint8Array({ maxLength: 9 }).map((array) => Buffer.from(array)),
    status: fc.constantFrom('UNKNOWN', 'PAID', 'SENT'),
    lines: fc.array(line, { maxLength: 3 }),
    counts: fc.dictionary(fc.string(), fc.integer(), { maxKeys: 3 }).map((map) => ({ ...map })),
    gift: fc.option(line),
    deltas: fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 3 }),
    note: fc.string(),
    card: fc.string(),
    at: fc.constant(null),
  },
  {
    requiredKeys: [
      'id',
      'placedAt',
      'big',
      'delta',
      'total',
      'paid',
      'raw',
      'status',
      'lines',
      'counts',
      'gift',
      'deltas',
      'at',
    ],
  },
)

test('any message comes back, with 64-bit integers as bigints', () => {
  const format = protobuf<unknown>({ schema, messageType: 'shop.Order', longs: 'bigint' })
  const encoder = format.createEncoder()
  fc.assert(
    fc.property(order, (value) => {
      expect(decode(format, encoder.encode(value))).toEqual(value)
    }),
    { numRuns: 300 },
  )
})

test('as numbers, 64-bit integers come back or are refused', () => {
  const format = protobuf<Record<string, unknown>>({ schema, messageType: 'shop.Order' })
  const bytes = format.createEncoder().encode({ placedAt: 2 ** 53 - 1, deltas: [-5, 7] })
  expect(decode(format, bytes)).toMatchObject({ placedAt: 2 ** 53 - 1, big: 0, deltas: [-5, 7] })
  const large = format.createEncoder().encode({ big: 2n ** 60n })
  expect(() => decode(format, large)).toThrow('1152921504606846976 is too large for a number: read longs as bigint')
})

test('what is not set has its default, null, or is left out', () => {
  const format = protobuf<unknown>({ schema, messageType: 'shop.Order' })
  const empty = { id: '', placedAt: 0, big: 0, delta: 0, total: 0, paid: false, status: 'UNKNOWN' }
  const value = decode(format, Buffer.alloc(0))
  expect(value).toEqual({ ...empty, raw: Buffer.alloc(0), lines: [], counts: {}, gift: null, deltas: [], at: null })
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
})

test('damaged bytes give a clear error or a message, and never hang', () => {
  const format = protobuf<unknown>({ schema, messageType: 'shop.Order', longs: 'bigint' })
  const encoder = format.createEncoder()
  fc.assert(
    fc.property(order, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean(), (value, at, byte, cut) => {
      const body = Buffer.from(encoder.encode(value))
      if (body.length === 0) return
      const place = at % body.length
      body[place] = byte
      try {
        decode(format, cut ? body.subarray(0, place) : body)
      } catch (error) {
        expect(error).toMatchObject({ code: 'MR_DESERIALIZATION', message: expect.stringContaining('shop.Order') })
      }
    }),
    { numRuns: 500 },
  )
})

test.each([
  [{ id: 5 }, 'id: expected string, got 5'],
  [{ delta: 2 ** 31 }, 'delta: expected sint32, got 2147483648'],
  [{ delta: 'x' }, 'delta: expected sint32, got string'],
  [{ big: -1n }, 'big: expected uint64, got bigint'],
  [{ status: 'LOST' }, 'status: expected enum Status, got "LOST"'],
  [{ lines: [{ sku: 'a' }, { count: -1 }] }, 'lines[1].count: expected uint32, got -1'],
  [{ counts: { 'a b': 1.5 } }, 'counts["a b"]: expected int32, got 1.5'],
  [{ gift: [] }, 'gift: expected message shop.Line, got array'],
  ['text', 'expected message shop.Order, got string'],
])('a value that does not fit is named (%o)', (value, message) => {
  const format = protobuf<unknown>({ schema, messageType: 'shop.Order' })
  expect(() => format.createEncoder().encode(value)).toThrow(
    expect.objectContaining({ code: 'MR_STATE_TYPE', message }),
  )
})

test('names as in the schema, several files in any order, and descriptors', () => {
  const files = [
    'syntax = "proto3"; package a; import "b.proto"; message A { b.B in_it = 1; }',
    'syntax = "proto3"; package b; message B { int32 some_n = 1; }',
  ]
  const format = protobuf<unknown>({ schema: files, messageType: 'a.A', keepCase: true })
  expect(decode(format, format.createEncoder().encode({ in_it: { some_n: 5 } }))).toEqual({ in_it: { some_n: 5 } })
  const made = descriptorOf('syntax = "proto3"; package t; message T { int32 some_n = 1; }')
  const other = protobuf<unknown>({ descriptor: made, messageType: 't.T' })
  expect(decode(other, Buffer.from([8, 5]))).toEqual({ someN: 5 })
  expect(
    decode(protobuf<unknown>({ descriptor: made, messageType: 't.T', keepCase: true }), Buffer.from([8, 5])),
  ).toEqual({
    some_n: 5,
  })
})

function descriptorOf(text: string): Uint8Array {
  const root = protobufjs.parse(text, new protobufjs.Root(), { keepCase: true }).root
  const set = (root as unknown as { toDescriptor(edition: string): protobufjs.Message }).toDescriptor('proto3')
  const type = set.$type as protobufjs.Type
  return type.encode(set).finish()
}

test('a schema that can not be read, or has no such message, is refused', () => {
  expect(() => protobuf({ schema: 'message {', messageType: 'A' })).toThrow(
    expect.objectContaining({
      code: 'MR_JOB_DEFINITION',
      message: expect.stringMatching(/^protobuf\(\): message A: .*line 1/),
    }),
  )
  expect(() => protobuf({ schema, messageType: 'shop.Nothing' })).toThrow(/shop\.Nothing/)
  expect(() => protobuf({ schema: 'syntax = "proto3"; message A { Missing m = 1; }', messageType: 'A' })).toThrow(
    /Missing/,
  )
})
