import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkpointId } from '../../../src/common/ids.ts'
import { canonicalKeyBytes, hashKey } from '../../../src/common/key.ts'
import { double, record } from '../../../src/formats/types.ts'
import type { ByteTable } from '../../../src/state/byte-table.ts'
import { Chunk } from '../../../src/state/chunk-reader.ts'
import type { KeyRows } from '../../../src/state/key-bytes.ts'
import { KeyedStateBackend } from '../../../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../../../src/state/managed-memory.ts'

function newBackend(): KeyedStateBackend {
  const memory = new ManagedMemory(1 << 30)
  return new KeyedStateBackend({ keyGroups: { from: 0, to: 4 }, maxParallelism: 4, memory, operatorName: 'count' })
}

function tableOf(backend: KeyedStateBackend): ByteTable {
  const table = backend.accumulatorTable('.rows', record({ count: double() }))
  table.initialValue = new Float64Array(1)
  return table
}

/** Keys as a batch of columns holds them, behind some bytes of something else. */
function rowsOf(keys: readonly string[], hashOf: (key: string) => number): KeyRows {
  const keysStart = 5
  const encoded = keys.map(canonicalKeyBytes)
  const bytes = new Uint8Array(Buffer.concat([Buffer.alloc(keysStart), ...encoded]))
  let end = keysStart
  const keyEnds = Int32Array.from(encoded, ({ length }) => {
    end += length
    return end
  })
  return {
    view: new DataView(bytes.buffer),
    hashes: Int32Array.from(keys, hashOf),
    keyEnds,
    keysStart,
    count: keys.length,
  }
}

function countRows(table: ByteTable, keys: readonly string[], hashOf: (key: string) => number = hashKey): void {
  const entries = table.upsertAll(rowsOf(keys, hashOf))
  for (let row = 0; row < keys.length; row++) {
    const entry = entries[row] as number
    table.columns[entry] = (table.columns[entry] as number) + 1
  }
}

test('rows find the entries of their keys, also where hashes are equal and a batch begins keys it has again', () => {
  const key = fc.oneof(
    fc.integer({ min: 0, max: 900 }).map((number) => `key ${number}`),
    fc.constantFrom('', 'a', 'b', 'é', 'x'.repeat(300)),
  )
  // The key group stays what it is; else hashes are equal for many keys.
  const fewHashes = (name: string): number => hashKey(name) & 0x7
  fc.assert(
    fc.property(fc.array(fc.array(key, { maxLength: 512 }), { maxLength: 6 }), fc.boolean(), (batches, alike) => {
      const table = tableOf(newBackend())
      const expected = new Map<string, number>()
      for (const batch of batches) {
        countRows(table, batch, alike ? fewHashes : hashKey)
        for (const name of batch) expected.set(name, (expected.get(name) ?? 0) + 1)
      }
      const counts = Array.from(
        { length: table.used },
        (_, entry) => [table.keyAt(entry), table.columns[entry]] as const,
      )
      expect(counts.length).toBe(expected.size)
      expect(new Map(counts)).toEqual(expected)
    }),
    { numRuns: 30 },
  )
})

test('rows that change entries while a snapshot drains leave it what was there at the barrier (R6)', () => {
  const backend = newBackend()
  const table = tableOf(backend)
  const names = Array.from({ length: 300 }, (_, index) => `key ${index}`)
  countRows(table, names)
  const snapshot = backend.snapshot({ id: checkpointId(1), base: checkpointId(0), kind: 'checkpoint' })
  snapshot.plan({ base: 0, fullKeyGroups: new Map() })
  countRows(table, [...names, ...names.map((name) => `${name}, new`)])
  expect(snapshot.drain(1e6)).toBe(true)
  const chunks = snapshot.takePieces().map(({ bytes }) => new Chunk(bytes, 'piece'))
  const restoredBackend = newBackend()
  restoredBackend.restore({ base: undefined, chunks: new Map([['.rows', chunks]]) })
  const restored = tableOf(restoredBackend)
  expect(restored.size).toBe(names.length)
  for (let entry = 0; entry < restored.used; entry++) expect(restored.columns[entry]).toBe(1)
})
