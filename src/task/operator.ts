import type { Key } from '../api/functions.ts'
import type { Committable, TransactionalIds } from '../api/sink.ts'
import type { Clock } from '../common/ports.ts'
import type { CheckpointBarrier } from '../state/checkpoint-record.ts'
import type { KeyedSnapshot } from '../state/keyed-snapshot.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import type { OperatorStateBackend, OperatorStateSnapshot } from '../state/operator-state-backend.ts'
import type { DeadLetterOutput } from './dead-letter-output.ts'

/** Takes records: the next operator of the chain, a fan-out, or the writer of an edge. A record is (value, timestamp), with no wrapper. */
export interface Receiver {
  processElement(value: unknown, timestamp: number): void
}

/** Takes records of an input gate. */
export interface InputReceiver extends Receiver {
  /** As processElement, behind a hash edge: with the key's hash that the sender shipped. */
  processHashedElement?(value: unknown, timestamp: number, keyHash: number): void
  /** Only of the head behind an edge that carries columns: a ColumnBatch's buffer, valid during the call. */
  processColumns?(buffer: ArrayBuffer, count: number): void
}

/**
 * One operator of a chain, in one subtask. One thread owns it. Records flow from operator to operator by direct calls;
 * watermarks, time, barriers and the end go through the chain one operator after another, driven by the subtask, so that
 * each step may take several slices (R33).
 */
export interface Operator extends InputReceiver {
  /** Only of an operator with two inputs: takes what comes by the second one. The first is the operator itself. */
  readonly secondInput?: InputReceiver
  /** After restore, before the first record; operators of a chain from the last to the first. */
  open(): void
  /**
   * One watermark is one step. Fires at most about `maxFirings` timers or window results a call; false: not done, call
   * again with the same watermark before anything else (R33).
   */
  advanceWatermark(watermark: number, maxFirings: number): boolean
  /** Processing-time timers due at `now`, likewise in slices. */
  advanceProcessingTime(now: number, maxFirings: number): boolean
  /** When the next processing-time timer is due, epoch milliseconds; Infinity: none. */
  nextProcessingTime(): number
  /** All input has ended and the last watermark has gone by: user functions' `close`, open buffers. */
  endInput(): void
  /** The synchronous part of a snapshot: everything before the barrier, nothing after it. */
  snapshot(barrier: CheckpointBarrier): OperatorSnapshot
  /** A checkpoint has completed; sinks commit all pending lists up to it (R16). Resolves when committed. */
  checkpointCompleted(id: number): Promise<void>
  /** Sinks of a bounded job without checkpointing: after `endInput`, publishes everything. */
  commitAtEnd?(): Promise<void>
  /** Sinks with transactional ids (R15, R16). */
  transactionalIdsGranted?(mark: number): void
  /** The job has ended, and no checkpoint after this one completes any more (R16). */
  checkpointsEnded?(newest: number): void
  fenceTransactions?(transactionalIds: readonly string[]): Promise<void>
  /** The attempt has failed or is cancelled, `dispose` follows: nothing new is begun. */
  abandon?(): void
  /**
   * Only of an operator that makes its own watermarks: what comes after it in the chain, edges included, gets these in
   * place of its input's. The subtask reads it after each batch of records and after each watermark or processing-time
   * turn; where the watermark has grown, that is one step for what follows (R33).
   */
  readonly generated?: GeneratedWatermarks
  /** Only of an operator whose results come later than their records. */
  readonly asynchronous?: AsynchronousResults
  /** False while it can take no more records (a sink with a full buffer): the task is not scheduled. */
  readonly writable: boolean
  /** The attempt ends, in success, failure or cancellation: release what is open. */
  dispose(): Promise<void>
}

/** Changes in place as the operator works. */
export interface GeneratedWatermarks {
  /** Never sinks; −Infinity: none yet, Infinity: the end. */
  readonly watermark: number
  /** Holds back no watermark until its next record. */
  readonly idle: boolean
}

/**
 * Records in flight, of an operator that also makes its own watermarks. Whatever changes, it wakes the task, which puts the
 * results out between two batches.
 */
export interface AsynchronousResults {
  /** There is something to emit. */
  readonly ready: boolean
  /** Takes no more records now: no input is read, but barriers go by and results come out. */
  readonly full: boolean
  /** Nothing is in flight: the input may end. */
  readonly drained: boolean
  /** About `maxResults` results at most, and none behind a watermark that is generated meanwhile. */
  emit(maxResults: number): void
  /** The stream before it is idle, or active again. */
  inputIdle(idle: boolean): void
}

/** What one operator puts into a checkpoint. */
export interface OperatorSnapshot {
  readonly keyed: KeyedSnapshot | undefined
  readonly operatorState: OperatorStateSnapshot | undefined
  /** Pending lists of a sink, by the checkpoint that prepared them, accumulated over aborted ones (R16); resolves when all is durable. */
  readonly committables: Promise<readonly PendingCommittables[]> | undefined
  /** The last watermark that it finished (R33). */
  readonly watermark: number
}

export interface PendingCommittables {
  readonly checkpointId: number
  readonly committables: readonly Committable[]
}

/** What an operator is made with. */
export interface OperatorContext {
  readonly jobName: string
  readonly operatorName: string
  readonly operatorUid: string
  readonly attemptId: string
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly clock: Clock
  /** How the job takes checkpoints; undefined: it takes none. */
  readonly checkpointing: { readonly intervalMs: number; readonly timeoutMs: number } | undefined
  readonly transactionalIds: TransactionalIds
  /** `pipeline.auto-watermark-interval`; 0: after every batch. */
  readonly autoWatermarkIntervalMs: number
  /** Main output. */
  readonly output: Receiver
  /** Receiver of a side output, undefined where nothing reads it. */
  sideOutput(tagId: string): Receiver | undefined
  readonly keySelector: ((value: unknown) => Key) | undefined
  /** For keyed operators only; already restored. */
  readonly keyedState: KeyedStateBackend | undefined
  /** Already restored. */
  readonly operatorState: OperatorStateBackend
  /** Pending lists of the restored checkpoint, to be committed before anything is processed. */
  readonly restoredCommittables: readonly PendingCommittables[]
  /** Watermark to start from: the minimum of the restored pieces, or −Infinity (R33). */
  readonly restoredWatermark: number
  readonly metrics: OperatorMetrics
  /** For records that fail when they are no longer processed, such as those in flight; others are diverted by who calls. */
  readonly deadLetters?: DeadLetterOutput
  /** Schedules the task again. */
  wake(): void
  fail(error: unknown): void
}

/** Counters, plain numbers that the slot reads every second. */
export interface OperatorMetrics {
  recordsIn: number
  recordsOut: number
  lateRecordsDropped: number
  deadLetters: number
}
