import avsc from 'avsc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeLong } from '../../../src/formats/avro-primitives.ts'
import {
  array,
  avro,
  boolean,
  bytes,
  double,
  type Format,
  int32,
  long,
  nullable,
  record,
  string,
} from '../../../src/formats/index.ts'
import { arbitraryAvro } from './support/arbitrary-avro.ts'
import { anyValueOf, recordType } from './support/arbitrary-types.ts'

const runs = 300

function decode<T>(format: Format<T>, body: Uint8Array): T {
  // Neighbours before and behind: nothing may be read of them.
  const all = Buffer.concat([Buffer.from([2, 4, 6]), body, Buffer.from([2, 2, 0, 0, 8, 8])])
  return format.createDecoder().decode(all, 3, 3 + body.length)
}

function roundTrip<T>(format: Format<T>, value: T): T {
  return decode(format, format.createEncoder().encode(value))
}

/** A count of Avro. */
function zigzag(value: number): Buffer {
  const room = Buffer.alloc(10)
  return room.subarray(0, writeLong(room, 0, value))
}

function schemaOf(...fields: readonly unknown[]) {
  return { type: 'record', name: 'R', fields } as never
}

test('any value of any schema comes back, in the bytes that avsc writes and reads', () => {
  const sample = arbitraryAvro(3).chain(({ schema, value }) => fc.tuple(fc.constant(schema), value))
  fc.assert(
    fc.property(sample, ([schema, value]) => {
      const format = avro<unknown>(schema as never)
      const type = avsc.Type.forSchema(schema as never)
      const body = format.createEncoder().encode(value)
      const back = decode(format, body)
      expect(back).toEqual(value)
      // Maps may be written in any order of their keys; ours and avsc's is that of the object.
      expect(type.toBuffer(withBuffers(value))).toEqual(body)
    }),
    { numRuns: runs },
  )
})

/** avsc takes bytes as buffers only. */
function withBuffers(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (Array.isArray(value)) return value.map(withBuffers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withBuffers(part)]))
}

test('damaged bytes give a clear error or a value of the schema, and never hang', () => {
  const sample = arbitraryAvro(3).chain(({ schema, value }) =>
    fc.tuple(fc.constant(schema), value, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean()),
  )
  fc.assert(
    fc.property(sample, ([schema, value, at, byte, cut]) => {
      const format = avro<unknown>(schema as never)
      const body = format.createEncoder().encode(value)
      if (body.length === 0) return
      const place = at % body.length
      body[place] = byte
      const damaged = cut ? body.subarray(0, place) : body
      try {
        const read = decode(format, damaged)
        // What was read is a value of the schema: it can be written.
        format.createEncoder().encode(read)
      } catch (error) {
        expect(error).toMatchObject({ code: 'MR_DESERIALIZATION' })
      }
    }),
    { numRuns: runs },
  )
})

test('random bytes give an error or a value, within a moment', () => {
  const format = avro<unknown>(
    schemaOf(
      { name: 'a', type: { type: 'array', items: 'null' } },
      { name: 'b', type: { type: 'map', values: { type: 'array', items: 'long' } } },
      { name: 'next', type: ['null', 'R'] },
    ),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (body) => {
      try {
        decode(format, body)
      } catch (error) {
        expect(error).toMatchObject({ code: 'MR_DESERIALIZATION' })
      }
    }),
    { numRuns: 1000 },
  )
})

test('items that take no byte do not run away over many blocks, read or skipped', () => {
  const block = Buffer.from([0x80, 0x80, 0x08])
  const body = Buffer.concat([...Array.from({ length: 100 }, () => block), Buffer.from([0])])
  const writerSchema = schemaOf({ name: 'a', type: { type: 'array', items: 'null' } })
  const readerSchema = schemaOf({ name: 'b', type: 'int', default: 1 })
  for (const format of [avro<unknown>(writerSchema), avro<unknown>(writerSchema, { readerSchema })]) {
    expect(() => decode(format, body)).toThrow('more than 65536 items that take no bytes')
    const once = decode(format, Buffer.concat([block, Buffer.from([0])])) as { a?: readonly null[] }
    expect(once.a?.length ?? 65_536).toBe(65_536)
  }
})

