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

/** What happens while a snapshot drains. */
type Step = { readonly changes: readonly KeyedChange[] } | { readonly drain: number }

/** What happens to one subtask from one barrier to the next. */
interface Round {
  readonly before: readonly KeyedChange[]
  readonly skippedIds: number
  readonly draining: readonly Step[]
  /** `abandon`: the next barrier comes with neither. `ack`: this subtask acks, but the checkpoint is aborted. */
  readonly end: 'complete' | 'ack' | 'abort' | 'abandon'
  readonly isNotified: boolean
  readonly restart: 'none' | 'own manifest is base' | 'no base'
}

const round: fc.Arbitrary<Round> = fc.record({
  before: fc.array(keyedChange, { maxLength: 25 }),
  skippedIds: fc.nat(2),
  draining: fc.array(
    fc.oneof(
      fc.record({ changes: fc.array(keyedChange, { maxLength: 10 }) }),
      fc.record({ drain: fc.integer({ min: 1, max: 60 }) }),
    ),
    { maxLength: 6 },
  ),
  end: fc.constantFrom('complete', 'complete', 'complete', 'complete', 'ack', 'abort', 'abandon'),
  isNotified: fc.boolean(),
  restart: fc.constantFrom('none', 'none', 'none', 'own manifest is base', 'no base'),
})

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

  async round(round: Round): Promise<void> {
    for (const change of round.before) this.#state.apply(change)
    this.#barrier(round.skippedIds)
    for (const step of round.draining) {
      if ('drain' in step) this.#open?.snapshot.step(step.drain)
      else for (const change of step.changes) this.#state.apply(change)
    }
    if (round.end === 'complete') await this.complete(round.isNotified)
    if (round.end === 'ack' && this.#open !== undefined) await this.#finish(this.#open.snapshot)
    if ((round.end === 'abort' || round.end === 'ack') && round.isNotified && this.#open !== undefined) {
      this.#snapshots.checkpointAborted(this.#open.id)
    }
    if (round.restart !== 'none') await this.#restart(round.restart === 'own manifest is base')
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

  async #finish(snapshot: SubtaskSnapshot): Promise<BlobReference> {
    while (!snapshot.step(100));
    return (await snapshot.finish()).manifest
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
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 8 }), async (rounds) => {
      const run = new Run()
      for (const next of rounds) {
        await run.round(next)
        if (next.end === 'complete') await expectRestores(run)
      }
    }),
    { numRuns: Number(process.env['STATE_RUNS'] ?? 60) },
  )
}, 120_000)
