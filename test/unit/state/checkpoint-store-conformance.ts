import { expect, test } from 'vitest'
import { type CheckpointId, checkpointId, jobId, vertexId } from '../../../src/common/ids.ts'
import type { BlobStore } from '../../../src/state/blob-store.ts'
import type { CheckpointRecord } from '../../../src/state/checkpoint-record.ts'
import type { CheckpointStore } from '../../../src/state/checkpoint-store.ts'
import { blobReferenceOf, encodeManifest, type SubtaskManifest } from '../../../src/state/subtask-manifest.ts'

export interface Stores {
  readonly checkpointStore: CheckpointStore
  readonly blobStore: BlobStore
}

export function recordOf(id: number, manifest = blobReferenceOf('job/attempt/chk-0/manifest', Buffer.alloc(0))) {
  return {
    formatVersion: 1,
    jobId: jobId('job'),
    jobName: 'the job',
    id: checkpointId(id),
    kind: 'checkpoint',
    triggeredAt: 1000,
    completedAt: 1001,
    graphHash: 'abc',
    vertices: [
      {
        vertexId: vertexId('vertex'),
        operatorUids: ['source', 'count'],
        parallelism: 1,
        maxParallelism: 128,
        subtasks: [
          { manifest, splits: [{ id: 'p-0', position: { offset: 7 } }], finished: false, hasCommittables: false },
        ],
      },
    ],
  } as const satisfies CheckpointRecord
}

/** Puts a manifest that names these blobs, and the blobs of checkpoint `id` among them. */
export async function checkpointWith(blobStore: BlobStore, id: number, names: readonly string[], base = 0) {
  const own = `job/attempt/chk-${id}/`
  for (const name of names) if (name.startsWith(own)) await blobStore.put(name, Buffer.from(name))
  const manifest: SubtaskManifest = {
    formatVersion: 1,
    jobId: 'job',
    vertexId: 'vertex',
    attemptId: 'attempt',
    subtaskIndex: 0,
    parallelism: 1,
    maxParallelism: 128,
    checkpointId: id,
    base,
    blobs: names.map((name) => blobReferenceOf(name, Buffer.from(name))),
    operators: [],
  }
  const bytes = encodeManifest(manifest)
  const reference = blobReferenceOf(`${own}manifest`, bytes)
  await blobStore.put(reference.name, bytes)
  return recordOf(id, reference)
}

/** What every CheckpointStore keeps to. */
export function testCheckpointStore(name: string, make: () => Promise<Stores>): void {
  test(`${name}: ids count up and are never minted twice (R2)`, async () => {
    const { checkpointStore } = await make()
    const ids: CheckpointId[] = []
    for (let count = 0; count < 4; count++) ids.push(await checkpointStore.begin())
    expect(ids).toEqual([1, 2, 3, 4])
  })

  test(`${name}: records are read back and listed, oldest first`, async () => {
    const { checkpointStore } = await make()
    expect(await checkpointStore.list()).toEqual([])
    for (const id of [10, 9, 2]) await checkpointStore.complete(recordOf(id))
    expect(await checkpointStore.list()).toEqual([2, 9, 10])
    expect(await checkpointStore.read(checkpointId(9))).toEqual(recordOf(9))
  })

  test(`${name}: a record that names older blobs than its base does is found before it is written (R1)`, async () => {
    const { blobStore, checkpointStore } = await make()
    const [old, aborted] = ['job/attempt/chk-1/0', 'job/attempt/chk-2/0']
    const first = await checkpointWith(blobStore, 1, [old])
    await checkpointStore.complete(first)
    const violation = async (id: number, names: readonly string[], base: number) =>
      checkpointStore.baseViolation(await checkpointWith(blobStore, id, names, base))
    expect(await violation(2, [old, aborted], 1)).toBe(undefined)
    expect(await violation(3, [old, aborted], 1)).toMatch(/chk-2\/0, which checkpoint 1 does not/)
    expect(await violation(4, [old], 0)).toMatch(/chk-1\/0/)
    // The part of a finished subtask is carried forward as it is.
    expect(await checkpointStore.baseViolation({ ...first, id: checkpointId(5) })).toBe(undefined)
  })

  test(`${name}: a second record of an id is refused and the first stays`, async () => {
    const { checkpointStore } = await make()
    await checkpointStore.complete(recordOf(3))
    const second = { ...recordOf(3), jobName: 'another' }
    await expect(checkpointStore.complete(second)).rejects.toMatchObject({ code: 'MR_STORAGE' })
    expect((await checkpointStore.read(checkpointId(3))).jobName).toBe('the job')
  })

  test(`${name}: a record that is not there is MR_CHECKPOINT_NOT_FOUND`, async () => {
    const { checkpointStore } = await make()
    await expect(checkpointStore.read(checkpointId(5))).rejects.toMatchObject({ code: 'MR_CHECKPOINT_NOT_FOUND' })
  })

  test(`${name}: the committed mark covers what came before it, and may be set twice (R16, R17)`, async () => {
    const { checkpointStore } = await make()
    await checkpointStore.complete(recordOf(1))
    await checkpointStore.complete(recordOf(2))
    await checkpointStore.complete(recordOf(3))
    await checkpointStore.markCommitted(checkpointId(2))
    await checkpointStore.markCommitted(checkpointId(2))
    expect(await checkpointStore.isCommitted(checkpointId(1))).toBe(true)
    expect(await checkpointStore.isCommitted(checkpointId(2))).toBe(true)
    expect(await checkpointStore.isCommitted(checkpointId(3))).toBe(false)
  })

  test(`${name}: the first positions of a source are kept for whoever goes on with the run (R18)`, async () => {
    const { checkpointStore } = await make()
    const vertex = vertexId('0'.repeat(32))
    expect(await checkpointStore.recordedStart(vertex)).toBeUndefined()
    const splits = [{ id: 'ads-0', position: { offset: 7 } }]
    await checkpointStore.recordStart(vertex, splits)
    expect(await checkpointStore.recordedStart(vertex)).toEqual(splits)
  })

  test(`${name}: retain keeps the newest records and every blob that they name, and no other old blob (R10)`, async () => {
    const { checkpointStore, blobStore } = await make()
    await checkpointStore.complete(await checkpointWith(blobStore, 1, ['job/attempt/chk-1/0', 'job/attempt/chk-1/1']))
    // Aborted: no record.
    await checkpointWith(blobStore, 2, ['job/attempt/chk-2/0'])
    await checkpointStore.complete(await checkpointWith(blobStore, 3, ['job/attempt/chk-1/0', 'job/attempt/chk-3/0']))
    await checkpointStore.complete(await checkpointWith(blobStore, 4, ['job/attempt/chk-1/0', 'job/attempt/chk-4/0']))
    // Open: no record yet.
    await checkpointWith(blobStore, 5, ['job/attempt/chk-5/0'])
    await checkpointStore.retain(2)
    expect(await checkpointStore.list()).toEqual([3, 4])
    expect(await blobStore.list('')).toEqual([
      'job/attempt/chk-1/0',
      'job/attempt/chk-3/0',
      'job/attempt/chk-3/manifest',
      'job/attempt/chk-4/0',
      'job/attempt/chk-4/manifest',
      'job/attempt/chk-5/0',
      'job/attempt/chk-5/manifest',
    ])
  })
}
