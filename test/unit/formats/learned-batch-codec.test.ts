import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { batchCodecOf } from '../../../src/formats/batch-codec.ts'
import { untyped } from '../../../src/formats/index.ts'
import { hostileNames } from './support/arbitrary-types.ts'

const scalar = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.integer(),
  fc.double({ noNaN: false }).filter((value) => !Object.is(value, -0)),
  fc.boolean(),
)
const odd = fc.oneof(
  scalar,
  fc.constantFrom(undefined, null, 1n, [], {}, [1], new Date(0)),
  fc.record({ nested: scalar }, { noNullPrototype: true }),
)
const name = fc.oneof(fc.constantFrom(...hostileNames), fc.string(), fc.constantFrom('a', 'b', '1', '0'))
const names = fc.uniqueArray(
  name.filter((each) => each !== '__proto__'),
  { maxLength: 6 },
)

/** Mostly records of one shape and of one kind a field; sometimes one among them is not. */
const batch = names.chain((fields) => {
  const kinds = fc.tuple(
    ...fields.map(() => fc.constantFrom(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), odd)),
  )
  return kinds.chain((values) => {
    const entries = fc.tuple(...values)
    const regular = entries.map((row) => Object.fromEntries(fields.map((field, index) => [field, row[index]])))
    const irregular = fc.oneof(odd, fc.dictionary(fc.constantFrom('a', 'b', 'c'), odd, { noNullPrototype: true }))
    return fc.array(fc.oneof({ weight: 40, arbitrary: regular }, { weight: 1, arbitrary: irregular }), {
      maxLength: 12,
    })
  })
})

test('untyped batches of any shapes come back as they were, one codec after another, at any offset', () => {
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 8 }), fc.nat(9), (batches, offset) => {
      const [sender, receiver] = [batchCodecOf(untyped()), batchCodecOf(untyped())]
      for (const values of batches) {
        const encoded = sender.encode([...values, 'not counted'], values.length)
        const frame = new Uint8Array(offset + encoded.length + 3).fill(0xaa)
        frame.set(encoded, offset)
        const decoded = receiver.decode(frame.subarray(offset, offset + encoded.length), values.length)
        frame.fill(0x55)
        assert.deepStrictEqual(decoded, values)
        decoded.forEach((value, index) => {
          if (typeof value !== 'object' || value === null) return
          expect(Object.keys(value)).toEqual(Object.keys(values[index] as object))
        })
      }
    }),
    { numRuns: 400 },
  )
})

const event = (index: number) => ({ user: `u${index}`, value: index % 7, at: 1.69e12 + index, ok: index % 2 === 0 })
const events = (from: number) => Array.from({ length: 50 }, (_, index) => event(from + index))

test('records of one shape take columns: their names are sent once, and integers stay as they are', () => {
  const sender = batchCodecOf(untyped())
  const encoded = Uint8Array.from(sender.encode(events(0), 50))
  expect(Buffer.from(encoded).toString('utf16le').split('"user"')).toHaveLength(2)
  expect(batchCodecOf(untyped()).decode(encoded, 50)).toEqual(events(0))
})

test('undefined, −0, a changed kind, a further field and another order do not pass for the shape that was learned', () => {
  const [sender, receiver] = [batchCodecOf(untyped()), batchCodecOf(untyped())]
  const others = [
    { ...event(1), value: undefined },
    { ...event(1), value: 0.5 },
    { ...event(1), value: 2 ** 40 },
    { ...event(1), user: null },
    { ...event(1), more: undefined },
    { value: 1, user: 'u', at: 1, ok: true },
    { user: 'u', value: 1, at: 1 },
    Object.assign(Object.create(null) as object, { user: 'u' }),
    [1],
    null,
  ]
  for (const other of others) {
    const values = [...events(0), other, ...events(100)]
    for (let turn = 0; turn < 3; turn++) {
      const decoded = receiver.decode(Uint8Array.from(sender.encode(events(turn), 50)), 50)
      expect(decoded).toStrictEqual(events(turn))
      const mixed = receiver.decode(Uint8Array.from(sender.encode(values, values.length)), values.length)
      expect(mixed.map((value) => ({ value }))).toEqual(values.map((value) => ({ value })))
      expect(Object.keys(mixed[50] ?? {})).toEqual(Object.keys(other ?? {}))
    }
  }
  const zeros = [{ zero: 0 }, { zero: -0 }]
  expect(batchCodecOf(untyped()).decode(batchCodecOf(untyped()).encode(zeros, 2), 2)).toStrictEqual(zeros)
})

test('R39: an instance among records of its shape is refused, and the codec stays usable', () => {
  class User {
    user = 'u'
    value = 1
    at = 1
    ok = true
  }
  const sender = batchCodecOf(untyped())
  sender.encode(events(0), 50)
  expect(() => sender.encode([...events(0), new User()], 51)).toThrow('instance of class User')
  expect(batchCodecOf(untyped()).decode(Uint8Array.from(sender.encode(events(3), 50)), 50)).toEqual(events(3))
})

test('a batch of damaged length or shape is refused, whatever the damage', () => {
  const encoded = Uint8Array.from(batchCodecOf(untyped()).encode(events(0), 50))
  fc.assert(
    fc.property(fc.nat(encoded.length - 1), fc.nat(255), fc.nat(encoded.length), (at, byte, length) => {
      const damagedBytes = encoded.slice(0, length)
      if (at < length) damagedBytes[at] = byte
      try {
        expect(batchCodecOf(untyped()).decode(damagedBytes, 50)).toHaveLength(50)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    }),
    { numRuns: 300 },
  )
})
