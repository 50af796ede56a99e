import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type SlicedBuffer, slicedBuffer } from '../../../src/formats/avro-primitives.ts'
import type { DeclaredType, KeyType } from '../../../src/formats/data-type.ts'
import {
  array,
  boolean,
  bytes,
  double,
  int32,
  json,
  long,
  map,
  nullable,
  record,
  set,
  string,
} from '../../../src/formats/index.ts'
import { RecordScanner } from '../../../src/formats/json-decoder.ts'
import { pickDeclared } from '../../../src/formats/pick-declared.ts'
import { anyValueOf, hostileNames, recordType } from './support/arbitrary-types.ts'
import { randomJson } from './support/random-json.ts'

const runs = Number(process.env['MILLRACE_JSON_RUNS'] ?? 10_000)

const event = record({
  userId: string(),
  ts: long(),
  value: int32(),
  ratio: double(),
  note: nullable(string()),
  flag: nullable(boolean()),
})

/** Neighbours that would go on with a number, a string, white space, or close what is open. */
const neighbours = ['', '}', '"', '1', ' ', '":1}', ',"value":1}', '\\', 'e5}', '\n', 'll}']

function within(body: Uint8Array, before: string, after: string): { all: Buffer; start: number; end: number } {
  const all = Buffer.concat([Buffer.from(before), body, Buffer.from(after)])
  return { all, start: Buffer.byteLength(before), end: Buffer.byteLength(before) + body.length }
}

/** What JSON.parse and picking say; undefined for a refusal. */
function reference(type: DeclaredType<unknown>, body: Buffer): unknown {
  try {
    return pickDeclared(type, JSON.parse(body.toString('utf8')), '')
  } catch {
    return undefined
  }
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`the scanner gives what JSON.parse gives, and refuses what it refuses (seed ${seed})`, () => {
    const next = randomJson(seed)
    const decoder = json(event).createDecoder()
    let [good, refused] = [0, 0]
    for (let index = 0; index < runs; index++) {
      const { bytes: body } = next()
      const wanted = reference(event, body)
      const after = neighbours[index % neighbours.length] as string
      const { all, start, end } = within(body, neighbours[(index * 7) % neighbours.length] as string, after)
      const got = attempt(() => decoder.decode(all, start, end))
      try {
        assert.deepStrictEqual(got, wanted)
      } catch (error) {
        throw new Error(`seed ${seed}, input ${index}: ${JSON.stringify(body.toString('utf8'))}`, { cause: error })
      }
      if (wanted === undefined) refused++
      else good++
    }
    expect(good).toBeGreaterThan(runs / 2)
    expect(refused).toBeGreaterThan(runs / 50)
  })
}

/** A buffer and a view that refuse to be read outside of [start, end). */
function guarded(all: Buffer, start: number, end: number): { bytes: SlicedBuffer; view: DataView } {
  const check = (from: number, to: number) => {
    if (from < start || to > end) throw new RangeError(`read [${from}, ${to}) outside of [${start}, ${end})`)
  }
  const bytes = new Proxy(all, {
    get(target, property) {
      if (typeof property === 'string' && /^-?\d+$/.test(property)) {
        check(Number(property), Number(property) + 1)
        return target[Number(property)]
      }
      switch (property) {
        case 'latin1Slice':
        case 'utf8Slice':
        case 'subarray':
          return (from: number, to: number) => {
            check(from, to)
            return slicedBuffer(target)[property](from, to)
          }
        case 'toString':
          return (encoding: BufferEncoding, from: number, to: number) => {
            check(from, to)
            return target.toString(encoding, from, to)
          }
      }
      throw new Error(`reads ${String(property)}`)
    },
  })
  const inner = new DataView(all.buffer, all.byteOffset, all.length)
  const getInt32 = (at: number, littleEndian: boolean) => {
    check(at, at + 4)
    return inner.getInt32(at, littleEndian)
  }
  return { bytes: bytes as SlicedBuffer, view: { getInt32 } as unknown as DataView }
}

test('the scanner never reads outside of the range that it is given', () => {
  const scanner = new RecordScanner(event)
  const next = randomJson(5)
  let scanned = 0
  for (let index = 0; index < runs / 2; index++) {
    const body = Buffer.from(next().bytes.toString('latin1').trim(), 'latin1')
    const { all, start, end } = within(body, neighbours[index % neighbours.length] as string, '"1}   ')
    const { bytes: guardedBytes, view } = guarded(all, start, end)
    const got = scanner.scan(guardedBytes, view, start, end)
    if (got === undefined) continue
    scanned++
    assert.deepStrictEqual(got, reference(event, body))
  }
  expect(scanned).toBeGreaterThan(runs / 4)
})