test('lists of lists of items that take no byte can not claim billions of them: that is an error of the record alone', () => {
  const nulls = { type: 'array', items: 'null' } as const
  const empty = { type: 'array', items: { type: 'record', name: 'E', fields: [] } } as const
  // An inner list of 60,000 in four bytes, its end included.
  const inner = Buffer.concat([zigzag(60_000), Buffer.from([0])])
  const body = (lists: number) =>
    Buffer.concat([zigzag(lists), ...Array.from({ length: lists }, () => inner), Buffer.from([0])])
  const readerSchema = schemaOf({ name: 'b', type: 'int', default: 1 })
  for (const items of [nulls, empty]) {
    const writerSchema = schemaOf({ name: 'a', type: { type: 'array', items } })
    for (const format of [avro<unknown>(writerSchema), avro<unknown>(writerSchema, { readerSchema })]) {
      const begun = performance.now()
      expect(() => decode(format, body(100_000))).toThrow('more than 65536 items that take no bytes')
      expect(() => decode(format, body(100_000))).toThrow(expect.objectContaining({ code: 'MR_DESERIALIZATION' }))
      expect(performance.now() - begun).toBeLessThan(1000)
      // Each record has the limit anew.
      for (let round = 0; round < 3; round++) decode(format, body(1))
    }
  }
})

test('a declared type is written and read as its Avro schema says', () => {
  const sample = recordType.chain((type) => fc.tuple(fc.constant(type), anyValueOf(type)))
  fc.assert(
    fc.property(sample, ([type, value]) => {
      const format = avro(type)
      const body = format.createEncoder().encode(value)
      const back = decode(format, body)
      expect(format.createEncoder().encode(back)).toEqual(body)
    }),
    { numRuns: runs },
  )
})

test('a declared type refuses truncated and overlong bytes, and values that are none of its kinds', () => {
  const format = avro(record({ name: string(), on: boolean(), note: nullable(string()), n: int32() }))
  const body = format.createEncoder().encode({ name: 'x', on: true, note: null, n: 5 })
  expect(decode(format, body)).toEqual({ name: 'x', on: true, note: null, n: 5 })
  for (let length = 0; length < body.length; length++) {
    expect(() => decode(format, body.subarray(0, length))).toThrow(/not Avro of this schema/)
  }
  expect(() => decode(format, Buffer.concat([body, Buffer.from([0])]))).toThrow(/1 bytes are left/)
  // name x, on = 7; then on = 1, note's branch = 4.
  expect(() => decode(format, Buffer.from([2, 120, 7, 0, 10]))).toThrow(/not Avro of this schema/)
  expect(() => decode(format, Buffer.from([2, 120, 1, 4, 10]))).toThrow(/not Avro of this schema/)
})

test('blocks with their size in bytes, which other writers give, are read', () => {
  const format = avro(record({ list: array(int32()) }))
  // Two items, in a block of two bytes.
  const body = Buffer.from([3, 4, 2, 4, 0])
  expect(decode(format, body)).toEqual({ list: [1, 2] })
  expect(decode(avro({ type: 'array', items: 'int' }), body)).toEqual([1, 2])
})

test('a newer reader takes fields by name or alias, widens numbers and fills in defaults', () => {
  const writer = schemaOf(
    { name: 'dropped', type: { type: 'map', values: ['null', 'string', { type: 'array', items: 'double' }] } },
    { name: 'n', type: 'int' },
    { name: 'old', type: 'string' },
  )
  const reader = schemaOf(
    { name: 'tags', type: { type: 'array', items: 'string' }, default: ['new'] },
    { name: 'renamed', aliases: ['old'], type: ['null', 'string'] },
    { name: 'n', type: 'double' },
  )
  const body = avro<unknown>(writer)
    .createEncoder()
    .encode({ dropped: { a: null, b: 'text', c: [1, 2] }, n: 3, old: 'x' })
  const format = avro<unknown>(writer, { readerSchema: reader })
  const first = decode(format, body) as { readonly tags: string[] }
  expect(first).toEqual({ tags: ['new'], renamed: 'x', n: 3 })
  // Defaults are no shared objects.
  first.tags.push('changed')
  expect(decode(format, body)).toEqual({ tags: ['new'], renamed: 'x', n: 3 })
})

