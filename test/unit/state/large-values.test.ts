import { expect, test } from 'vitest'
import { listStateDescriptor, mapStateDescriptor, valueStateDescriptor } from '../../../src/api/descriptors.ts'
import { hashKey } from '../../../src/common/key.ts'
import { bytes } from '../../../src/formats/index.ts'
import { maxBlobBytes } from '../../../src/state/blob-packer.ts'
import type { KeyedStateBackend } from '../../../src/state/keyed-state-backend.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { fullPiecesDueOf } from '../../../src/state/piece-chains.ts'
import { maxChunkBytes } from '../../../src/state/piece-writer.ts'
import { backendOf, checkpointOf, restoreInto, snapshotsIn } from './support/one-operator.ts'

const megabyte = 1024 * 1024

function use(backend: KeyedStateBackend, key: string): void {
  backend.setCurrentKey(key, hashKey(key))
}

const value = valueStateDescriptor<Uint8Array>('value', bytes())
const list = listStateDescriptor<string>('list')
const map = mapStateDescriptor<string, Uint8Array>('map')

test('values of tens of megabytes are written, each in a blob of its own, and come back', async () => {
  const blobStore = new MemoryBlobStore()
  const backend = backendOf()
  use(backend, 'a')
  const large = new Uint8Array(24 * megabyte).fill(7)
  large[1234] = 1
  backend.valueState(value).update(large)
  backend.listState(list).addAll(['x'.repeat(10 * megabyte), 'y'.repeat(10 * megabyte)])
  backend.mapState(map).put('x', large)
  backend.mapState(map).put('y', new Uint8Array([1, 2, 3]))
  const manifest = await checkpointOf(backend, snapshotsIn(blobStore), { id: 1, blobStore })
  expect(Math.max(...manifest.blobs.map(({ length }) => length))).toBeLessThan(25 * megabyte)

  const restored = backendOf()
  await restoreInto(restored, blobStore, { manifest })
  use(restored, 'a')
  expect(Buffer.compare(restored.valueState(value).value() ?? new Uint8Array(), large)).toBe(0)
  expect(restored.listState(list).get()).toEqual(['x'.repeat(10 * megabyte), 'y'.repeat(10 * megabyte)])
  expect(Buffer.compare(restored.mapState(map).get('x') ?? new Uint8Array(), large)).toBe(0)
  expect(restored.mapState(map).get('y')).toEqual(new Uint8Array([1, 2, 3]))
})

test('a large key group is cut into chunks, which count as one full piece (R5), and changes come on top of them', async () => {
  const blobStore = new MemoryBlobStore()
  const backend = backendOf()
  const snapshots = snapshotsIn(blobStore)
  use(backend, 'a')
  const state = backend.mapState(map)
  const rows = 300
  for (let row = 0; row < rows; row++) state.put(`row ${row}`, new Uint8Array(100_000).fill(row))
  const first = await checkpointOf(backend, snapshots, { id: 1, blobStore })
  const pieces = first.operators[0]?.keyedStates[0]?.pieces ?? []
  expect(pieces.length).toBeGreaterThan(10)
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(maxChunkBytes + 101_000)
  expect(Math.max(...first.blobs.map(({ length }) => length))).toBeLessThanOrEqual(maxBlobBytes)
  expect(pieces.map(({ isContinuation }) => isContinuation)).toEqual(pieces.map((_, index) => index > 0))
  expect(fullPiecesDueOf(first.operators[0], 8).get('map')?.size).toBe(0)

  state.put('row 5', new Uint8Array([5]))
  state.remove('row 6')
  const second = await checkpointOf(backend, snapshots, { id: 2, base: 1, blobStore })
  expect(second.operators[0]?.keyedStates[0]?.pieces.length).toBe(pieces.length + 1)

  const restored = backendOf()
  await restoreInto(restored, blobStore, { manifest: second })
  use(restored, 'a')
  const back = restored.mapState(map)
  expect([...back.keys()].length).toBe(rows - 1)
  expect(back.get('row 5')).toEqual(new Uint8Array([5]))
  expect(back.get('row 299')?.[0]).toBe(299 % 256)
})

test('a key group of more entries than a slice is worth is written all the same', async () => {
  const blobStore = new MemoryBlobStore()
  const backend = backendOf()
  use(backend, 'a')
  const state = backend.mapState(map)
  for (let row = 0; row < 10_000; row++) state.put(`row ${row}`, new Uint8Array([row % 256]))
  const manifest = await checkpointOf(backend, snapshotsIn(blobStore), { id: 1, blobStore })
  const restored = backendOf()
  await restoreInto(restored, blobStore, { manifest })
  use(restored, 'a')
  expect([...restored.mapState(map).keys()].length).toBe(10_000)
})

test('a slice of a drain ends after some large values: their bytes count, not only their number', () => {
  const backend = backendOf()
  for (let key = 0; key < 64; key++) {
    use(backend, `key ${key}`)
    backend.valueState(value).update(new Uint8Array(megabyte))
  }
  const keyed = backend.snapshot({ id: 1, base: 0, kind: 'checkpoint' } as never)
  keyed.plan({ base: 0, fullKeyGroups: new Map() })
  let slices = 1
  while (!keyed.drain(500)) slices++
  expect(slices).toBeGreaterThan(30)
})