test('records of any declared type come back from their JSON, in any order of fields, after any number of records', () => {
  const batch = recordType.chain((type) =>
    fc.tuple(fc.constant(type), fc.array(anyValueOf(finite(type)), { minLength: 1, maxLength: 12 }), fc.nat(3)),
  )
  fc.assert(
    fc.property(batch, ([type, values, space]) => {
      const format = json(type)
      const decoder = format.createDecoder()
      for (const value of values) {
        const encoded = format.createEncoder().encode(value)
        const body = Buffer.from(JSON.stringify(JSON.parse(encoded.toString()), null, space))
        const { all, start, end } = within(body, '{"a":', '}')
        assert.deepStrictEqual(decoder.decode(all, start, end), value)
      }
    }),
    { numRuns: 300 },
  )
})

/** JSON has no NaN and no infinities, so doubles are integers here. */
function finite(type: DeclaredType<unknown>): DeclaredType<unknown> {
  switch (type.kind) {
    case 'double':
      return long()
    case 'array':
      return array(finite(type.items))
    case 'map':
      return map(finite(type.key) as KeyType, finite(type.value))
    case 'set':
      return set(finite(type.items) as KeyType)
    case 'nullable':
      return nullable(finite(type.of))
    case 'record':
      return record(Object.fromEntries(type.fields.map((field) => [field.name, finite(field.type)])))
    default:
      return type
  }
}

test('maps are objects or lists of pairs, sets are lists; what does not fit is named by its key', () => {
  const type = record({ totals: map(string(), int32()), names: map(int32(), string()), tags: set(string()) })
  const format = json(type)
  const value = {
    totals: new Map([
      ['a', 1],
      ['__proto__', 2],
    ]),
    names: new Map([[7, 'seven']]),
    tags: new Set(['x', 'y']),
  }
  const text = '{"totals":{"a":1,"__proto__":2},"names":[[7,"seven"]],"tags":["x","y"]}'
  expect(format.createEncoder().encode(value).toString()).toBe(text)
  const decode = (body: string) => format.createDecoder().decode(Buffer.from(body), 0, Buffer.byteLength(body))
  assert.deepStrictEqual(decode(text), value)
  assert.deepStrictEqual(decode(text.replace('["x","y"]', '["x","y","x"]')), value)
  expect(() => decode(text.replace('"a":1', '"a":"1"'))).toThrow('totals["a"]: expected int32, got string')
  expect(() => decode(text.replace('[7,"seven"]', '[7]'))).toThrow('names[0]: expected [key, value], got array')
  expect(() => decode(text.replace('"y"', '5'))).toThrow('tags[1]: expected string, got 5')
})

test('doubles are read exactly as JSON.parse reads them', () => {
  const type = record({ n: double() })
  const decoder = json(type).createDecoder()
  const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.float({ noNaN: true }))
  const digits = fc.tuple(fc.nat(), fc.nat(), fc.nat(22)).map(([a, b, e]) => `${a}.${b}${e > 9 ? '' : `e-${e}`}`)
  fc.assert(
    fc.property(fc.oneof(number.filter(Number.isFinite).map(String), digits), (text) => {
      const body = Buffer.from(`{"n":${text}}`)
      expect(Object.is(decoder.decode(body, 0, body.length).n, JSON.parse(text))).toBe(true)
    }),
    { numRuns: 3000 },
  )
})

