import { expect, test } from 'vitest'
import { mapStateDescriptor, valueStateDescriptor } from '../../../src/api/descriptors.ts'
import { hashKey } from '../../../src/common/key.ts'
import { int32, map, set, string, untyped } from '../../../src/formats/index.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { backendOf, checkpointOf, restoreInto, snapshotsIn } from './support/one-operator.ts'

const types = [
  { kind: 'untyped', counts: untyped<Map<string, number>>(), seen: untyped<Set<number>>() },
  { kind: 'declared', counts: map(string(), int32()), seen: set(int32()) },
] as const

test.each(types)('state of $kind Maps and Sets comes back from a checkpoint as Maps and Sets', async (type) => {
  const counts = valueStateDescriptor('counts', type.counts)
  const seen = mapStateDescriptor<string, Set<number>>('seen', type.seen)
  const blobStore = new MemoryBlobStore()
  const backend = backendOf()
  backend.setCurrentKey('a', hashKey('a'))
  backend.valueState(counts).update(new Map([['x', 1]]))
  backend.mapState(seen).put('today', new Set([3, 4]))
  const manifest = await checkpointOf(backend, snapshotsIn(blobStore), { id: 1, blobStore })

  const restored = backendOf({ freezeValues: true })
  await restoreInto(restored, blobStore, { manifest })
  restored.setCurrentKey('a', hashKey('a'))
  expect(restored.valueState(counts).value()).toEqual(new Map([['x', 1]]))
  expect(restored.mapState(seen).get('today')).toEqual(new Set([3, 4]))
})

test('a frozen Map or Set that came out of state can not be changed (R6)', () => {
  const backend = backendOf({ freezeValues: true })
  backend.setCurrentKey('a', hashKey('a'))
  const state = backend.valueState(valueStateDescriptor<Map<string, Set<number>>>('state'))
  state.update(new Map([['x', new Set([1])]]))
  const value = state.value() as Map<string, Set<number>>
  expect(() => value.set('y', new Set())).toThrow('can not be changed')
  expect(() => value.get('x')?.add(2)).toThrow('can not be changed')
  expect(value).toEqual(new Map([['x', new Set([1])]]))
})

test('a value that is no Map of the declared type is refused by its key', async () => {
  const backend = backendOf()
  backend.setCurrentKey('a', hashKey('a'))
  const state = backend.valueState(valueStateDescriptor('counts', map(string(), int32())))
  state.update(new Map([['x', 'one']]) as never)
  const blobStore = new MemoryBlobStore()
  await expect(checkpointOf(backend, snapshotsIn(blobStore), { id: 1, blobStore })).rejects.toThrow(
    'State "counts" of operator "sample": ["x"]: expected int32, got string',
  )
})
