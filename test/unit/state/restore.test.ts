import { expect, test } from 'vitest'
import { attemptId, checkpointId, jobId, vertexId } from '../../../src/common/ids.ts'
import { hashKey } from '../../../src/common/key.ts'
import { keyGroupRange } from '../../../src/common/key-groups.ts'
import type { DataType } from '../../../src/formats/data-type.ts'
import { int32, long, string } from '../../../src/formats/types.ts'
import { KeyedStateBackend } from '../../../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../../../src/state/managed-memory.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { OperatorStateBackend } from '../../../src/state/operator-state-backend.ts'
import {
  type OldManifest,
  type RestoreOperatorOptions,
  readManifest,
  restoreOperator,
} from '../../../src/state/restore.ts'
import { SubtaskSnapshots } from '../../../src/state/subtask-snapshots.ts'

const maxParallelism = 8
const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']

function backendOf(subtaskIndex: number, parallelism: number): KeyedStateBackend {
  return new KeyedStateBackend({
    keyGroups: keyGroupRange(subtaskIndex, parallelism, maxParallelism),
    maxParallelism,
    memory: new ManagedMemory(1 << 20),
    operatorName: 'count',
  })
}

const keysOf = (subtaskIndex: number, parallelism: number): readonly string[] => {
  const { from, to } = keyGroupRange(subtaskIndex, parallelism, maxParallelism)
  return keys.filter((key) => {
    const keyGroup = (hashKey(key) >>> 0) % maxParallelism
    return keyGroup >= from && keyGroup < to
  })
}

const lists = {
  dealt: { name: 'dealt', type: string(), redistribution: 'even-split' },
  shared: { name: 'shared', type: string(), redistribution: 'union' },
} as const

/** A checkpoint 4 of `parallelism` subtasks, each with a count for its keys, lists, a pending list and a watermark. */
async function checkpointed(blobStore: MemoryBlobStore, parallelism: number): Promise<readonly OldManifest[]> {
  const manifests: OldManifest[] = []
  for (let subtaskIndex = 0; subtaskIndex < parallelism; subtaskIndex++) {
    const keyed = backendOf(subtaskIndex, parallelism)
    const count = keyed.valueState<number>({ kind: 'value', name: 'count', type: int32() })
    for (const key of keysOf(subtaskIndex, parallelism)) {
      keyed.setCurrentKey(key, hashKey(key))
      count.update(key.charCodeAt(0))
    }
    const operatorState = new OperatorStateBackend('count')
    operatorState.listState(lists.dealt).update([`d${subtaskIndex}.0`, `d${subtaskIndex}.1`])
    operatorState.listState(lists.shared).add(`s${subtaskIndex}`)
    const snapshots = new SubtaskSnapshots({
      blobStore,
      jobId: jobId('job'),
      vertexId: vertexId('vertex'),
      attemptId: attemptId(`attempt-${subtaskIndex}`),
      subtaskIndex,
      parallelism,
      maxParallelism,
    })
    const barrier = { id: checkpointId(4), base: checkpointId(0), kind: 'checkpoint' } as const
    const snapshot = snapshots.begin(barrier, [
      {
        uid: 'count-uid',
        snapshot: {
          keyed: keyed.snapshot(barrier),
          operatorState: operatorState.snapshot(),
          committables: Promise.resolve([{ checkpointId: 4, committables: [{ part: subtaskIndex }] }]),
          watermark: subtaskIndex === 0 ? 100 + parallelism : Number.POSITIVE_INFINITY,
        },
      },
    ])
    expect(snapshot.step(1000)).toBe(true)
    const { manifest, hasCommittables, writtenBytes } = await snapshot.finish()
    expect(hasCommittables).toBe(true)
    expect(writtenBytes).toBeGreaterThan(manifest.length)
    manifests.push({ subtaskIndex, parallelism, manifest: await readManifest(blobStore, manifest) })
  }
  return manifests
}

