import assert from 'node:assert/strict'
import avsc from 'avsc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { avroSchema } from '../../../src/formats/avro-schema.ts'
import { ByteWriter } from '../../../src/formats/byte-writer.ts'
import type { DataType } from '../../../src/formats/data-type.ts'
import {
  array,
  boolean,
  bytes,
  double,
  int32,
  long,
  map,
  nullable,
  record,
  set,
  string,
  untyped,
} from '../../../src/formats/index.ts'
import { serializerOf } from '../../../src/formats/serializer.ts'
import { anyValueOf, hostileNames, typeAndValue } from './support/arbitrary-types.ts'

const roundTrip = <T>(type: DataType<T>, value: T): T => {
  const serializer = serializerOf(type)
  const encoded = serializer.encode(value)
  const shared = Buffer.concat([Buffer.from('before'), encoded, Buffer.from('after')])
  const decoded = serializer.decode(shared, 6, 6 + encoded.length)
  shared.fill(0xff)
  return decoded
}

test('a declared value comes back as it was, whatever its neighbours', () => {
  fc.assert(
    fc.property(typeAndValue, ({ type, value }) => {
      // Not toStrictEqual: it asks values for their constructor, which may be a field.
      assert.deepStrictEqual(roundTrip(type, value), value)
    }),
    { numRuns: 500 },
  )
})

type Row = { id: number; lines: readonly { amounts: readonly number[] }[] }
const withSmallerLongs = (value: unknown) => {
  const row = value as Row
  const lines = row.lines.map((line) => ({ ...line, amounts: line.amounts.map((amount) => Math.floor(amount / 8)) }))
  return { ...row, id: Math.floor(row.id / 8), lines }
}

test('the bytes are those of avsc for the same schema', () => {
  const row = record({
    id: long(),
    small: int32(),
    name: string(),
    price: double(),
    paid: boolean(),
    note: nullable(string()),
    tags: array(string()),
    lines: array(record({ sku: string(), amounts: array(long()) })),
    address: nullable(record({ city: string(), codes: array(nullable(int32())) })),
    raw: bytes(),
  })
  const reference = avsc.Type.forSchema(avroSchema(row) as avsc.Schema)
  const serializer = serializerOf(row)
  fc.assert(
    // avsc takes a smaller range of long than a number holds exactly.
    fc.property(anyValueOf(row).map(withSmallerLongs), (value) => {
      const { raw, ...rest } = value as unknown as { raw: Uint8Array }
      const expected = reference.toBuffer({ ...rest, raw: Buffer.from(raw) })
      expect(serializer.encode(value as never).equals(expected)).toBe(true)
      expect(serializer.decode(expected, 0, expected.length)).toEqual(value)
    }),
    { numRuns: 500 },
  )
})

test('maps and sets have the bytes of maps and arrays of Avro', () => {
  const text = map(string(), array(double()))
  const byText = new Map([
    ['a', [1, 2]],
    ['', []],
  ])
  const mapType = avsc.Type.forSchema(avroSchema(text) as avsc.Schema)
  expect(
    serializerOf(text)
      .encode(byText)
      .equals(mapType.toBuffer(Object.fromEntries(byText))),
  ).toBe(true)

  const numbers = map(int32(), string())
  const entries = avsc.Type.forSchema(avroSchema(numbers) as avsc.Schema)
  const bytesOfEntries = entries.toBuffer([{ key: 7, value: 'seven' }])
  expect(
    serializerOf(numbers)
      .encode(new Map([[7, 'seven']]))
      .equals(bytesOfEntries),
  ).toBe(true)

  const items = avsc.Type.forSchema(avroSchema(set(string())) as avsc.Schema)
  expect(
    serializerOf(set(string()))
      .encode(new Set(['x', 'y']))
      .equals(items.toBuffer(['x', 'y'])),
  ).toBe(true)
})

test('keys of maps and items of sets are told apart by value', () => {
  expect(() => map(bytes() as never, string())).toThrow('The keys of a map can not be of type bytes')
  expect(() => set(array(string()) as never)).toThrow('The items of a set can not be of type array')
})

test('values follow each other in one writer, which grows', () => {
  const serializer = serializerOf(record({ key: string(), list: array(double()) }))
  const writer = new ByteWriter(1)
  const ends: number[] = []
  const values = Array.from({ length: 50 }, (_, index) => ({ key: 'k'.repeat(index), list: [index, index / 3] }))
  for (const value of values) {
    serializer.encodeInto(writer, value)
    ends.push(writer.position)
  }
  const decoded = ends.map((end, index) => serializer.decode(writer.bytes, ends[index - 1] ?? 0, end))
  expect(decoded).toStrictEqual(values)
})