test('resolution of schemas gives what avsc gives', () => {
  const pair = fc.tuple(arbitraryAvro(1), arbitraryAvro(1)).map(([left, right]) => ({ left, right }))
  const sample = pair.chain(({ left, right }) =>
    left.value.map((value) => ({ written: value, writer: left.schema, reader: right.schema })),
  )
  fc.assert(
    fc.property(sample, ({ written, writer, reader }) => {
      // One name, so that records match; what differs is what is in them.
      const [from, to] = [writer, reader].map((schema) => JSON.parse(JSON.stringify(schema).replace(/R1_\d+/, 'R')))
      const body = avro<unknown>(from).createEncoder().encode(written)
      const expected = attempt(() => {
        const type = avsc.Type.forSchema(to)
        return type.fromBuffer(body, type.createResolver(avsc.Type.forSchema(from)))
      })
      const actual = attempt(() => decode(avro<unknown>(from, { readerSchema: to }), body))
      // avsc reads bytes as buffers; an unreadable branch is an error there as here.
      if (expected !== undefined) expect(plain(actual)).toEqual(plain(expected))
    }),
    { numRuns: 1000 },
  )
})

function attempt(action: () => unknown): unknown {
  try {
    return action()
  } catch {
    return undefined
  }
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]))
}

test('a reader that can not read what was written is refused with the name of the field', () => {
  const writer = schemaOf({
    name: 'order',
    type: { type: 'record', name: 'O', fields: [{ name: 'total', type: 'string' }] },
  })
  const reader = schemaOf({
    name: 'order',
    type: { type: 'record', name: 'O', fields: [{ name: 'total', type: 'int' }] },
  })
  expect(() => avro(writer, { readerSchema: reader })).toThrow(
    "order.total: the writer's string can not be read as int",
  )
  const more = schemaOf({ name: 'order', type: 'string' }, { name: 'missing', type: 'long' })
  expect(() => avro(schemaOf({ name: 'order', type: 'string' }), { readerSchema: more })).toThrow(
    'missing: the writer has no such field, and it has no default',
  )
})

test('a declared type reads what another schema wrote', () => {
  const writerSchema = {
    type: 'record',
    name: 'Click',
    namespace: 'com.example',
    fields: [
      { name: 'ignored', type: ['null', 'double'] },
      { name: 'at', type: 'int' },
      { name: 'user', type: 'string' },
    ],
  }
  const body = avro(writerSchema).createEncoder().encode({ ignored: 1.5, at: 7, user: 'ann' })
  const format = avro(record({ user: string(), at: long() }), { writerSchema })
  expect(decode(format, body)).toEqual({ user: 'ann', at: 7 })
})