test('a value of another type is an error that names the field, before and after the layout is learned', () => {
  const type = record({ userId: string(), value: int32(), lines: nullable(array(record({ sku: string() }))) })
  const decoder = json(type).createDecoder()
  const decode = (text: string) => decoder.decode(Buffer.from(text), 0, Buffer.byteLength(text))
  const wrong: readonly [string, string][] = [
    ['{"userId":"u","value":"5"}', 'value: expected int32, got string'],
    ['{"userId":"u","value":5.5}', 'value: expected int32, got 5.5'],
    ['{"userId":"u","value":2147483648}', 'value: expected int32, got 2147483648'],
    ['{"userId":"u","value":null}', 'value: expected int32, got null'],
    ['{"userId":"u"}', 'value: expected int32, got nothing'],
    ['{"userId":7,"value":1}', 'userId: expected string, got 7'],
    ['{"userId":"u","value":1,"lines":[{"sku":"a"},{"sku":1}]}', 'lines[1].sku: expected string, got 1'],
    ['{"userId":"u","value":1,"lines":{}}', 'lines: expected array, got object'],
    ['[]', 'expected record, got array'],
    ['null', 'expected record, got null'],
  ]
  for (let round = 0; round < 20; round++) {
    for (const [text, message] of wrong) {
      expect(() => decode(text)).toThrow(expect.objectContaining({ code: 'MR_DESERIALIZATION', message }))
    }
    for (const text of ['', ' ', '{', '{"userId":"u","value":1', '{"userId":"u","value":1}}', 'x']) {
      expect(() => decode(text)).toThrow(expect.objectContaining({ code: 'MR_DESERIALIZATION' }))
      expect(() => decode(text)).toThrow('not JSON: ')
    }
    expect(decode('{"userId":"u","value":1}')).toEqual({ userId: 'u', value: 1, lines: null })
  }
})

test('records of very many fields are read, in their order and in others, also where most are not declared', () => {
  const kinds = [string(), int32(), double(), nullable(long())] as const
  const names = Array.from({ length: 100 }, (_, index) => `field${index}`)
  const wide = record(Object.fromEntries(names.map((name, index) => [name, kinds[index % 4] ?? string()])))
  const narrow = record({ field0: string(), field99: nullable(long()), more: nullable(string()) })
  const decoders = [wide, narrow].map((type) => ({ type, decoder: json(type).createDecoder() }))
  for (let round = 0; round < 30; round++) {
    const order = round % 3 === 2 ? names.toReversed() : names
    const fields = order.map((name) => {
      const kind = Number(name.slice(5)) % 4
      return [name, kind === 0 ? `v${round}` : kind === 3 && round % 2 === 0 ? null : round]
    })
    const body = Buffer.from(JSON.stringify(Object.fromEntries(fields)))
    for (const { type, decoder } of decoders) {
      assert.deepStrictEqual(decoder.decode(body, 0, body.length), reference(type, body))
    }
    const broken = Buffer.from(body.toString().replace('"field50":', '"field50":x'))
    expect(() => decoders[0]?.decoder.decode(broken, 0, broken.length)).toThrow('not JSON')
  }
})

test('fields that only the prototype has are missing', () => {
  const type = record({ constructor: nullable(string()), toString: nullable(int32()) })
  const decoder = json(type).createDecoder()
  for (const text of ['{}', '{ }', '{"x":{}}', '{"\\u0061":1}']) {
    assert.deepStrictEqual(decoder.decode(Buffer.from(text), 0, text.length), { constructor: null, toString: null })
  }
})

test('nested records, lists and bytes are read, in learned layouts too', () => {
  const type = record({
    id: long(),
    address: record({ city: string(), geo: nullable(record({ x: double(), y: double() })) }),
    tags: array(string()),
    raw: bytes(),
  })
  const format = json(type)
  const decoder = format.createDecoder()
  for (let index = 0; index < 100; index++) {
    const value = {
      id: index,
      address: { city: `é"${index}`, geo: index % 3 === 0 ? null : { x: index / 3, y: -index } },
      tags: ['a', '}', `"${index}`],
      raw: Uint8Array.of(index, 255, 0),
    }
    const encoded = format.createEncoder().encode(value)
    assert.deepStrictEqual(decoder.decode(encoded, 0, encoded.length), value)
  }
  const other = '{"id":1,"address":{"city":"c"},"tags":[],"raw":"*"}'
  expect(() => decoder.decode(Buffer.from(other), 0, other.length)).toThrow('raw: expected base64, got other text')
})

test('producers with other layouts in one stream are all read', () => {
  const layouts = [
    (n: number) => `{"userId":"u${n}","ts":${n},"value":${n},"ratio":0.5,"note":null,"flag":true}`,
    (n: number) =>
      `{"ts": ${n}, "extra": {"a": [1, "}"]}, "value": ${n}, "ratio": 0.5, "userId": "u${n}", "flag": true}`,
    (n: number) =>
      `{\n  "flag" : true,\n  "ratio" : 5e-1,\n  "userId" : "u${n}",\n  "value" : ${n},\n  "ts" : ${n}\n}\n`,
    (n: number) => `{"extra":"x\\"y","userId":"u${n}","extra":7,"ts":${n},"value":${n},"ratio":0.5,"flag":true}`,
  ]
  const decoder = json(event).createDecoder()
  for (let index = 0; index < 5000; index++) {
    const layout = layouts[index < 1000 ? 0 : index % 4] as (n: number) => string
    const body = Buffer.from(layout(index))
    const { all, start, end } = within(body, '"', '"}')
    const wanted = { userId: `u${index}`, ts: index, value: index, ratio: 0.5, note: null, flag: true }
    assert.deepStrictEqual(decoder.decode(all, start, end), wanted)
  }
})

