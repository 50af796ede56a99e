import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ValueState } from '../../src/api/state.ts'
import { attemptId, checkpointId, jobId, vertexId } from '../../src/common/ids.ts'
import { hashKey } from '../../src/common/key.ts'
import { long, record } from '../../src/formats/types.ts'
import { FolderBlobStore } from '../../src/state/filesystem/folder-blob-store.ts'
import { blobFolder, FolderCheckpointStore } from '../../src/state/filesystem/folder-checkpoint-store.ts'
import { KeyedStateBackend } from '../../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../../src/state/managed-memory.ts'
import { OperatorStateBackend } from '../../src/state/operator-state-backend.ts'
import { readManifest, restoreOperator } from '../../src/state/restore.ts'
import { SubtaskSnapshots } from '../../src/state/subtask-snapshots.ts'
import { fullDrill, seeded } from './support/drill.ts'

interface Sums {
  readonly count: number
  readonly sum: number
}

// Fewer keys, and what a chunk says of itself (128 of them in each checkpoint) outweighs the 1 % that changed.
const keys = fullDrill ? 1_000_000 : 200_000
const changing = keys / 100
const checkpoints = fullDrill ? 200 : 80
const all = { keyGroups: { from: 0, to: 128 }, maxParallelism: 128, operatorName: 'sums' }
const sums = { kind: 'value', name: 'sums', type: record({ count: long(), sum: long() }) } as const

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'incremental-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** One subtask with a sum a key, and the run that its checkpoints belong to. */
class LargeState {
  readonly store = new FolderCheckpointStore(folder)
  readonly blobStore = new FolderBlobStore(blobFolder(folder))
  readonly expected = new Map<string, Sums>()
  readonly #backend = new KeyedStateBackend({ ...all, memory: new ManagedMemory(2 ** 30) })
  readonly #sums: ValueState<Sums> = this.#backend.valueState(sums)
  readonly #snapshots = new SubtaskSnapshots({
    blobStore: this.blobStore,
    jobId: jobId('job'),
    vertexId: vertexId('vertex'),
    attemptId: attemptId('attempt'),
    subtaskIndex: 0,
    parallelism: 1,
    maxParallelism: 128,
  })
  #base = 0

  add(index: number): void {
    const key = `key ${index}`
    this.#backend.setCurrentKey(key, hashKey(key))
    const { count, sum } = this.#sums.value() ?? { count: 0, sum: 0 }
    const next = { count: count + 1, sum: sum + index }
    this.#sums.update(next)
    this.expected.set(key, next)
  }

  /** The bytes that it wrote. */
  async checkpoint(): Promise<number> {
    const id = await this.store.begin()
    const barrier = { id, base: checkpointId(this.#base), kind: 'checkpoint' } as const
    const keyed = this.#backend.snapshot(barrier)
    const part = { keyed, operatorState: undefined, committables: undefined, watermark: 0 }
    const snapshot = this.#snapshots.begin(barrier, [{ uid: 'sums', snapshot: part }])
    while (!snapshot.step(10_000));
    const { manifest, writtenBytes } = await snapshot.finish()
    await this.store.complete({
      formatVersion: 1,
      jobId: jobId('job'),
      jobName: 'job',
      id,
      kind: 'checkpoint',
      triggeredAt: 0,
      completedAt: 0,
      graphHash: '',
      vertices: [
        {
          vertexId: vertexId('vertex'),
          operatorUids: ['sums'],
          parallelism: 1,
          maxParallelism: 128,
          subtasks: [{ manifest, splits: [], finished: false, hasCommittables: false }],
        },
      ],
    })
    this.#snapshots.checkpointCompleted(id)
    this.#base = id
    await this.store.retain(2)
    return writtenBytes
  }

  /** What the newest checkpoint gives back. */
  async restored(): Promise<ReadonlyMap<string, Sums>> {
    const record = await this.store.read(checkpointId(this.#base))
    const reference = record.vertices[0]?.subtasks[0]?.manifest
    if (reference === undefined) throw new Error('the record has no manifest')
    const manifest = await readManifest(this.blobStore, reference)
    const keyedState = new KeyedStateBackend({ ...all, memory: new ManagedMemory(2 ** 30) })
    await restoreOperator({
      blobStore: this.blobStore,
      operatorUid: 'sums',
      operatorName: 'sums',
      checkpointId: this.#base,
      manifests: [{ subtaskIndex: 0, parallelism: 1, manifest }],
      subtaskIndex: 0,
      parallelism: 1,
      maxParallelism: 128,
      ownManifestIsBase: false,
      committed: true,
      keyedState,
      operatorState: new OperatorStateBackend('sums'),
    })
    const state = keyedState.valueState(sums)
    const found = new Map<string, Sums>()
    for (const key of this.expected.keys()) {
      keyedState.setCurrentKey(key, hashKey(key))
      const value = state.value()
      if (value !== undefined) found.set(key, { ...value })
    }
    return found
  }
}

function bytesIn(path: string): number {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

test(`of ${keys} keys 1 % change from checkpoint to checkpoint: about as much is written, and the folder stays bounded over ${checkpoints} (R5, R10)`, async () => {
  const state = new LargeState()
  for (let index = 0; index < keys; index++) state.add(index)
  const full = await state.checkpoint()
  const random = seeded(1)
  const written: number[] = []
  let most = 0
  for (let count = 1; count < checkpoints; count++) {
    for (let change = 0; change < changing; change++) state.add(Math.floor(random() * keys))
    written.push(await state.checkpoint())
    most = Math.max(most, bytesIn(folder))
  }
  const percent = (bytes: number): string => `${((100 * bytes) / full).toFixed(2)} %`
  const mean = written.reduce((sum, bytes) => sum + bytes, 0) / written.length
  const sorted = written.toSorted((one, other) => one - other)
  const figures = {
    full,
    first: percent(written[0] ?? 0),
    median: percent(sorted[Math.floor(sorted.length / 2)] ?? 0),
    mean: percent(mean),
    highest: percent(sorted.at(-1) ?? 0),
    folder: percent(most),
  }
  process.stderr.write(`${JSON.stringify(figures)}\n${written.slice(0, 40).map(percent).join(' ')}\n`)
  expect(written[0], 'the first one on a base').toBeLessThan(full * 0.02)
  expect(mean, 'with full pieces and rewritten blobs').toBeLessThan(full * 0.15)
  expect(most, 'all files of the run').toBeLessThan(full * 4)
  expect(await state.restored()).toEqual(state.expected)
}, 600_000)
