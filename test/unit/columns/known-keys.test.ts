import { col, lit } from 'millrace'
import { expect, test } from 'vitest'
import { givesKnownStrings, KnownKeys } from '../../../src/columns/known-keys.ts'
import { canonicalKeyBytes, hashKey } from '../../../src/common/key.ts'

test('known keys have the hash and the canonical bytes that any key has (R36), and what can be no key has none', () => {
  const known = new KnownKeys()
  const texts = ['', 'a', 'campaign 1', 'é', '日本', 'x'.repeat(300), '', 'a']
  for (const text of texts) {
    const number = known.numberOf(text)
    expect(known.hashes[number]).toBe(hashKey(text))
    expect(known.bytes[number]).toEqual(canonicalKeyBytes(text))
  }
  expect(known.bytes.length).toBe(new Set(texts).size)
  for (const none of [null, '\ud800', '\ud800']) expect(known.numberOf(none)).toBe(-1)
})

test('only expressions over constants give known strings', () => {
  const names = col('id').lookup({ a: 'x' })
  for (const known of [names, names.coalesce('none'), names.coalesce(col('other').lookup({ b: 'y' }))]) {
    expect(givesKnownStrings(known.data)).toBe(true)
  }
  for (const other of [col('id'), names.coalesce(col('id')), col('id').lookup({ a: 1 }), lit(1)]) {
    expect(givesKnownStrings(other.data)).toBe(false)
  }
})