test('R39: a value that does not fit its type is refused by the name of the field, and nothing is appended', () => {
  const type = record({
    userId: string(),
    lines: array(record({ value: int32() })),
    when: nullable(long()),
    'odd name': nullable(boolean()),
  })
  const serializer = serializerOf(type)
  const writer = new ByteWriter()
  const good = { userId: 'u', lines: [{ value: 1 }], when: null, 'odd name': true }
  const wrong: readonly [unknown, string][] = [
    [{ ...good, userId: 1 }, 'userId: expected string, got 1'],
    [{ ...good, userId: undefined }, 'userId: expected string, got nothing'],
    [{ ...good, lines: [{ value: 1 }, { value: 'x' }] }, 'lines[1].value: expected int32, got string'],
    [{ ...good, lines: [{ value: 1.5 }] }, 'lines[0].value: expected int32, got 1.5'],
    [{ ...good, lines: [{ value: 2 ** 31 }] }, 'lines[0].value: expected int32, got 2147483648'],
    [{ ...good, lines: [{ value: 5n }] }, 'lines[0].value: expected int32, got bigint'],
    [{ ...good, lines: [null] }, 'lines[0]: expected record, got null'],
    [{ ...good, lines: 'x' }, 'lines: expected array, got string'],
    [{ ...good, when: 2 ** 53 }, 'when: expected long, got 9007199254740992'],
    [{ ...good, when: new Date(0) }, 'when: expected long, got Date'],
    [{ ...good, 'odd name': 1 }, '["odd name"]: expected boolean, got 1'],
    [null, 'expected record, got null'],
  ]
  for (const [value, message] of wrong) {
    expect(() => serializer.encodeInto(writer, value as never)).toThrow(
      expect.objectContaining({ code: 'MR_STATE_TYPE', message }),
    )
    expect(writer.position).toBe(0)
  }
})

test('hostile field names are data, in writing and in reading', () => {
  const type = record(Object.fromEntries(hostileNames.map((name) => [name, nullable(string())])))
  const value = Object.fromEntries(hostileNames.map((name) => [name, name]))
  expect(roundTrip(type, value as never)).toStrictEqual(value)
  expect(() => avsc.Type.forSchema(avroSchema(type) as avsc.Schema)).not.toThrow()
})

test('a missing nullable field is null', () => {
  const type = record({ a: nullable(int32()), b: string() })
  expect(roundTrip(type, { b: 'x' } as never)).toStrictEqual({ a: null, b: 'x' })
})

test('damaged bytes are an error and never run away', () => {
  const type = record({ a: array(string()), b: nullable(double()), c: long(), d: bytes() })
  const serializer = serializerOf(type)
  const encoded = serializer.encode({ a: ['x', 'yy'], b: 1, c: 77, d: Uint8Array.of(1) })
  fc.assert(
    fc.property(fc.nat(encoded.length - 1), fc.nat(255), (at, byte) => {
      expect(() => serializer.decode(encoded, 0, at)).toThrow()
      const broken = Buffer.from(encoded)
      broken[at] = byte
      try {
        serializer.decode(broken, 0, broken.length)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    }),
  )
  for (const count of [2 ** 40, -5]) {
    const block = serializerOf(array(long())).encode([count]).subarray(1, -1)
    expect(() => serializerOf(array(long())).decode(block, 0, block.length)).toThrow(RangeError)
  }
})

test('R39: untyped plain data comes back, also Dates, Maps, Sets, bigints and bytes', () => {
  const value = {
    date: new Date(1690000000123),
    map: new Map<unknown, unknown>([
      ['a', { b: [1, 2.5, null] }],
      [7, new Set([1, 'x'])],
    ]),
    big: [5n, -(2n ** 100n), 2n ** 63n],
    nothing: undefined,
    text: 'é𝒳'.repeat(100),
    numbers: [-1, 1e300, 2 ** 31, 2 ** 53 - 1, Number.POSITIVE_INFINITY],
    pattern: /a+/gi,
    floats: Float64Array.of(1, 2.5),
    list: [{ x: 1 }, { x: 2, y: 1 }, { x: 3 }],
    bare: Object.assign(Object.create(null), { a: 1 }),
    empty: {},
  }
  const decoded = roundTrip(untyped<typeof value>(), value)
  expect(decoded).toEqual(value)
  expect(decoded.map.get(7)).toBeInstanceOf(Set)
  expect(Buffer.from(roundTrip(untyped<Uint8Array>(), Uint8Array.of(1, 2))).equals(Buffer.of(1, 2))).toBe(true)
  for (const scalar of ['text', 1, true, null, undefined, 3n]) expect(roundTrip(untyped(), scalar)).toBe(scalar)
  expect(serializerOf(untyped()).schemaText).toBe('{"type":"bytes","millrace":"msgpackr"}')
})

test('untyped values of JSON come back one after another from one writer', () => {
  const json = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('__proto__'))
  fc.assert(
    fc.property(fc.array(json, { maxLength: 5 }), (values) => {
      const serializer = serializerOf(untyped<unknown>())
      const writer = new ByteWriter(1)
      let start = 0
      for (const value of values) {
        serializer.encodeInto(writer, value)
        expect(JSON.stringify(serializer.decode(writer.bytes, start, writer.position))).toBe(JSON.stringify(value))
        start = writer.position
      }
    }),
  )
})

test('R39: class instances, functions, symbols and cycles in untyped values are refused by the name of the field', () => {
  class Money {
    readonly amount = 1
  }
  class Stamped {
    toJSON() {
      return {}
    }
  }
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const refused: readonly [unknown, string][] = [
    [{ a: { price: new Money() } }, 'a.price is an instance of class Money'],
    [{ list: [1, new Stamped()] }, 'list[1] is an instance of class Stamped'],
    [{ f: () => 1 }, 'f is a function'],
    [{ m: new Map([['k', Symbol('s')]]) }, 'm.values()[0] is a symbol'],
    [new Money(), 'the value is an instance of class Money'],
    [new (class extends Map {})(), 'the value is an instance of class'],
    [cyclic, 'self is an object that holds itself'],
  ]
  const serializer = serializerOf(untyped<unknown>())
  for (const [value, message] of refused) {
    expect(() => serializer.encode(value)).toThrow(
      expect.objectContaining({ code: 'MR_STATE_TYPE', message: expect.stringContaining(message) }),
    )
  }
  expect(serializer.encode({ still: 'usable' }).length).toBeGreaterThan(0)
})
