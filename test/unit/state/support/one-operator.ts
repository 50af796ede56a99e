import { attemptId, checkpointId, jobId, vertexId } from '../../../../src/common/ids.ts'
import { keyGroupRange } from '../../../../src/common/key-groups.ts'
import type { BlobStore } from '../../../../src/state/blob-store.ts'
import { KeyedStateBackend, type KeyedStateBackendOptions } from '../../../../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../../../../src/state/managed-memory.ts'
import { OperatorStateBackend } from '../../../../src/state/operator-state-backend.ts'
import { readManifest, restoreOperator } from '../../../../src/state/restore.ts'
import type { SubtaskManifest } from '../../../../src/state/subtask-manifest.ts'
import { SubtaskSnapshots } from '../../../../src/state/subtask-snapshots.ts'

const maxParallelism = 8

/** The keyed state of one operator, by default in one subtask. */
export function backendOf(
  options: Partial<KeyedStateBackendOptions> = {},
  subtaskIndex = 0,
  parallelism = 1,
): KeyedStateBackend {
  return new KeyedStateBackend({
    keyGroups: keyGroupRange(subtaskIndex, parallelism, maxParallelism),
    maxParallelism,
    memory: new ManagedMemory(1 << 30),
    operatorName: 'sample',
    ...options,
  })
}

/** The snapshots of one subtask of an attempt. */
export function snapshotsIn(
  blobStore: BlobStore,
  attempt = 'attempt',
  baseManifest?: SubtaskManifest,
): SubtaskSnapshots {
  return new SubtaskSnapshots({
    blobStore,
    jobId: jobId('job'),
    vertexId: vertexId('vertex'),
    attemptId: attemptId(attempt),
    subtaskIndex: 0,
    parallelism: 1,
    maxParallelism,
    baseManifest,
  })
}

/** A whole checkpoint: its manifest. */
export async function checkpointOf(
  backend: KeyedStateBackend,
  snapshots: SubtaskSnapshots,
  { id, base = 0, blobStore }: { readonly id: number; readonly base?: number; readonly blobStore: BlobStore },
): Promise<SubtaskManifest> {
  const barrier = { id: checkpointId(id), base: checkpointId(base), kind: 'checkpoint' } as const
  const keyed = backend.snapshot(barrier)
  const part = { keyed, operatorState: undefined, committables: undefined, watermark: 0 }
  const snapshot = snapshots.begin(barrier, [{ uid: 'sample', snapshot: part }])
  while (!snapshot.step(100));
  const { manifest } = await snapshot.finish()
  snapshots.checkpointCompleted(checkpointId(id))
  return await readManifest(blobStore, manifest)
}

export interface RestoredSubtask {
  readonly manifest: SubtaskManifest
  /** The next checkpoint may build on that manifest. */
  readonly isBase?: boolean
  readonly subtaskIndex?: number
  readonly parallelism?: number
}

/** Fills an empty backend from the manifest of one subtask. */
export async function restoreInto(
  backend: KeyedStateBackend,
  blobStore: BlobStore,
  { manifest, isBase = false, subtaskIndex = 0, parallelism = 1 }: RestoredSubtask,
): Promise<void> {
  await restoreOperator({
    blobStore,
    operatorUid: 'sample',
    operatorName: 'sample',
    checkpointId: manifest.checkpointId,
    manifests: [{ subtaskIndex: 0, parallelism: 1, manifest }],
    subtaskIndex,
    parallelism,
    maxParallelism,
    ownManifestIsBase: isBase,
    committed: false,
    keyedState: backend,
    operatorState: new OperatorStateBackend('sample'),
  })
}