function optionsOf(
  blobStore: MemoryBlobStore,
  manifests: readonly OldManifest[],
  [subtaskIndex, parallelism]: readonly [number, number],
): RestoreOperatorOptions & { readonly keyedState: KeyedStateBackend } {
  return {
    blobStore,
    operatorUid: 'count-uid',
    operatorName: 'count',
    checkpointId: 4,
    manifests,
    subtaskIndex,
    parallelism,
    maxParallelism,
    ownManifestIsBase: false,
    committed: false,
    keyedState: backendOf(subtaskIndex, parallelism),
    operatorState: new OperatorStateBackend('count'),
  }
}

test('with the same parallelism each subtask gets back its own, and union lists of all', async () => {
  const blobStore = new MemoryBlobStore()
  const manifests = await checkpointed(blobStore, 2)
  for (const subtaskIndex of [0, 1]) {
    const options = optionsOf(blobStore, manifests, [subtaskIndex, 2])
    const { committables, watermark } = await restoreOperator(options)
    expect(committables).toEqual([{ checkpointId: 4, committables: [{ part: subtaskIndex }] }])
    expect(watermark).toBe(subtaskIndex === 0 ? 102 : Number.POSITIVE_INFINITY)
    expect(options.operatorState.listState(lists.dealt).get()).toEqual([`d${subtaskIndex}.0`, `d${subtaskIndex}.1`])
    expect(options.operatorState.listState(lists.shared).get()).toEqual(['s0', 's1'])
  }
})

test('with another parallelism key groups move, even-split lists are dealt, union lists go to all, and each pending list to one', async () => {
  for (const [before, after] of [
    [1, 3],
    [3, 2],
    [2, 8],
  ] as const) {
    const blobStore = new MemoryBlobStore()
    const manifests = await checkpointed(blobStore, before)
    const found = new Map<string, number>()
    const dealt: string[] = []
    const committables: unknown[] = []
    for (let subtaskIndex = 0; subtaskIndex < after; subtaskIndex++) {
      const options = optionsOf(blobStore, manifests, [subtaskIndex, after])
      const restored = await restoreOperator(options)
      expect(restored.watermark).toBe(100 + before)
      committables.push(...restored.committables)
      dealt.push(...options.operatorState.listState<string>(lists.dealt).get())
      expect(options.operatorState.listState(lists.shared).get()).toHaveLength(before)
      const count = options.keyedState.valueState<number>({ kind: 'value', name: 'count', type: int32() })
      for (const key of keysOf(subtaskIndex, after)) {
        options.keyedState.setCurrentKey(key, hashKey(key))
        found.set(key, count.value() ?? -1)
      }
    }
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(keys.map((key) => [key, key.charCodeAt(0)])))
    expect(committables).toHaveLength(before)
    expect(dealt.sort()).toEqual(manifests.flatMap((_, index) => [`d${index}.0`, `d${index}.1`]))
  }
})

test('a checkpoint that is committed gives no pending lists, and an operator that it does not know starts empty', async () => {
  const blobStore = new MemoryBlobStore()
  const manifests = await checkpointed(blobStore, 1)
  const committed = await restoreOperator({ ...optionsOf(blobStore, manifests, [0, 1]), committed: true })
  expect(committed.committables).toEqual([])
  const unknown = await restoreOperator({ ...optionsOf(blobStore, manifests, [0, 1]), operatorUid: 'new' })
  expect(unknown).toEqual({ committables: [], watermark: Number.NEGATIVE_INFINITY })
})

test('another max parallelism is MR_STATE_INCOMPATIBLE (R37)', async () => {
  const blobStore = new MemoryBlobStore()
  const manifests = await checkpointed(blobStore, 1)
  await expect(
    restoreOperator({ ...optionsOf(blobStore, manifests, [0, 1]), maxParallelism: 16 }),
  ).rejects.toMatchObject({ code: 'MR_STATE_INCOMPATIBLE', message: expect.stringMatching(/16.*8/) })
})

