import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { batchCodecOf } from '../../../src/formats/batch-codec.ts'
import type { DataType } from '../../../src/formats/data-type.ts'
import {
  array,
  boolean,
  bytes,
  double,
  int32,
  long,
  nullable,
  record,
  string,
  untyped,
} from '../../../src/formats/index.ts'
import { anyValueOf, declaredType, hostileNames } from './support/arbitrary-types.ts'

/** Through another thread's memory, at any offset, with neighbours, and with the bytes overwritten afterwards. */
function throughTheWire(type: DataType<unknown>, values: readonly unknown[], offset = 0): unknown[] {
  const encoded = batchCodecOf(type).encode(values, values.length)
  const frame = new Uint8Array(offset + encoded.length + 7).fill(0xaa)
  frame.set(encoded, offset)
  const decoded = batchCodecOf(type).decode(frame.subarray(offset, offset + encoded.length), values.length)
  frame.fill(0x55)
  return decoded
}

const batch = declaredType.chain((type) =>
  fc.tuple(fc.constant(type), fc.array(anyValueOf(type), { maxLength: 20 }), fc.nat(9)),
)

test('a batch of any declared type comes back as it was', () => {
  fc.assert(
    fc.property(batch, ([type, values, offset]) => {
      assert.deepStrictEqual(throughTheWire(type, values, offset), values)
    }),
    { numRuns: 1000 },
  )
})

test('one codec serves batch after batch, and nothing of a longer one is left in a shorter one', () => {
  const type = record({ a: nullable(string()), b: nullable(array(int32())), c: bytes(), d: boolean(), e: string() })
  fc.assert(
    fc.property(fc.array(fc.array(anyValueOf(type), { maxLength: 20 }), { maxLength: 6 }), (batches) => {
      const [sender, receiver] = [batchCodecOf(type), batchCodecOf(type)]
      for (const values of batches) {
        const sent = Uint8Array.from(sender.encode([...values, 'not counted'], values.length))
        assert.deepStrictEqual(receiver.decode(sent, values.length), values)
      }
    }),
  )
})

test('text of any kind survives, also lone surrogates that meet the next value', () => {
  const texts = ['\ud83d', '\ude00', 'é', '', 'plain', 'x'.repeat(100), '語'.repeat(50), '\udfff'.repeat(20), '\0']
  for (const type of [string(), nullable(string())]) {
    assert.deepStrictEqual(throughTheWire(type, texts), texts)
    assert.deepStrictEqual(throughTheWire(type, ['ascii', 'only'], 3), ['ascii', 'only'])
  }
})

test('a batch larger than the first buffer makes it grow while columns are written', () => {
  const type = record({ a: string(), n: double(), b: bytes(), l: array(string()), c: nullable(string()) })
  const values = Array.from({ length: 3000 }, (_, index) => ({
    a: 'a'.repeat(index % 50),
    n: index / 3,
    b: new Uint8Array(index % 40).fill(index),
    l: ['é', 'x'.repeat(index % 30)],
    c: index % 3 === 0 ? null : '語'.repeat(index % 20),
  }))
  assert.deepStrictEqual(throughTheWire(type, values), values)
})

test('a value that does not fit is refused by the name of its field, and the codec stays usable', () => {
  const type = record({
    s: string(),
    i: int32(),
    l: long(),
    d: double(),
    f: boolean(),
    y: bytes(),
    lines: array(record({ sku: nullable(string()) })),
    n: nullable(int32()),
  })
  const good = { s: '', i: 1, l: 1, d: 1, f: true, y: new Uint8Array(2), lines: [{ sku: null }], n: null }
  const codec = batchCodecOf(type)
  const wrong: readonly [unknown, string][] = [
    [{ ...good, s: 1 }, 's: expected string, got 1'],
    [{ ...good, i: 0.5 }, 'i: expected int32, got 0.5'],
    [{ ...good, i: 1n }, 'i: expected int32, got bigint'],
    [{ ...good, l: 2 ** 53 }, 'l: expected long, got 9007199254740992'],
    [{ ...good, d: '1' }, 'd: expected double, got string'],
    [{ ...good, f: 0 }, 'f: expected boolean, got 0'],
    [{ ...good, y: [1] }, 'y: expected bytes, got array'],
    [{ ...good, lines: [{ sku: null }, { sku: 5 }] }, 'lines[1].sku: expected string, got 5'],
    [{ ...good, lines: null }, 'lines: expected array, got null'],
    [{ ...good, n: 'x' }, 'n: expected int32, got string'],
    [null, 'expected record, got null'],
    ['x', 'expected record, got string'],
  ]
  for (const [value, message] of wrong) {
    expect(() => codec.encode([good, value], 2)).toThrow(expect.objectContaining({ code: 'MR_STATE_TYPE', message }))
  }
  const encoded = Uint8Array.from(codec.encode([good], 1))
  assert.deepStrictEqual(codec.decode(encoded, 1), [good])
})

