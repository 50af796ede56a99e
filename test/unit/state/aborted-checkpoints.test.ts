import { expect, test, vi } from 'vitest'
import type { ValueState } from '../../../src/api/state.ts'
import { MillraceError } from '../../../src/common/errors.ts'
import { attemptId, checkpointId, jobId, vertexId } from '../../../src/common/ids.ts'
import { hashKey } from '../../../src/common/key.ts'
import { string } from '../../../src/formats/types.ts'
import { KeyedStateBackend } from '../../../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../../../src/state/managed-memory.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { type SubtaskSnapshot, SubtaskSnapshots } from '../../../src/state/subtask-snapshots.ts'

/** Refuses names that hold this text; the rest is stored. */
class FullBlobStore extends MemoryBlobStore {
  refused = 'nothing is refused'
  override async put(name: string, bytes: Uint8Array): Promise<void> {
    if (name.includes(this.refused)) throw new MillraceError('MR_STORAGE', 'no space left')
    await super.put(name, bytes)
  }
}

/** A subtask with megabytes of texts, so that a checkpoint takes several blobs. */
class LargeSubtask {
  readonly blobStore = new FullBlobStore()
  readonly snapshots = new SubtaskSnapshots({
    blobStore: this.blobStore,
    jobId: jobId('job'),
    vertexId: vertexId('vertex'),
    attemptId: attemptId('attempt'),
    subtaskIndex: 0,
    parallelism: 1,
    maxParallelism: 8,
  })
  readonly #backend = new KeyedStateBackend({
    keyGroups: { from: 0, to: 8 },
    maxParallelism: 8,
    memory: new ManagedMemory(1),
    operatorName: 'texts',
  })
  readonly #texts: ValueState<string> = this.#backend.valueState({ kind: 'value', name: 'text', type: string() })

  change(letter: string): void {
    for (let index = 0; index < 20; index++) {
      const key = `key ${index}`
      this.#backend.setCurrentKey(key, hashKey(key))
      this.#texts.update(letter.repeat(1 << 20))
    }
  }

  begin(id: number, base: number): SubtaskSnapshot {
    const barrier = { id: checkpointId(id), base: checkpointId(base), kind: 'checkpoint' } as const
    const keyed = this.#backend.snapshot(barrier)
    const snapshot = { keyed, operatorState: undefined, committables: undefined, watermark: 0 }
    return this.snapshots.begin(barrier, [{ uid: 'u', snapshot }])
  }

  async checkpoint(id: number, base: number): Promise<void> {
    const snapshot = this.begin(id, base)
    while (!snapshot.step(1000));
    await snapshot.finish()
  }

  blobsOf(id: number): Promise<readonly string[]> {
    return this.blobStore.list(`job/attempt/chk-${id}/`)
  }

  async expectNothingOf(id: number): Promise<void> {
    await vi.waitFor(async () => expect(await this.blobsOf(id)).toEqual([]))
  }
}

/*
 * Retention deletes only what is older than the oldest retained checkpoint (R10). On a disk that runs full no later one
 * completes, so that what declined checkpoints left would keep it full for good: the writer deletes it itself.
 */
test('what a declined checkpoint wrote is deleted, also the blobs that fitted in', async () => {
  const subtask = new LargeSubtask()
  subtask.change('a')
  await subtask.checkpoint(1, 0)
  subtask.change('b')
  subtask.blobStore.refused = 'chk-2/2'
  await expect(subtask.checkpoint(2, 1)).rejects.toMatchObject({ code: 'MR_STORAGE' })
  await subtask.expectNothingOf(2)
  expect((await subtask.blobsOf(1)).length).toBeGreaterThan(2)
  await subtask.checkpoint(3, 1)
})

test('what a subtask has acknowledged of an aborted checkpoint is deleted, what it names of its base stays', async () => {
  const subtask = new LargeSubtask()
  subtask.change('a')
  await subtask.checkpoint(1, 0)
  const first = await subtask.blobsOf(1)
  await subtask.checkpoint(2, 1)
  subtask.snapshots.checkpointAborted(2)
  await subtask.expectNothingOf(2)
  expect(await subtask.blobsOf(1)).toEqual(first)
})

test('a snapshot that is cancelled while it drains leaves nothing', async () => {
  const subtask = new LargeSubtask()
  subtask.change('a')
  const snapshot = subtask.begin(1, 0)
  while (!snapshot.step(5));
  snapshot.cancel()
  await expect(snapshot.finish()).rejects.toMatchObject({ code: 'MR_CHECKPOINT_DECLINED' })
  await subtask.expectNothingOf(1)
})

test('a higher barrier deletes nothing of an older checkpoint that was acknowledged: it may be complete (R2)', async () => {
  const subtask = new LargeSubtask()
  subtask.change('a')
  await subtask.checkpoint(1, 0)
  const first = await subtask.blobsOf(1)
  await subtask.checkpoint(2, 1)
  await subtask.checkpoint(3, 1)
  expect(await subtask.blobsOf(1)).toEqual(first)
  expect((await subtask.blobsOf(2)).length).toBeGreaterThan(0)
})
