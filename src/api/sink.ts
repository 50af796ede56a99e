import type { JsonValue } from '../common/json.ts'
import type { Clock } from '../common/ports.ts'

/** `exactly-once`: output becomes visible with its checkpoint. `at-least-once`: replays may repeat it. `none`: losses and repeats. */
export type DeliveryGuarantee = 'exactly-once' | 'at-least-once' | 'none'

/** Where a stream ends. Connectors implement it; jobs pass it to `sinkTo`. */
export interface Sink<T> {
  /** Short name of the connector, for `plan` and messages. */
  readonly connector: string
  readonly deliveryGuarantee: DeliveryGuarantee
  /** Its writers have `writeColumns`: results of operators on columns come to them as columns. */
  readonly takesColumns?: boolean
  /**
   * Set where the sink writes in transactions under ids of its own (`<prefix>-<uid>-<attempt>-<number>`): the leader keeps
   * account of them, so that what a lost attempt has left open can be ended (R15, R16).
   */
  readonly transactionalIdPrefix?: string | undefined
  /**
   * Equal where sinks of one prefix write to the same system under the same identity: one of them then ends what a sink
   * that the job no longer has left open (R16). undefined: nobody else can.
   */
  readonly transactionScope?: string | undefined
  createWriter(context: SinkWriterContext): SinkWriter<T>
}

export interface SinkWriterContext {
  readonly subtaskIndex: number
  readonly parallelism: number
  /** As it is declared: uids are unique within a job, and the same in its next run. */
  readonly jobName: string
  readonly operatorName: string
  readonly operatorUid: string
  /** This execution: parts and transactional ids carry it, so that a zombie writes nothing that anyone reads (R15, R21). */
  readonly attemptId: string
  readonly clock: Clock
  /** How the job takes checkpoints; undefined: it takes none. */
  readonly checkpointing: { readonly intervalMs: number; readonly timeoutMs: number } | undefined
  readonly transactionalIds: TransactionalIds
  /** To be called when `writable` became true again. */
  wake(): void
  /** Fails the subtask. */
  fail(error: unknown): void
}

/**
 * What is prepared and waits for its checkpoint: plain data, kept in the checkpoint until committed. The task keeps the
 * pending lists; they accumulate over aborted checkpoints, and completing m commits all up to m (R16).
 */
export type Committable = JsonValue

/** The numbers of the transactional ids of an attempt: those that may be used stand in the job's durable record (R15). */
export interface TransactionalIds {
  /** Numbers below it may be used. */
  readonly mark: number
  /** Asks for more; `transactionalIdsGranted` follows. */
  request(mark: number): void
}

/** Writes the records of one subtask. One thread calls it; `write` may not block. */
export interface SinkWriter<T> {
  write(value: T, timestamp: number): void
  /** Several records at once, instead of `write`, where they are there as columns; see `takesColumns` of the sink. */
  writeColumns?(records: RecordColumns): void
  /** False while the writer has too much buffered: the task is not scheduled until `wake` (backpressure). */
  readonly writable: boolean
  /**
   * The barrier: everything written before it belongs to this checkpoint, everything after it does not. The cut is made
   * synchronously, the promise gives what became durable and waits to be committed (R21: fsync'ed before the ack).
   * `checkpointId` is 0 for the end of a bounded job without checkpointing.
   */
  prepareCommit(checkpointId: number): Promise<readonly Committable[]>
  /** Publishes what a completed checkpoint lists. Repeating it is harmless (R16, I8); nothing is processed before it on restore. */
  commit(committables: readonly Committable[]): Promise<void>
  /** Transactional ids with numbers below `mark` may be used from now on (R15). */
  transactionalIdsGranted?(mark: number): void
  /** Ends what attempts that are gone have left open under these transactional ids (R16). */
  fence?(transactionalIds: readonly string[]): Promise<void>
  /**
   * The job has ended, and no completed checkpoint lists these, nor ever will: `close`, which follows, ends them at once,
   * so that nobody waits for them (R16).
   */
  discard?(committables: readonly Committable[]): void
  /** The attempt is about to end, `close` follows: preparations that wait fail now, commits may give up after a while. */
  abandon?(): void
  /** The attempt ends. What is open and not prepared is discarded; what is prepared stays. */
  close(): Promise<void>
}

/** Records as columns. Valid during the call that gets them. */
export interface RecordColumns {
  readonly count: number
  readonly timestamps: Float64Array
  /** The fields of the records, in their order. */
  readonly columns: readonly RecordColumn[]
}

/** One field of all records. `nulls[i]` is 1 where record i has none; undefined: there are no nulls. */
export type RecordColumn =
  | {
      readonly kind: 'number' | 'boolean'
      readonly name: string
      /** False is 0, true is 1. */
      readonly values: Float64Array
      readonly nulls: Uint8Array | undefined
    }
  | {
      readonly kind: 'string'
      readonly name: string
      /** The text of record i is the UTF-8 of `bytes[starts[i], ends[i])`. */
      readonly bytes: Buffer
      readonly starts: Int32Array
      readonly ends: Int32Array
      readonly nulls: Uint8Array | undefined
    }