test('hostile field names are data in the generated text', () => {
  const type = record(Object.fromEntries(hostileNames.map((name) => [name, nullable(string())])))
  const format = json(type)
  const decoder = format.createDecoder()
  const value = Object.fromEntries(hostileNames.map((name) => [name, `value of ${name}`]))
  for (let index = 0; index < 10; index++) {
    const encoded = format.createEncoder().encode(value as never)
    assert.deepStrictEqual(decoder.decode(encoded, 0, encoded.length), value)
  }
})

test('nothing in a record aliases the buffer that it was read from', () => {
  const decoder = json(event).createDecoder()
  const text = '{"userId":"a long user id of ascii","ts":1,"value":2,"ratio":3,"note":"é","flag":null}'
  const body = Buffer.from(text)
  const values = Array.from({ length: 10 }, () => decoder.decode(body, 0, body.length))
  body.fill(0)
  for (const value of values) assert.deepStrictEqual(value, { ...JSON.parse(text) })
})

test('the same buffer object with other content, and another buffer, are read as they are now', () => {
  const decoder = json(record({ n: int32() })).createDecoder()
  const body = Buffer.from('{"n":1}')
  for (let digit = 0; digit < 10; digit++) {
    body[5] = 48 + digit
    expect(decoder.decode(body, 0, 7).n).toBe(digit)
    const other = Buffer.from(`xx{"n":${digit + 5}}`)
    expect(decoder.decode(other, 2, other.length).n).toBe(digit + 5)
  }
})

test('a declared type that is no record is read and checked as well', () => {
  const format = json(array(nullable(int32())))
  const encoded = format.createEncoder().encode([1, null])
  expect(encoded.toString()).toBe('[1,null]')
  expect(format.createDecoder().decode(encoded, 0, encoded.length)).toEqual([1, null])
  expect(() => format.createDecoder().decode(Buffer.from('[1,"x"]'), 0, 7)).toThrow('[1]: expected int32, got string')
})

test('untyped JSON is what JSON.parse gives, within its range', () => {
  const format = json<{ a: number }>()
  const text = 'xx{"a":1,"b":["é"]}yy'
  const body = Buffer.from(text)
  expect(format.createDecoder().decode(body, 2, body.length - 2)).toEqual({ a: 1, b: ['é'] })
  expect(() => format.createDecoder().decode(body, 0, body.length)).toThrow(
    expect.objectContaining({ code: 'MR_DESERIALIZATION', message: expect.stringContaining('not JSON: ') }),
  )
  expect(format.createEncoder().encode({ a: 1 }).toString()).toBe('{"a":1}')
  expect(() => format.createEncoder().encode(undefined as never)).toThrow('undefined can not be written as JSON')
  expect(() => format.createEncoder().encode({ a: 5n } as never)).toThrow('can not be written as JSON')
})

test('the declared encoder writes declared fields only, and refuses what the type does not hold', () => {
  const encoder = json(record({ a: int32(), b: nullable(double()) })).createEncoder()
  expect(encoder.encode({ a: 1, more: 2 } as never).toString()).toBe('{"a":1,"b":null}')
  expect(() => encoder.encode({ a: 'x' } as never)).toThrow('a: expected int32, got string')
  expect(() => encoder.encode({ a: 1, b: Number.NaN })).toThrow('b: JSON has no NaN')
})

test('string and bytes formats take the whole value', () => {
  const body = Buffer.from('xxé1yy')
  expect(string().createDecoder().decode(body, 2, 5)).toBe('é1')
  expect(string().createEncoder().encode('é').equals(Buffer.from('é'))).toBe(true)
  const taken = bytes().createDecoder().decode(body, 0, 2)
  body.fill(0)
  expect(taken).toEqual(Uint8Array.from(Buffer.from('xx')))
  expect(bytes().createEncoder().encode(Uint8Array.of(1)).equals(Buffer.of(1))).toBe(true)
})
