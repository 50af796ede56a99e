import { expect, test } from 'vitest'
import type { ValueState } from '../../../src/api/state.ts'
import { MillraceError } from '../../../src/common/errors.ts'
import { attemptId, checkpointId, jobId, vertexId } from '../../../src/common/ids.ts'
import { hashKey } from '../../../src/common/key.ts'
import { string } from '../../../src/formats/types.ts'
import { maxBlobBytes } from '../../../src/state/blob-packer.ts'
import { KeyedStateBackend } from '../../../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../../../src/state/managed-memory.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { sparseBlobs } from '../../../src/state/piece-chains.ts'
import { readManifest } from '../../../src/state/restore.ts'
import { type SubtaskSnapshot, SubtaskSnapshots } from '../../../src/state/subtask-snapshots.ts'

/** One subtask with one state of texts, in 8 key groups. */
class Subtask {
  readonly blobStore: MemoryBlobStore
  readonly #backend = new KeyedStateBackend({
    keyGroups: { from: 0, to: 8 },
    maxParallelism: 8,
    memory: new ManagedMemory(1),
    operatorName: 'texts',
  })
  readonly #texts: ValueState<string> = this.#backend.valueState({ kind: 'value', name: 'text', type: string() })
  readonly snapshots: SubtaskSnapshots

  constructor(blobStore = new MemoryBlobStore()) {
    this.blobStore = blobStore
    this.snapshots = new SubtaskSnapshots({
      blobStore,
      jobId: jobId('job'),
      vertexId: vertexId('vertex'),
      attemptId: attemptId('attempt'),
      subtaskIndex: 0,
      parallelism: 1,
      maxParallelism: 8,
    })
  }

  put(key: string, text: string): void {
    this.#backend.setCurrentKey(key, hashKey(key))
    this.#texts.update(text)
  }

  begin(id: number, base: number, committables?: Promise<never>): SubtaskSnapshot {
    const barrier = { id: checkpointId(id), base: checkpointId(base), kind: 'checkpoint' } as const
    const keyed = this.#backend.snapshot(barrier)
    return this.snapshots.begin(barrier, [
      { uid: 'u', snapshot: { keyed, operatorState: undefined, committables, watermark: 0 } },
    ])
  }

  async checkpoint(id: number, base: number) {
    const snapshot = this.begin(id, base)
    while (!snapshot.step(1000));
    const { manifest } = await snapshot.finish()
    return await readManifest(this.blobStore, manifest)
  }
}

class FailingBlobStore extends MemoryBlobStore {
  fails = false
  override async put(name: string, bytes: Uint8Array): Promise<void> {
    if (this.fails) throw new MillraceError('MR_STORAGE', 'no space left')
    await super.put(name, bytes)
  }
}

test('chunks are packed into blobs of up to 8 MB, and a larger one is a blob of its own (R5)', async () => {
  const subtask = new Subtask()
  const megabyte = 'x'.repeat(1 << 20)
  for (let index = 0; index < 12; index++) subtask.put(`key ${index}`, megabyte)
  const manifest = await subtask.checkpoint(1, 0)
  // Key groups hold one to several megabytes: the packing is not perfect.
  expect([2, 3]).toContain(manifest.blobs.length)
  manifest.blobs.forEach(({ name }, index) => {
    expect(name).toBe(`job/attempt/chk-1/${index}`)
  })
  for (const { length } of manifest.blobs) expect(length).toBeLessThanOrEqual(maxBlobBytes)
  subtask.put('huge', 'x'.repeat(9 << 20))
  const next = await subtask.checkpoint(2, 1)
  expect(Math.max(...next.blobs.map(({ length }) => length))).toBeGreaterThan(maxBlobBytes)
})

test('a checkpoint on a base writes only what changed, and names the older blobs for the rest (R1)', async () => {
  const subtask = new Subtask()
  for (let index = 0; index < 100; index++) subtask.put(`key ${index}`, 'x'.repeat(1000))
  const first = await subtask.checkpoint(1, 0)
  subtask.put('key 7', 'changed')
  const second = await subtask.checkpoint(2, 1)
  expect(second.base).toBe(1)
  expect(second.blobs.map(({ name }) => name)).toEqual(['job/attempt/chk-1/0', 'job/attempt/chk-2/0'])
  expect(second.blobs[0]).toEqual(first.blobs[0])
  expect(second.blobs[1]?.length).toBeLessThan(1000)
})

test('without the own manifest of the base everything is written (R1)', async () => {
  const subtask = new Subtask()
  subtask.put('a', 'x')
  await subtask.checkpoint(1, 0)
  const manifest = await subtask.checkpoint(4, 3)
  expect([manifest.base, manifest.blobs.map(({ name }) => name)]).toEqual([0, ['job/attempt/chk-4/0']])
})

test('the live pieces of a blob that is mostly garbage are written again, and the blob is named no more (R5)', async () => {
  const subtask = new Subtask()
  for (let index = 0; index < 200; index++) subtask.put(`key ${index}`, 'x'.repeat(500))
  let manifest = await subtask.checkpoint(1, 0)
  // Everything changes all the time: one key group after another gets a full piece.
  for (let id = 2; id < 14; id++) {
    for (let index = 0; index < 200; index++) subtask.put(`key ${index}`, String(id).repeat(300))
    manifest = await subtask.checkpoint(id, id - 1)
    const sparse = [...sparseBlobs(manifest)].map((blob) => manifest.blobs[blob]?.name)
    expect(sparse.filter((name) => name?.includes(`/chk-${id}/`) === false)).toEqual([])
  }
  expect(manifest.blobs.map(({ name }) => name)).not.toContain('job/attempt/chk-1/0')
})

test('a barrier with a higher id cancels the undrained snapshot of an older one (R2)', async () => {
  const subtask = new Subtask()
  for (let index = 0; index < 100; index++) subtask.put(`key ${index}`, 'x')
  const first = subtask.begin(1, 0)
  first.step(1)
  const second = subtask.begin(2, 0)
  expect(first.step(1)).toBe(true)
  await expect(first.finish()).rejects.toMatchObject({ code: 'MR_CHECKPOINT_DECLINED' })
  while (!second.step(1000));
  expect((await second.finish()).manifest.name).toBe('job/attempt/chk-2/manifest')
})

test('finishing before the drain is done is refused', async () => {
  const subtask = new Subtask()
  subtask.put('a', 'x')
  await expect(subtask.begin(1, 0).finish()).rejects.toMatchObject({ code: 'MR_INTERNAL' })
})

test('a storage that fails declines the checkpoint, and the next one on the old base holds everything', async () => {
  const blobStore = new FailingBlobStore()
  const subtask = new Subtask(blobStore)
  subtask.put('a', 'first')
  await subtask.checkpoint(1, 0)
  subtask.put('b', 'second')
  blobStore.fails = true
  await expect(subtask.checkpoint(2, 1)).rejects.toMatchObject({ code: 'MR_STORAGE' })
  blobStore.fails = false
  const manifest = await subtask.checkpoint(3, 1)
  expect(manifest.blobs.map(({ name }) => name)).toEqual(['job/attempt/chk-1/0', 'job/attempt/chk-3/0'])
})

test('a sink that can not prepare declines the checkpoint, also where nobody waits for it any more', async () => {
  const subtask = new Subtask()
  const failure = new MillraceError('MR_SINK', 'disk gone')
  const snapshot = subtask.begin(1, 0, Promise.reject(failure))
  snapshot.step(1000)
  await expect(snapshot.finish()).rejects.toBe(failure)
  subtask.begin(2, 0, Promise.reject(failure)).cancel()
})
