import type { Key } from '../api/functions.ts'
import { MillraceError } from '../common/errors.ts'
import { type AttemptId, attemptId, jobId, vertexId } from '../common/ids.ts'
import { type KeyGroupRange, keyGroupRange } from '../common/key-groups.ts'
import { noWatermark } from '../common/timestamps.ts'
import { isKeyed, type OperatorSpec } from '../graph/operator-spec.ts'
import { KeyedStateBackend, type KeyedStateBackendOptions } from '../state/keyed-state-backend.ts'
import { ManagedMemory } from '../state/managed-memory.ts'
import { MemoryBlobStore } from '../state/memory-blob-store.ts'
import { OperatorStateBackend } from '../state/operator-state-backend.ts'
import { readManifest, restoreOperator } from '../state/restore.ts'
import { SubtaskSnapshots } from '../state/subtask-snapshots.ts'
import type { PendingCommittables } from '../task/operator.ts'
import type { HarnessSnapshot, HarnessStorage } from './harness-checkpoint.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface OperatorHarnessOptions<In> {
  /** For operators on keyed streams. */
  readonly keySelector?: (value: In) => Key
  /** The snapshots of all subtasks of one checkpoint, also of another parallelism; left out: starts empty. */
  readonly restore?: HarnessSnapshot | readonly HarnessSnapshot[]
  /** Default 0. */
  readonly subtaskIndex?: number
  /** Default 1. Of several subtasks each is given only the records whose keys it `owns`. */
  readonly parallelism?: number
  /** Number of key groups, default 128. */
  readonly maxParallelism?: number
  /** Wall clock at the beginning, epoch milliseconds, default 0. */
  readonly startTimeMs?: number
  /** `pipeline.auto-watermark-interval`, default 200. */
  readonly autoWatermarkIntervalMs?: number
  /** Timers and windows fire in slices of about this many, default 500 (R33). */
  readonly maxFirings?: number
  /** Freezes what state hands out, so that changing it without `update` throws. Default true. */
  readonly freezeState?: boolean
}

export const harnessOperator = 'tested'

/** What a harness begins with: state, empty or restored, and where its snapshots go. */
export interface HarnessStart {
  readonly clock: VirtualClock
  readonly spec: OperatorSpec
  readonly keySelector: ((value: unknown) => Key) | undefined
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly keyGroups: KeyGroupRange
  readonly attemptId: AttemptId
  readonly storage: HarnessStorage
  readonly keyedState: KeyedStateBackend | undefined
  readonly operatorState: OperatorStateBackend
  readonly snapshots: SubtaskSnapshots
  readonly committables: readonly PendingCommittables[]
  readonly watermark: number
  /** The checkpoint that it comes from, 0: none. */
  readonly checkpointId: number
  /** The same where its manifest may be a base (R1). */
  readonly base: number
}

export async function startOf<In>(spec: OperatorSpec, options: OperatorHarnessOptions<In>): Promise<HarnessStart> {
  const { subtaskIndex = 0, parallelism = 1, maxParallelism = 128, keySelector } = options
  const restored = options.restore === undefined ? [] : [options.restore].flat()
  if (isKeyed(spec) && keySelector === undefined) {
    throw new MillraceError(
      'MR_JOB_DEFINITION',
      `an operator of kind ${spec.kind} is on a keyed stream: give a keySelector`,
    )
  }
  const storage = await commonStorage(restored)
  const attempt = attemptId(`attempt-${subtaskIndex}-${++storage.attempts}`)
  const keyGroups = keyGroupRange(subtaskIndex, parallelism, maxParallelism)
  const clock = new VirtualClock(options.startTimeMs)
  const freezeValues = options.freezeState ?? true
  const keyedState = isKeyed(spec) ? emptyKeyedState({ keyGroups, maxParallelism, clock, freezeValues }) : undefined
  const operatorState = new OperatorStateBackend(harnessOperator)
  const own = restored.find((snapshot) => snapshot.subtaskIndex === subtaskIndex)
  const ownManifestIsBase = own !== undefined && own.parallelism === parallelism
  const manifests = await Promise.all(
    restored.map(async (snapshot) => ({
      subtaskIndex: snapshot.subtaskIndex,
      parallelism: snapshot.parallelism,
      manifest: await readManifest(storage.blobStore, snapshot.manifest),
    })),
  )
  const checkpointId = restored[0]?.checkpointId ?? 0
  const place = { subtaskIndex, parallelism, maxParallelism }
  const state =
    manifests.length === 0
      ? { committables: [], watermark: noWatermark }
      : await restoreOperator({
          ...place,
          blobStore: storage.blobStore,
          operatorUid: harnessOperator,
          operatorName: harnessOperator,
          checkpointId,
          manifests,
          ownManifestIsBase,
          committed: false,
          keyedState,
          operatorState,
        })
  const snapshots = new SubtaskSnapshots({
    ...place,
    blobStore: storage.blobStore,
    jobId: jobId('0'.repeat(32)),
    vertexId: vertexId('0'.repeat(32)),
    attemptId: attempt,
    baseManifest: ownManifestIsBase
      ? manifests.find((manifest) => manifest.subtaskIndex === subtaskIndex)?.manifest
      : undefined,
  })
  return {
    clock,
    ...place,
    ...state,
    spec,
    keySelector: keySelector as ((value: unknown) => Key) | undefined,
    keyGroups,
    attemptId: attempt,
    storage,
    keyedState,
    operatorState,
    snapshots,
    checkpointId,
    base: ownManifestIsBase ? checkpointId : 0,
  }
}

function emptyKeyedState(
  options: Pick<KeyedStateBackendOptions, 'keyGroups' | 'maxParallelism' | 'clock' | 'freezeValues'>,
): KeyedStateBackend {
  return new KeyedStateBackend({ ...options, memory: new ManagedMemory(1 << 30), operatorName: harnessOperator })
}

/** Subtasks that started empty wrote into storages of their own: what is restored together is brought together. */
async function commonStorage(restored: readonly HarnessSnapshot[]): Promise<HarnessStorage> {
  const common = restored[0]?.storage ?? { blobStore: new MemoryBlobStore(), attempts: 0 }
  for (const { storage } of restored) {
    if (storage === common) continue
    common.attempts = Math.max(common.attempts, storage.attempts)
    for (const name of await storage.blobStore.list('')) {
      await common.blobStore.put(name, await storage.blobStore.get(name))
    }
  }
  return common
}
