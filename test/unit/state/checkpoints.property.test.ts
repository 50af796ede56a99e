import fc from 'fast-check'
import { expect, test } from 'vitest'
import { attemptId, checkpointId, jobId, vertexId } from '../../../src/common/ids.ts'
import type { BlobReference } from '../../../src/state/blob-store.ts'
import type { CheckpointBarrier } from '../../../src/state/checkpoint-record.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { OperatorStateBackend } from '../../../src/state/operator-state-backend.ts'
import { baseViolation } from '../../../src/state/piece-chains.ts'
import { type OldManifest, readManifest, restoreOperator } from '../../../src/state/restore.ts'
import type { SubtaskSnapshot } from '../../../src/state/subtask-snapshots.ts'
import { SubtaskSnapshots } from '../../../src/state/subtask-snapshots.ts'
import { type KeyedChange, keyedChange, keysOfSubtask, maxParallelism, SampleState } from './support/sample-state.ts'

/** What happens to one subtask and its checkpoints. */
type Step =
  | { readonly type: 'change'; readonly changes: readonly KeyedChange[] }
  | { readonly type: 'barrier'; readonly skippedIds: number }
  | { readonly type: 'drain'; readonly entries: number }
  | { readonly type: 'complete' | 'abort'; readonly isNotified: boolean }
  | { readonly type: 'restart'; readonly ownManifestIsBase: boolean }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constant('change'), changes: fc.array(keyedChange, { maxLength: 12 }) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('barrier'), skippedIds: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('drain'), entries: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('complete'), isNotified: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('abort'), isNotified: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart'), ownManifestIsBase: fc.boolean() }) },
) as fc.Arbitrary<Step>

interface Completed {
  readonly id: number
  readonly manifest: BlobReference
  readonly expected: unknown
}

/** Coordinator and subtask in one. */
class Run {
  readonly blobStore = new MemoryBlobStore()
  completed: Completed | undefined
  #state = new SampleState()
  #attempts = 0
  #snapshots: SubtaskSnapshots
  #open: { readonly id: number; readonly snapshot: SubtaskSnapshot; readonly expected: unknown } | undefined
  #lastId = 0

  constructor() {
    this.#snapshots = this.#newSnapshots()
    // States are registered before the first barrier, as operators do.
    void this.#state.states
  }

  async step(step: Step): Promise<void> {
    switch (step.type) {
      case 'change':
        for (const change of step.changes) this.#state.apply(change)
        return
      case 'barrier':
        return this.#barrier(step.skippedIds)
      case 'drain':
        this.#open?.snapshot.step(step.entries)
        return
      case 'complete':
        return await this.complete(step.isNotified)
      case 'abort':
        if (this.#open !== undefined && step.isNotified) this.#snapshots.checkpointAborted(this.#open.id)
        this.#open = undefined
        return
      case 'restart':
        return await this.#restart(step.ownManifestIsBase)
    }
  }

  async complete(isNotified: boolean): Promise<void> {
    const open = this.#open
    if (open === undefined) return
    while (!open.snapshot.step(100));
    const { manifest } = await open.snapshot.finish()
    await this.#checkBase(manifest)
    this.completed = { id: open.id, manifest, expected: open.expected }
    this.#open = undefined
    if (isNotified) this.#snapshots.checkpointCompleted(open.id)
    await this.#collectGarbage(manifest)
  }

  #barrier(skippedIds: number): void {
    this.#lastId += 1 + skippedIds
    const barrier: CheckpointBarrier = {
      id: checkpointId(this.#lastId),
      base: checkpointId(this.completed?.id ?? 0),
      kind: 'checkpoint',
    }
    const expected = this.#state.dump()
    const keyed = this.#state.backend.snapshot(barrier)
    const part = { keyed, operatorState: undefined, committables: undefined, watermark: 7 }
    const snapshot = this.#snapshots.begin(barrier, [{ uid: 'sample', snapshot: part }])
    this.#open = { id: barrier.id, snapshot, expected }
  }

  async #restart(ownManifestIsBase: boolean): Promise<void> {
    this.#open = undefined
    this.#attempts++
    this.#state = new SampleState()
    const { completed } = this
    if (completed !== undefined) {
      const manifest = await readManifest(this.blobStore, completed.manifest)
      const old = [{ subtaskIndex: 0, parallelism: 1, manifest }]
      await restored(this.blobStore, old, { state: this.#state, checkpointId: completed.id, ownManifestIsBase })
      this.#snapshots = this.#newSnapshots(ownManifestIsBase ? manifest : undefined)
    } else {
      this.#snapshots = this.#newSnapshots()
    }
    void this.#state.states
  }

  #newSnapshots(baseManifest?: Awaited<ReturnType<typeof readManifest>>): SubtaskSnapshots {
    return new SubtaskSnapshots({
      blobStore: this.blobStore,
      jobId: jobId('job'),
      vertexId: vertexId('vertex'),
      attemptId: attemptId(`attempt-${this.#attempts}`),
      subtaskIndex: 0,
      parallelism: 1,
      maxParallelism,
      baseManifest,
    })
  }

  /** R1, as the leader checks it. */
  async #checkBase(reference: BlobReference): Promise<void> {
    const manifest = await readManifest(this.blobStore, reference)
    const base = this.completed === undefined ? undefined : await readManifest(this.blobStore, this.completed.manifest)
    if (manifest.base !== 0) expect(manifest.base).toBe(this.completed?.id)
    expect(baseViolation(manifest, base)).toBeUndefined()
  }