test('a state that is asked for with another type or kind is MR_STATE_INCOMPATIBLE naming the state and both', async () => {
  const blobStore = new MemoryBlobStore()
  const manifests = await checkpointed(blobStore, 1)
  const options = optionsOf(blobStore, manifests, [0, 1])
  await restoreOperator(options)
  const { keyedState, operatorState } = options
  const value = (type: DataType<unknown>) => ({ kind: 'value', name: 'count', type }) as const
  for (const [ask, expected] of [
    [() => keyedState.valueState(value(string())), /State "count" of operator "count".*int.*string/],
    [() => keyedState.valueState(value({ kind: 'untyped' })), /State "count".*int.*bytes/],
    [() => keyedState.valueState(value(long())), /State "count".*int.*long/],
    [() => keyedState.listState({ kind: 'list', name: 'count', type: int32() }), /"count".*value state.*list state/],
    [() => operatorState.listState({ ...lists.dealt, type: int32() }), /Operator state "dealt".*string.*int/],
    [() => operatorState.listState({ ...lists.dealt, redistribution: 'union' }), /"dealt".*even-split.*union/],
  ] as const) {
    expect(ask).toThrow(expected)
    expect(ask).toThrow(expect.objectContaining({ code: 'MR_STATE_INCOMPATIBLE' }))
  }
  // It is still there for whoever asks rightly.
  keyedState.setCurrentKey('c', hashKey('c'))
  expect(keyedState.valueState<number>({ kind: 'value', name: 'count', type: int32() }).value()).toBe(99)
})

test('a missing or damaged blob or manifest is MR_CHECKPOINT_DAMAGED naming it (I6)', async () => {
  const blobStore = new MemoryBlobStore()
  const manifests = await checkpointed(blobStore, 1)
  const name = 'job/attempt-0/chk-4/0'
  const bytes = await blobStore.get(name)
  const damaged = Buffer.from(bytes)
  damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 1
  for (const content of [damaged, bytes.subarray(0, 20), undefined]) {
    if (content === undefined) await blobStore.delete([name])
    else await blobStore.put(name, content)
    await expect(restoreOperator(optionsOf(blobStore, manifests, [0, 1]))).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_DAMAGED',
      message: expect.stringContaining(name),
    })
  }
  const manifest = 'job/attempt-0/chk-4/manifest'
  const text = await blobStore.get(manifest)
  await expect(readManifest(blobStore, { name: manifest, length: text.length, checksum: 1 })).rejects.toMatchObject({
    code: 'MR_CHECKPOINT_DAMAGED',
    message: expect.stringContaining(manifest),
  })
})

test('state that nobody asks for goes from checkpoint to checkpoint', async () => {
  const blobStore = new MemoryBlobStore()
  let manifests = await checkpointed(blobStore, 1)
  for (let id = 5; id < 8; id++) {
    const options = optionsOf(blobStore, manifests, [0, 1])
    await restoreOperator(options)
    const snapshots = new SubtaskSnapshots({
      blobStore,
      jobId: jobId('job'),
      vertexId: vertexId('vertex'),
      attemptId: attemptId(`later-${id}`),
      subtaskIndex: 0,
      parallelism: 1,
      maxParallelism,
    })
    const barrier = { id: checkpointId(id), base: checkpointId(id === 6 ? 5 : 0), kind: 'checkpoint' } as const
    const part = {
      keyed: options.keyedState.snapshot(barrier),
      operatorState: options.operatorState.snapshot(),
      committables: undefined,
      watermark: 0,
    }
    const snapshot = snapshots.begin(barrier, [{ uid: 'count-uid', snapshot: part }])
    while (!snapshot.step(1));
    const { manifest } = await snapshot.finish()
    manifests = [{ subtaskIndex: 0, parallelism: 1, manifest: await readManifest(blobStore, manifest) }]
    await blobStore.delete((await blobStore.list('')).filter((name) => !name.includes(`/later-${id}/`)))
  }
  const options = optionsOf(blobStore, manifests, [0, 1])
  await restoreOperator(options)
  const count = options.keyedState.valueState<number>({ kind: 'value', name: 'count', type: int32() })
  for (const key of keys) {
    options.keyedState.setCurrentKey(key, hashKey(key))
    expect(count.value()).toBe(key.charCodeAt(0))
  }
  expect(options.operatorState.listState(lists.dealt).get()).toEqual(['d0.0', 'd0.1'])
})