test('logical types have values of their own', () => {
  const logical = (type: unknown, logicalType: string, more = {}) => ({ type, logicalType, ...more })
  const format = avro<Record<string, unknown>>(
    schemaOf(
      { name: 'day', type: logical('int', 'date') },
      { name: 'at', type: logical('long', 'timestamp-millis') },
      { name: 'exact', type: ['null', logical('long', 'timestamp-micros')] },
      { name: 'time', type: logical('int', 'time-millis') },
      { name: 'micros', type: logical('long', 'time-micros') },
      { name: 'price', type: logical('bytes', 'decimal', { precision: 10, scale: 2 }) },
      { name: 'fixed', type: logical('fixed', 'decimal', { name: 'F', size: 5, precision: 9, scale: 3 }) },
      { name: 'id', type: logical('string', 'uuid') },
      { name: 'other', type: logical('long', 'unknown-to-all') },
    ),
  )
  const value = {
    day: new Date('1969-12-31T00:00:00Z'),
    at: new Date(1234567890123),
    exact: 253402300799999999n,
    time: 86_399_999,
    micros: 86_399_999_999,
    price: '-12.50',
    fixed: '123456.789',
    id: '6f1ed002-ab5d-4dd8-8b1c-5a3d0a4b4f6e',
    other: 5,
  }
  expect(roundTrip(format, value)).toEqual(value)
  for (const [name, wrong] of Object.entries({
    price: '1.234',
    id: 'x',
    day: new Date(5),
    time: 86_400_000,
    exact: 5,
  })) {
    expect(() => format.createEncoder().encode({ ...value, [name]: wrong })).toThrow(new RegExp(`^${name}: expected`))
  }
})

test('decimals of every size come back', () => {
  const schema = { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 4 }
  const format = avro<string>(schema)
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 30n) + 1n, max: 10n ** 30n - 1n }), (unscaled) => {
      const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(5, '0')
      const text = `${unscaled < 0n ? '-' : ''}${digits.slice(0, -4)}.${digits.slice(-4)}`
      expect(roundTrip(format, text)).toBe(text)
    }),
    { numRuns: runs },
  )
})

test('longs above 2^53 are an error as numbers, and come back as bigints', () => {
  const big = avro<bigint>('long', { longs: 'bigint' })
  for (const value of [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n]) expect(roundTrip(big, value)).toBe(value)
  const number = avro<number>('long')
  for (const value of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -(2 ** 52) - 1]) {
    expect(number.createEncoder().encode(value)).toEqual(big.createEncoder().encode(BigInt(value)))
    expect(roundTrip(number, value)).toBe(value)
  }
  const body = big.createEncoder().encode(2n ** 60n)
  expect(() => decode(avro('long'), body)).toThrow('read longs as bigint')
  expect(() => big.createEncoder().encode(2n ** 63n)).toThrow('expected long')
})

test('a union whose branches look alike is written by the name of its branch', () => {
  const format = avro<unknown>([
    'null',
    'int',
    'long',
    { type: 'record', name: 'a.R', fields: [{ name: 'x', type: 'int' }] },
  ])
  for (const value of [null, { int: 5 }, { long: 5 }, { 'a.R': { x: 1 } }])
    expect(roundTrip(format, value)).toEqual(value)
  expect(() => format.createEncoder().encode(5)).toThrow('expected null or int or long or record a.R, got 5')
})

test('recursive types are read and written', () => {
  const format = avro<unknown>(
    schemaOf({ name: 'value', type: 'int' }, { name: 'next', type: ['null', 'R'], default: null }),
  )
  const value = { value: 1, next: { value: 2, next: { value: 3, next: null } } }
  expect(roundTrip(format, value)).toEqual(value)
  // A field that is not there gets its default.
  expect(roundTrip<unknown>(format, { value: 1 })).toEqual({ value: 1, next: null })
})

test('a value that does not fit is named by its path', () => {
  const format = avro<unknown>(
    schemaOf({ name: 'list', type: { type: 'array', items: { type: 'map', values: 'double' } } }),
  )
  expect(() => format.createEncoder().encode({ list: [{}, { a: 1, 'b c': 'x' }] })).toThrow(
    'list[1]["b c"]: expected double, got string',
  )
  expect(() =>
    avro(record({ d: double(), b: bytes() }))
      .createEncoder()
      .encode({ d: 1 } as never),
  ).toThrow('b: expected bytes, got nothing')
})

test('what is no schema is refused with the reason', () => {
  expect(() => avro('{"type":')).toThrow(/the schema is no JSON/)
  expect(() => avro({ type: 'recrod', name: 'R', fields: [] })).toThrow(/the schema is no Avro schema: unknown type/)
})