  /** R10: whatever the completed manifest does not name may go, but for the open checkpoint, of which there is none now. */
  async #collectGarbage(reference: BlobReference): Promise<void> {
    const named = new Set([reference.name])
    for (const { name } of (await readManifest(this.blobStore, reference)).blobs) named.add(name)
    const all = await this.blobStore.list('')
    await this.blobStore.delete(all.filter((name) => !named.has(name)))
  }
}

async function restored(
  blobStore: MemoryBlobStore,
  manifests: readonly OldManifest[],
  target: {
    readonly state: SampleState
    readonly checkpointId: number
    readonly ownManifestIsBase: boolean
    readonly subtaskIndex?: number
    readonly parallelism?: number
  },
): Promise<number> {
  const { watermark } = await restoreOperator({
    blobStore,
    operatorUid: 'sample',
    operatorName: 'sample',
    checkpointId: target.checkpointId,
    manifests,
    subtaskIndex: target.subtaskIndex ?? 0,
    parallelism: target.parallelism ?? 1,
    maxParallelism,
    ownManifestIsBase: target.ownManifestIsBase,
    committed: false,
    keyedState: target.state.backend,
    operatorState: new OperatorStateBackend('sample'),
  })
  return watermark
}

/** Restores with the same and with other parallelisms. */
async function expectRestores(run: Run): Promise<void> {
  const { completed } = run
  if (completed === undefined) return
  const manifest = await readManifest(run.blobStore, completed.manifest)
  for (const parallelism of [1, 3]) {
    const dump: Record<string, unknown> = {}
    for (let subtaskIndex = 0; subtaskIndex < parallelism; subtaskIndex++) {
      const state = new SampleState(subtaskIndex, parallelism)
      const old = [{ subtaskIndex: 0, parallelism: 1, manifest }]
      const target = { state, checkpointId: completed.id, ownManifestIsBase: false, subtaskIndex, parallelism }
      expect(await restored(run.blobStore, old, target)).toBe(7)
      Object.assign(dump, state.dump(keysOfSubtask(subtaskIndex, parallelism)))
    }
    expect(dump).toEqual(completed.expected)
  }
}

test('every completed checkpoint restores to the state at its barrier, whatever was aborted, lost or restarted before (R1, R2, R6)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const run = new Run()
      for (const next of steps) {
        await run.step(next)
        if (next.type === 'complete') await expectRestores(run)
      }
      await run.complete(true)
      await expectRestores(run)
    }),
    { numRuns: Number(process.env['STATE_RUNS'] ?? 150) },
  )
})
