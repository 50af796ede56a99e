import type { Committable } from '../api/sink.ts'
import type { BlobReference } from './blob-store.ts'

/**
 * What one subtask wrote into one checkpoint, itself a blob: every piece of every state that makes up its state at the
 * barrier, also those of older blobs (R4, R5). Plain data, JSON in storage.
 */
export interface SubtaskManifest {
  readonly formatVersion: 1
  readonly jobId: string
  readonly vertexId: string
  readonly attemptId: string
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly checkpointId: number
  /** Of which own manifest older pieces were taken; 0: of none. */
  readonly base: number
  /** Blobs that pieces lie in. */
  readonly blobs: readonly BlobReference[]
  readonly operators: readonly OperatorManifest[]
}

export interface OperatorManifest {
  readonly uid: string
  /** The last watermark that the operator finished (R33). */
  readonly watermark: number
  readonly keyedStates: readonly KeyedStateManifest[]
  readonly operatorStates: readonly OperatorStateManifest[]
  readonly committables: readonly PendingList[]
}

/** As PendingCommittables of the task layer. */
export interface PendingList {
  readonly checkpointId: number
  readonly committables: readonly Committable[]
}

export interface KeyedStateManifest {
  readonly name: string
  /** In the order of application, within a key group. */
  readonly pieces: readonly PieceReference[]
}

export interface PieceReference {
  readonly keyGroup: number
  readonly kind: 'full' | 'delta'
  /** Index into `blobs`. */
  readonly blob: number
  readonly offset: number
  readonly length: number
  /** CRC-32C. */
  readonly checksum: number
}

export interface OperatorStateManifest {
  readonly name: string
  readonly redistribution: 'even-split' | 'union'
  readonly blob: number
  readonly offset: number
  readonly length: number
  readonly checksum: number
}
