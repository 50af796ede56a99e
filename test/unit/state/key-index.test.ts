import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Key } from '../../../src/api/functions.ts'
import { hashKey, mapKeyOf } from '../../../src/common/key.ts'
import { type Keyed, KeyIndex } from '../../../src/state/key-index.ts'

const primitive = fc.oneof(fc.nat(20), fc.nat(20).map(String), fc.constantFrom(-0, 0.5, 7n, true, false, '', 'é'))
const key: fc.Arbitrary<Key> = fc.oneof(
  primitive,
  fc.uint8Array({ maxLength: 2 }),
  fc.array(fc.oneof(primitive, fc.array(primitive, { maxLength: 2 })), { maxLength: 2 }),
)
const action = fc.record({ type: fc.constantFrom('add', 'add', 'remove', 'find'), key })

test('an index finds what a Map finds, for all kinds of keys, with few and with equal hashes (R36)', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 300 }), fc.constantFrom(-1, 0, 3), (actions, mask) => {
      const index = new KeyIndex<Keyed>()
      const model = new Map<unknown, Keyed>()
      for (const { type, key: wanted } of actions) {
        const hash = hashKey(wanted) & mask
        const found = index.find(wanted, hash)
        expect(found).toBe(model.get(mapKeyOf(wanted)))
        if (type === 'add' && found === undefined) {
          const item = { key: wanted, hash }
          index.add(item)
          model.set(mapKeyOf(wanted), item)
        } else if (type === 'remove' && found !== undefined) {
          index.removeFound()
          model.delete(mapKeyOf(wanted))
        }
        expect(index.size).toBe(model.size)
      }
      const items: Keyed[] = []
      index.forEach((item) => {
        items.push(item)
      })
      expect(new Set(items)).toEqual(new Set(model.values()))
    }),
  )
})

test('an index grows, and shrinks again where most is removed', () => {
  const index = new KeyIndex<Keyed>()
  const items = Array.from({ length: 10_000 }, (_, number) => ({ key: `k${number}`, hash: hashKey(`k${number}`) }))
  for (const item of items) index.add(item)
  for (const item of items.slice(10)) index.remove(item)
  expect(index.size).toBe(10)
  expect(index.numbers).toBeLessThan(1000)
  for (const item of items.slice(0, 10)) expect(index.find(item.key, item.hash)).toBe(item)
})

test('keys that all have one hash are found, each and no other, and what is removed leaves room for others', () => {
  const index = new KeyIndex<Keyed>()
  for (let round = 0; round < 20; round++) {
    const items = Array.from({ length: 300 }, (_, number) => ({ key: `${round} ${number}`, hash: 42 }))
    for (const item of items) index.add(item)
    for (const item of items.filter((_, number) => number % 3 !== 0)) index.remove(item)
    for (const [number, item] of items.entries()) {
      expect(index.find(item.key, 42)).toBe(number % 3 === 0 ? item : undefined)
    }
    for (const item of items) index.remove(item)
    expect(index.size).toBe(0)
    expect(index.numbers).toBeLessThanOrEqual(300)
  }
})

test('keys that come and go, few at a time, leave nothing behind', () => {
  const index = new KeyIndex<Keyed>()
  for (let number = 0; number < 100_000; number++) {
    index.add({ key: number, hash: hashKey(number) })
    if (number < 50) continue
    const old = index.find(number - 50, hashKey(number - 50))
    if (old !== undefined) index.removeFound()
  }
  expect(index.size).toBe(50)
  expect(index.numbers).toBeLessThan(200)
})

/** The hashes that Fibonacci hashing, a multiplier that anyone can know, puts side by side. */
function hashesInOnePlace(count: number): readonly number[] {
  let inverse = 1
  for (let round = 0; round < 5; round++) inverse = Math.imul(inverse, 2 - Math.imul(0x9e3779b1, inverse))
  return Array.from({ length: count }, (_, number) => Math.imul(number, inverse))
}

test('keys chosen to collide do not make a walk over all the others of each search', () => {
  const count = 100_000
  const keys = Array.from({ length: count }, (_, number) => `k${number}`)
  const timeOf = (hashes: readonly number[]): number => {
    const begun = performance.now()
    const index = new KeyIndex<Keyed>()
    for (const [number, key] of keys.entries()) index.add({ key, hash: hashes[number] as number })
    const found = keys.filter((key, number) => index.find(key, hashes[number] as number)?.key === key)
    expect(found.length).toBe(count)
    for (const [number, key] of keys.entries()) {
      if (index.find(key, hashes[number] as number) !== undefined) index.removeFound()
    }
    expect(index.size).toBe(0)
    return performance.now() - begun
  }
  const honest = timeOf(keys.map((key) => hashKey(key)))
  // A search in a thread that is not compiled yet included; walks over all would take half a minute.
  expect(timeOf(keys.map(() => 42))).toBeLessThan(honest * 40 + 2000)
  expect(timeOf(hashesInOnePlace(count))).toBeLessThan(honest * 40 + 2000)
})
