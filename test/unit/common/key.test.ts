import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Key } from '../../../src/api/functions.ts'
import { MillraceError } from '../../../src/common/errors.ts'
import {
  canonicalKeyBytes,
  decodeKey,
  hashKey,
  hashKeyIntoScratch,
  mapKeyOf,
  scratch,
  scratchLength,
} from '../../../src/common/key.ts'
import { murmur3 } from '../../../src/common/murmur3.ts'

const text = fc.oneof(
  fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed()),
  fc.string(),
  fc.constantFrom('', 'é', '𝒳', 'user-1', 'a'.repeat(5000), '語'.repeat(3000)),
)
const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.constantFrom(0, -0, 1))
const primitive = fc.oneof(text, number, fc.bigInt(), fc.boolean(), fc.uint8Array({ maxLength: 9 }))
const key: fc.Arbitrary<Key> = fc.letrec<{ key: Key }>((tie) => ({
  key: fc.oneof({ depthSize: 'small', withCrossShrink: true }, primitive, fc.array(tie('key'), { maxLength: 4 })),
})).key

/** The meaning of equality in R36, written without bytes. */
function same(a: Key, b: Key): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0
  }
  if (typeof a === 'object' || typeof b === 'object') {
    if (typeof a !== 'object' || typeof b !== 'object' || a.length !== b.length) return false
    return a.every((part, index) => same(part, b[index] as Key))
  }
  return a === b
}

test('R36: what is decoded from the canonical bytes of a key is that key', () => {
  fc.assert(
    fc.property(key, (k) => {
      expect(same(decodeKey(canonicalKeyBytes(k)), k)).toBe(true)
    }),
  )
})

test('R36: keys are equal exactly where their canonical bytes are and where their map keys are', () => {
  const few = fc.oneof(
    key,
    fc.constantFrom<Key>('1', 1, 1n, true, '', [], [''], [[]], new Uint8Array(), 0, -0, ['1', 1]),
  )
  fc.assert(
    fc.property(few, few, (a, b) => {
      const equal = same(a, b)
      expect(canonicalKeyBytes(a).equals(canonicalKeyBytes(b))).toBe(equal)
      expect(new Set([mapKeyOf(a), mapKeyOf(b)]).size === 1).toBe(equal)
      if (equal) expect(hashKey(a)).toBe(hashKey(b))
    }),
    { numRuns: 2000 },
  )
})

test('R36: the hash is murmur3 of the canonical bytes, which the hot path leaves in the scratch', () => {
  fc.assert(
    fc.property(key, (k) => {
      const hash = hashKeyIntoScratch(k)
      const bytes = canonicalKeyBytes(k)
      expect(hash).toBe(murmur3(bytes, 0, bytes.length))
      hashKeyIntoScratch(k)
      expect(scratch.subarray(0, scratchLength).equals(bytes)).toBe(true)
    }),
    { numRuns: 1000 },
  )
})

test('R36: strings of every length around a block hash as their bytes', () => {
  for (let length = 0; length < 40; length++) {
    for (const letter of ['a', '\u0000', '\u007f', 'é', '語', '𝒳']) {
      const string = 'x'.repeat(length) + letter
      const hash = hashKeyIntoScratch(string)
      const bytes = Buffer.concat([Buffer.from([1]), Buffer.from(string)])
      expect(scratch.subarray(0, scratchLength).equals(bytes)).toBe(true)
      expect(hash).toBe(murmur3(bytes, 0, bytes.length))
    }
  }
})

test('R36: NaN, infinities, objects, nothing and lone surrogates are refused, also inside of tuples', () => {
  class Money {}
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  const refused: readonly [unknown, string][] = [
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [{}, 'an object (Object)'],
    [new Money(), 'an object (Money)'],
    [new Date(0), 'an object (Date)'],
    [new Float64Array(1), 'an object (Float64Array)'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Symbol('s'), 'a symbol'],
    [() => 1, 'a function'],
    ['a\ud800', 'a string with a lone surrogate'],
    ['\udc00', 'a string with a lone surrogate'],
    [cyclic, 'a tuple nested more than 32 deep'],
  ]
  for (const [value, what] of refused) {
    for (const k of [value, ['a', value], [['b', [value]]]] as Key[]) {
      for (const use of [hashKey, hashKeyIntoScratch, canonicalKeyBytes, mapKeyOf]) {
        expect(() => use(k)).toThrow(MillraceError)
        expect(() => use(k)).toThrow(`A key can not be or hold ${what}:`)
      }
    }
  }
})

test('a refused key leaves the module usable', () => {
  expect(() => hashKey(['a', Number.NaN])).toThrow(MillraceError)
  expect(decodeKey(canonicalKeyBytes(['a', 1]))).toEqual(['a', 1])
})

test('bytes that are no canonical key bytes are refused', () => {
  for (const bytes of [[], [0], [7, 1], [2, 1], [3], [4], [6, 0], [6, 0, 0, 0, 9, 1]]) {
    expect(() => decodeKey(Uint8Array.from(bytes))).toThrow('no canonical key bytes')
  }
})

test('a decoded key does not change with the bytes that it came from', () => {
  const bytes = canonicalKeyBytes([Uint8Array.of(1, 2), 'a'])
  const decoded = decodeKey(bytes)
  bytes.fill(0)
  expect(decoded).toEqual([Uint8Array.of(1, 2), 'a'])
})
