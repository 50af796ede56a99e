// npx -c 'node bench/key-index.ts [keys]': finding entries of keyed state by fresh string keys, in a Map as state had it
// before and in the index that goes by the hash of the record. Turn by turn in one process, so that the ratio holds
// whatever else the machine does.

import { hashKey } from '../src/common/key.ts'
import { keyGroupOf } from '../src/common/key-groups.ts'
import { slicedBuffer } from '../src/formats/avro-primitives.ts'
import { Entry } from '../src/state/entry.ts'
import { KeyIndex } from '../src/state/key-index.ts'

const keyCount = Number(process.argv[2] ?? 100_000)
const groups = 128
const batchSize = 500
const keyLength = 10
const rounds = 30
const batchesARound = 400

const maps = Array.from({ length: groups }, () => new Map<string, Entry>())
const indexes = Array.from({ length: groups }, () => new KeyIndex<Entry>())
const bytes = slicedBuffer(Buffer.alloc(keyLength))
let seed = 1

function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return (seed >>> 4) % below
}

/** As a decoder makes it: V8 has no hash of it yet. */
function freshKey(number: number): string {
  bytes.latin1Write(`u${String(number).padStart(9, '0')}`, 0)
  return bytes.latin1Slice(0, keyLength)
}

for (let number = 0; number < keyCount; number++) {
  const key = freshKey(number)
  const hash = hashKey(key)
  const entry = new Entry(key, hash, undefined, { count: 0 })
  maps[keyGroupOf(hash, groups)]?.set(key, entry)
  indexes[keyGroupOf(hash, groups)]?.add(entry)
}

const keys: string[] = new Array(batchSize).fill('')
const hashes = new Int32Array(batchSize)
let found = 0

function inMaps(): void {
  for (let index = 0; index < batchSize; index++) {
    const map = maps[keyGroupOf(hashes[index] as number, groups)] as Map<string, Entry>
    if (map.get(keys[index] as string) !== undefined) found++
  }
}

function inIndexes(): void {
  for (let index = 0; index < batchSize; index++) {
    const hash = hashes[index] as number
    const group = indexes[keyGroupOf(hash, groups)] as KeyIndex<Entry>
    if (group.find(keys[index] as string, hash) !== undefined) found++
  }
}

function nanoseconds(action: () => void): number {
  let total = 0
  for (let batch = 0; batch < batchesARound; batch++) {
    for (let index = 0; index < batchSize; index++) {
      const key = freshKey(random(keyCount))
      keys[index] = key
      hashes[index] = hashKey(key)
    }
    const start = process.hrtime.bigint()
    action()
    total += Number(process.hrtime.bigint() - start)
  }
  return total / batchesARound / batchSize
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number
const pairs = Array.from({ length: rounds }, () => ({ map: nanoseconds(inMaps), index: nanoseconds(inIndexes) }))
console.log(
  JSON.stringify({
    keys: keyCount,
    map_ns: Math.round(median(pairs.map(({ map }) => map))),
    index_ns: Math.round(median(pairs.map(({ index }) => index))),
    ratio: Number(median(pairs.map(({ map, index }) => map / index)).toFixed(2)),
    found,
  }),
)
