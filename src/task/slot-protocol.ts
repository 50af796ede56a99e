import type { SourceSplit } from '../api/source.ts'
import type { ErrorData } from '../common/errors.ts'
import type { AttemptId, ChannelId, CheckpointId, JobId, VertexId } from '../common/ids.ts'
import type { JsonValue } from '../common/json.ts'
import type { JobPlan } from '../graph/job-graph.ts'
import type { RedisOptions } from '../redis/redis-options.ts'
import type { BlobReference } from '../state/blob-store.ts'
import type { CheckpointBarrier } from '../state/checkpoint-record.ts'

/** What a slot needs once, when it starts. Plain data; ports travel beside it. */
export interface SlotStart {
  readonly slotIndex: number
  readonly jobId: JobId
  readonly job: JobReference
  /** What the client submitted; the slot's own evaluation must give the same (R38). */
  readonly plan: JobPlan
  readonly memory: SlotMemory
  readonly blobStore: BlobStoreReference
}

/** What the main thread of a process gives a slot's thread when it starts: beside the job's, what is the process's own. */
export interface SlotThreadData {
  readonly start: SlotStart
  /** The Redis of state. */
  readonly redis?: RedisOptions
}

/** How a slot gets the job: the bundle to import with its arguments (worker threads). The inline host is handed a function instead. */
export interface JobReference {
  /** In a cluster it means something only to the TaskManager, which puts in where it keeps its own copy. */
  readonly bundleUrl: string
  /** In a cluster: what the bundle is found by in the control store. */
  readonly bundleSha256?: string
  readonly arguments: readonly string[]
  /** Configuration as resolved by the client, as flat keys: the job's environment starts from it. */
  readonly configuration: Readonly<Record<string, JsonValue>>
}

export interface SlotMemory {
  /** Soft limit of the heap (R31). */
  readonly heapLimitBytes: number
  /** Budget of off-heap state. */
  readonly managedBytes: number
}

export type BlobStoreReference =
  | { readonly type: 'filesystem'; readonly folder: string }
  /** Where the Redis is, and the log-in, each process and slot knows by its own configuration. */
  | { readonly type: 'redis'; readonly clusterId: string; readonly prefix: string }
  /** Held by the process itself; for the inline host and tests. */
  | { readonly type: 'memory'; readonly name: string }

/** One subtask to run in a slot. */
export interface SubtaskDeployment {
  readonly attemptId: AttemptId
  readonly vertexId: VertexId
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly inputs: readonly InputChannel[]
  readonly outputs: readonly OutputEdge[]
  readonly restore: RestoreFrom | undefined
  /** Splits of a source subtask, with positions. */
  readonly splits: readonly SourceSplit[]
  /** No split will be added later. */
  readonly noMoreSplits: boolean
  /** How many transactional ids each of its sinks may use: they stand in the job's record (R15). */
  readonly transactionalIds: number
}

export interface InputChannel {
  readonly channelId: ChannelId
  readonly edgeId: number
  readonly fromSubtask: number
  /** Job slot of the sender; equal to the own one: references are handed over directly. */
  readonly fromSlot: number
}

export interface OutputEdge {
  readonly edgeId: number
  /** By index of the receiving subtask. */
  readonly channels: readonly { readonly channelId: ChannelId; readonly toSlot: number }[]
}

/** What a subtask restores from: all manifests of its vertex whose key groups or lists may concern it, and of which checkpoint. */
export interface RestoreFrom {
  readonly checkpointId: CheckpointId
  /** Where its blobs are: another folder than the slot's own after a start from an earlier run. */
  readonly blobStore: BlobStoreReference
  /** By old subtask index, of the vertices that hold its operators. */
  readonly manifests: readonly RestoreManifest[]
  /** The own manifest may serve as base of the next checkpoint: same job, same parallelism (R1). */
  readonly ownManifestIsBase: boolean
  /** A checkpoint that is marked committed is not committed again (R17). */
  readonly committed: boolean
}

export interface RestoreManifest {
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly manifest: BlobReference
  /** All that it lists is committed: the part of a finished subtask, carried from record to record (R12). */
  readonly settled?: boolean
}

