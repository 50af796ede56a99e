import type { BlobReference, BlobStore } from './blob-store.ts'
import type { KeyedStateBackend } from './keyed-state-backend.ts'
import type { OperatorStateBackend } from './operator-state-backend.ts'
import type { PendingList, SubtaskManifest } from './subtask-manifest.ts'

/** One old subtask's manifest, read. */
export interface OldManifest {
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly manifest: SubtaskManifest
}

export interface RestoreOperatorOptions {
  readonly blobStore: BlobStore
  readonly operatorUid: string
  readonly operatorName: string
  readonly checkpointId: number
  /** Of all old subtasks (RestoreFrom.manifests, each through readManifest). */
  readonly manifests: readonly OldManifest[]
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly ownManifestIsBase: boolean
  /** The checkpoint's lists are committed already: none is given (R17). */
  readonly committed: boolean
  readonly keyedState: KeyedStateBackend | undefined
  readonly operatorState: OperatorStateBackend
}

export interface RestoredOperator {
  /** To be committed before anything is processed (R16). Those of an old subtask go to exactly one new one. */
  readonly committables: readonly PendingList[]
  /** The minimum over the manifests that concern this subtask (R33); −Infinity: nothing is known of the operator. */
  readonly watermark: number
}

const unwritten = (): never => {
  throw new Error('unwritten')
}

/** @throws MillraceError MR_CHECKPOINT_DAMAGED naming the blob where it is missing or damaged */
export function readManifest(_blobStore: BlobStore, _reference: BlobReference): Promise<SubtaskManifest> {
  return unwritten()
}

/**
 * Fills the (empty) backends of one operator, for its key groups and its share of the lists.
 * @throws MillraceError MR_STATE_INCOMPATIBLE for another max parallelism (R37); MR_CHECKPOINT_DAMAGED naming the blob.
 * Another type shows when the state is asked for.
 */
export function restoreOperator(_options: RestoreOperatorOptions): Promise<RestoredOperator> {
  return unwritten()
}