test('hostile field names are data in the generated text', () => {
  const type = record(Object.fromEntries(hostileNames.map((name) => [name, nullable(string())])))
  const values = [Object.fromEntries(hostileNames.map((name) => [name, name]))]
  assert.deepStrictEqual(throughTheWire(type, values), values)
})

test('a batch of another count or a cut one is an error', () => {
  const codec = batchCodecOf(record({ a: string(), b: double() }))
  const encoded = Uint8Array.from(codec.encode([{ a: 'abc', b: 1 }], 1))
  expect(() => codec.decode(encoded, 2)).toThrow()
  expect(() => codec.decode(encoded.subarray(0, encoded.length - 1), 1)).toThrow()
  const other = batchCodecOf(untyped())
  expect(() => other.decode(Uint8Array.from(other.encode([1, 2], 2)), 3)).toThrow()
})

test('R39: untyped batches carry plain data, each can be read alone, and instances are refused', () => {
  const [sender, receiver] = [batchCodecOf(untyped()), batchCodecOf(untyped())]
  const first = [{ user: 'a', at: new Date(5), tags: new Set(['x']) }, { user: 'b' }, 'text', null, 7]
  const second = [{ user: 'c', at: new Date(6), tags: new Map([[1, { a: 1 }]]) }]
  const batches = [first, second].map((values) => Uint8Array.from(sender.encode(values, values.length)))
  expect(receiver.decode(batches[1] as Uint8Array, 1)).toEqual(second)
  expect(receiver.decode(batches[0] as Uint8Array, 5)).toEqual(first)
  class Money {}
  expect(() => sender.encode([{ a: 1 }, { price: new Money() }], 2)).toThrow('[1].price is an instance of class Money')
  const encoded = sender.encode([1, 2, 3], 2)
  const copy = Uint8Array.from(encoded)
  expect(receiver.decode(copy, 2)).toEqual([1, 2])
  const bytesBatch = Uint8Array.from(sender.encode([{ raw: Buffer.from('abc') }], 1))
  const decoded = receiver.decode(bytesBatch, 1) as { raw: Uint8Array }[]
  bytesBatch.fill(0)
  expect(Buffer.from(decoded[0]?.raw ?? []).toString()).toBe('abc')
})

test('what untyped batches change is what their documentation says, and no record sets a prototype', () => {
  const hostile: unknown = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"toString":2}')
  const [values] = throughTheWire(untyped(), [[hostile, -0, '\ud800', 2 ** 53, 1e308, Number.NaN, '', {}, []]])
  const expected = [{ ['__proto_']: { polluted: true }, constructor: 1, toString: 2 }]
  expect(values).toEqual([...expected, 0, '\ufffd', 2 ** 53, 1e308, Number.NaN, '', {}, []])
  expect(Object.getPrototypeOf((values as unknown[])[0])).toBe(Object.prototype)
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
})

test('R39: values that are nested too deeply are one clear error', () => {
  const deep: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))
  expect(() => batchCodecOf(untyped()).encode([deep], 1)).toThrow(
    expect.objectContaining({ code: 'MR_STATE_TYPE', message: expect.stringContaining('nested in more than') }),
  )
})