export type ToSlot =
  | {
      readonly type: 'deploy'
      /** The job's own number of this slot: channels are addressed by such numbers, whichever TaskManager has the slot. */
      readonly jobSlot: number
      readonly subtasks: readonly SubtaskDeployment[]
      /** Job slots at the other ends of `ports`, in the same order; the ports themselves travel beside the message. */
      readonly peers: readonly number[]
    }
  /** To sources, and to subtasks whose inputs have all ended; others remember it until their inputs end (R12, R42). */
  | { readonly type: 'triggerCheckpoint'; readonly barrier: CheckpointBarrier }
  | { readonly type: 'checkpointCompleted'; readonly checkpointId: CheckpointId }
  | { readonly type: 'checkpointAborted'; readonly checkpointId: CheckpointId }
  | { readonly type: 'addSplits'; readonly attemptId: AttemptId; readonly splits: readonly SourceSplit[] }
  /** Sources stop as if their input had ended (`--drain`): the last watermark is sent and all windows fire. */
  | { readonly type: 'drain' }
  /** The sinks of the attempt may use transactional ids below the mark (R15). */
  | { readonly type: 'transactionalIdsGranted'; readonly attemptId: AttemptId; readonly mark: number }
  /** A sink of the attempt ends what attempts that are gone have left open (R16); answered by `transactionsFenced`. */
  | {
      readonly type: 'fenceTransactions'
      readonly attemptId: AttemptId
      readonly operatorUid: string
      readonly fence: number
      readonly transactionalIds: readonly string[]
    }
  /** The job has ended, and no checkpoint after this one (0: none) completes any more: `cancel` follows (R16). */
  | { readonly type: 'checkpointsEnded'; readonly newest: CheckpointId | 0 }
  /** Ends these attempts; answered by `canceled` for each. */
  | { readonly type: 'cancel'; readonly attemptIds: readonly AttemptId[] }

export type FromSlot =
  /** The bundle is loaded and its graph compared. */
  | { readonly type: 'ready' }
  /** Restored, committed what it had to, and processing. */
  | { readonly type: 'running'; readonly attemptId: AttemptId }
  /** All input has ended and is flushed; waits for a checkpoint begun after this (R12). Without checkpointing it finishes at once. */
  | { readonly type: 'ended'; readonly attemptId: AttemptId }
  | { readonly type: 'finished'; readonly attemptId: AttemptId }
  | { readonly type: 'canceled'; readonly attemptId: AttemptId }
  | { readonly type: 'failed'; readonly attemptId: AttemptId; readonly error: ErrorData }
  /** The whole slot can not go on (bundle, graph hash). */
  | { readonly type: 'slotFailed'; readonly error: ErrorData }
  | {
      readonly type: 'checkpointAcknowledged'
      readonly attemptId: AttemptId
      readonly checkpointId: CheckpointId
      readonly manifest: BlobReference
      readonly splits: readonly SourceSplit[]
      /** The subtask had ended and flushed before this checkpoint. */
      readonly finished: boolean
      readonly hasCommittables: boolean
      readonly metrics: SubtaskCheckpointMetrics
    }
  | {
      readonly type: 'checkpointDeclined'
      readonly attemptId: AttemptId
      readonly checkpointId: CheckpointId
      readonly error: ErrorData
    }
  /** All pending lists up to this checkpoint are committed. */
  | { readonly type: 'committed'; readonly attemptId: AttemptId; readonly checkpointId: CheckpointId }
  /** Few transactional ids are free; `mark` is what is asked for (R15). */
  | { readonly type: 'transactionalIdsRequested'; readonly attemptId: AttemptId; readonly mark: number }
  | { readonly type: 'transactionsFenced'; readonly attemptId: AttemptId; readonly fence: number }
  | {
      readonly type: 'metrics'
      readonly subtasks: readonly SubtaskMetrics[]
      readonly heapUsedBytes: number
      readonly managedUsedBytes: number
    }

export interface SubtaskCheckpointMetrics {
  readonly alignmentMs: number
  /** The synchronous pause. */
  readonly pauseMs: number
  readonly durationMs: number
  readonly writtenBytes: number
}

export interface SubtaskMetrics {
  readonly attemptId: AttemptId
  readonly vertexId: VertexId
  readonly subtaskIndex: number
  readonly recordsIn: number
  readonly recordsOut: number
  /** Records read by the source, 0 for other vertices. */
  readonly sourceRecords: number
  /** Records that reached a sink. */
  readonly sinkRecords: number
  readonly lateRecordsDropped: number
  readonly deadLetters: number
  /** Epoch milliseconds; −Infinity where there is none yet. */
  readonly watermark: number
  /** Records behind the end of the splits, where the connector knows; NaN where not. */
  readonly lag: number
  readonly backpressured: boolean
}
