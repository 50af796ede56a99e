import type { Committable, RecordColumns, Sink, SinkWriter } from '../api/sink.ts'
import { isMillraceError, MillraceError, messageOf } from '../common/errors.ts'
import type { CheckpointBarrier } from '../state/checkpoint-record.ts'
import type { Operator, OperatorContext, OperatorSnapshot, PendingCommittables } from './operator.ts'

/**
 * Drives a sink's writer through checkpoints (R16): what a barrier prepares is pending until its checkpoint, or a later
 * one, completes. Lists of aborted checkpoints stay pending and are part of the next snapshot, so that nothing is lost.
 */
export class SinkOperator implements Operator {
  readonly #context: OperatorContext
  readonly #writer: SinkWriter<unknown>
  /** In order of their checkpoints. */
  readonly #pending: PendingCommittables[]
  /** Preparations run behind each other, so that a snapshot sees all lists before its own. */
  #prepared: Promise<void> = Promise.resolve()
  #committed: Promise<void> = Promise.resolve()
  /** Lists of earlier attempts: only they can say whether a checkpoint, of another run maybe, has them. */
  readonly #restored: ReadonlySet<PendingCommittables>
  /** No checkpoint after this one completes any more; undefined: they may. */
  #newest: number | undefined
  #watermark: number

  constructor(sink: Sink<unknown>, context: OperatorContext) {
    this.#context = context
    this.#watermark = context.restoredWatermark
    this.#pending = [...context.restoredCommittables]
    this.#restored = new Set(context.restoredCommittables)
    this.#writer = sink.createWriter({
      subtaskIndex: context.subtaskIndex,
      parallelism: context.parallelism,
      jobName: context.jobName,
      operatorName: context.operatorName,
      operatorUid: context.operatorUid,
      attemptId: context.attemptId,
      clock: context.clock,
      checkpointing: context.checkpointing,
      transactionalIds: context.transactionalIds,
      wake: context.wake,
      fail: context.fail,
    })
  }

  get writable(): boolean {
    return this.#writer.writable
  }

  processElement(value: unknown, timestamp: number): void {
    this.#context.metrics.recordsIn++
    try {
      this.#writer.write(value, timestamp)
    } catch (error) {
      throw this.#recordError(error)
    }
  }

  /** Whether `processRecordColumns` may be called. */
  get takesColumns(): boolean {
    return this.#writer.writeColumns !== undefined
  }

  processRecordColumns(records: RecordColumns): void {
    this.#context.metrics.recordsIn += records.count
    try {
      this.#writer.writeColumns?.(records)
    } catch (error) {
      throw this.#error('write', error)
    }
  }

  open(): void {}

  advanceWatermark(watermark: number): boolean {
    this.#watermark = Math.max(this.#watermark, watermark)
    return true
  }

  advanceProcessingTime(): boolean {
    return true
  }

  nextProcessingTime(): number {
    return Number.POSITIVE_INFINITY
  }

  endInput(): void {}

  snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    const committables = this.#prepare(barrier.id).then(() =>
      this.#pending.filter(({ checkpointId }) => checkpointId <= barrier.id),
    )
    // The failure is told by `fail`; a cancelled snapshot asks for the lists no more.
    committables.catch(() => {})
    return { keyed: undefined, operatorState: undefined, committables, watermark: this.#watermark }
  }

  checkpointCompleted(id: number): Promise<void> {
    this.#committed = this.#committed.then(() => this.#commitUpTo(id))
    return this.#committed
  }

  async commitAtEnd(): Promise<void> {
    await this.#prepare(0)
    await this.checkpointCompleted(0)
  }

  transactionalIdsGranted(mark: number): void {
    this.#writer.transactionalIdsGranted?.(mark)
  }

  async fenceTransactions(transactionalIds: readonly string[]): Promise<void> {
    try {
      await this.#writer.fence?.(transactionalIds)
    } catch (error) {
      throw this.#error('end old transactions', error)
    }
  }

  checkpointsEnded(newest: number): void {
    this.#newest = newest
  }

  abandon(): void {
    this.#writer.abandon?.()
  }

  /** A commit that has begun is let finish: its checkpoint is complete (R16). */
  async dispose(): Promise<void> {
    this.abandon()
    await Promise.allSettled([this.#prepared, this.#committed])
    this.#writer.discard?.(this.#unlisted())
    await this.#writer.close()
  }

  /** Own lists that no completed checkpoint has, where that is known (R16). */
  #unlisted(): readonly Committable[] {
    const newest = this.#newest ?? Number.POSITIVE_INFINITY
    return this.#pending.flatMap((list) =>
      list.checkpointId > newest && !this.#restored.has(list) ? list.committables : [],
    )
  }

  #prepare(checkpointId: number): Promise<void> {
    // The cut is made now, synchronously; only what follows waits for the preparations before.
    const preparing = this.#prepareWriter(checkpointId)
    this.#prepared = Promise.all([this.#prepared, preparing]).then(([, committables]) => {
      if (committables.length > 0) this.#pending.push({ checkpointId, committables })
    })
    // What was cut off and could not be prepared is in no later checkpoint: declining alone would lose it.
    this.#prepared.catch((error: unknown) => this.#context.fail(error))
    return this.#prepared
  }

  async #prepareWriter(checkpointId: number): Promise<readonly Committable[]> {
    try {
      return await this.#writer.prepareCommit(checkpointId)
    } catch (error) {
      throw this.#error('prepare its output', error)
    }
  }

  async #commitUpTo(id: number): Promise<void> {
    for (let next = this.#pending[0]; next !== undefined && next.checkpointId <= id; next = this.#pending[0]) {
      try {
        await this.#writer.commit(next.committables)
      } catch (error) {
        throw this.#error('commit', error)
      }
      this.#pending.shift()
    }
  }

  /** What the sink throws itself with a code is its own failure; anything else is said to be of the record. */
  #recordError(error: unknown): MillraceError {
    if (isMillraceError(error)) return error
    const { operatorName } = this.#context
    return new MillraceError('MR_SINK_RECORD', `sink "${operatorName}" could not write: ${messageOf(error)}`, {
      cause: error,
      operator: operatorName,
    })
  }

  #error(what: string, error: unknown): MillraceError {
    if (isMillraceError(error)) return error
    return new MillraceError('MR_SINK', `sink "${this.#context.operatorName}" could not ${what}: ${messageOf(error)}`, {
      cause: error,
      operator: this.#context.operatorName,
    })
  }
}
