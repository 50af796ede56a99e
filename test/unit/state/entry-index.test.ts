import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashKey } from '../../../src/common/key.ts'
import { EntryIndex, segmentShift, slotInSegment } from '../../../src/state/entry-index.ts'
import { mixedHash } from '../../../src/state/table-hash.ts'

const unlimited = (): void => undefined

/** The search of a table, with the entry's number for its key. */
function search(index: EntryIndex, hash: number, entry: number): { readonly slot: number; readonly found: boolean } {
  const mixed = mixedHash(hash)
  const segment = index.segments[mixed >>> segmentShift] as Int32Array
  const mask = (segment.length >> 1) - 1
  let slot = slotInSegment(mixed, mask)
  while (segment[slot * 2 + 1] !== 0) {
    if (segment[slot * 2 + 1] === entry + 1) return { slot, found: true }
    slot = (slot + 1) & mask
  }
  return { slot, found: false }
}

function add(index: EntryIndex, hash: number, entry: number): void {
  index.ensureRoom(mixedHash(hash))
  index.addAt(search(index, hash, entry).slot, hash, entry)
}

test('an index finds exactly what was added and not removed, also where hashes are alike', () => {
  // Few hashes, and such that differ in low bits only: long runs of displaced slots, around the end of a segment too.
  const hash = fc.oneof(fc.integer(), fc.integer({ min: 0, max: 40 }), fc.constantFrom(-1, 0x7fffffff))
  const step = fc.tuple(hash, fc.boolean())
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
      const index = new EntryIndex(unlimited)
      const present = new Map<number, number>()
      steps.forEach(([hash, removes], entry) => {
        const [oldest] = present
        if (removes && oldest !== undefined) {
          const [removed, itsHash] = oldest
          index.removeAt(search(index, itsHash, removed).slot, itsHash)
          present.delete(removed)
          expect(search(index, itsHash, removed).found).toBe(false)
        } else {
          add(index, hash, entry)
          present.set(entry, hash)
        }
      })
      for (const [entry, hash] of present) expect(search(index, hash, entry).found).toBe(true)
    }),
    { numRuns: 60 },
  )
})

test('segments double one after another, not in one turn of the loop', () => {
  const index = new EntryIndex(unlimited)
  const doubledAt: number[] = []
  const entries = 200_000
  for (let entry = 0; entry < entries; entry++) {
    const hash = hashKey(`key ${entry}`)
    if (index.ensureRoom(mixedHash(hash))) doubledAt.push(entry)
    index.addAt(search(index, hash, entry).slot, hash, entry)
  }
  const late = doubledAt.filter((entry) => entry > entries / 4)
  expect(late.length).toBeGreaterThan(3)
  for (const [number, entry] of late.slice(1).entries()) {
    expect(entry - (late[number] as number)).toBeGreaterThan(entries / 1000)
  }
})

test('where the budget has no room for a larger segment, all entries are still there', () => {
  let left = 4096
  const index = new EntryIndex((bytes) => {
    if (bytes > left) throw new RangeError('full')
    left -= bytes
  })
  const hashes = Array.from({ length: 2000 }, (_, entry) => hashKey(entry))
  let added = 0
  expect(() => {
    for (; added < hashes.length; added++) add(index, hashes[added] as number, added)
  }).toThrow(RangeError)
  for (let entry = 0; entry < added; entry++) expect(search(index, hashes[entry] as number, entry).found).toBe(true)
})
