import type { SourceSplit } from '../api/source.ts'
import { errorData } from '../common/errors.ts'
import type { AttemptId, CheckpointId } from '../common/ids.ts'
import type { SubtaskSnapshot, SubtaskSnapshots } from '../state/subtask-snapshots.ts'
import type { Alignment } from './barrier-alignment.ts'
import type { Chain } from './chain.ts'
import type { SubtaskServices } from './subtask-services.ts'

/** Entries of state that are written out between two batches. */
const entriesPerSlice = 500

export interface SnapshotContext {
  /** Positions of the source's splits; empty for others. */
  readonly splits: readonly SourceSplit[]
  /** The input had ended and everything is flushed (R12). */
  readonly finished: boolean
}

interface RunningSnapshot {
  readonly alignment: Alignment
  readonly context: SnapshotContext
  readonly snapshot: SubtaskSnapshot
  readonly startedAt: number
  readonly pauseMs: number
}

/** The snapshots of one subtask: begun at the barrier, drained between batches, then acknowledged or declined. */
export class SubtaskCheckpoints {
  readonly #attemptId: AttemptId
  readonly #chain: Chain
  readonly #snapshots: SubtaskSnapshots
  readonly #services: SubtaskServices
  /** Not fully drained yet. */
  #draining: RunningSnapshot | undefined
  /** Being made durable; an abort takes it away. */
  #finishing: RunningSnapshot | undefined
  /** The first acknowledged snapshot that was taken after the end. */
  #firstFinished: CheckpointId | undefined

  constructor(attemptId: AttemptId, chain: Chain, snapshots: SubtaskSnapshots, services: SubtaskServices) {
    this.#attemptId = attemptId
    this.#chain = chain
    this.#snapshots = snapshots
    this.#services = services
  }

  /**
   * The synchronous part. An error fails the subtask: some operators may have cut already. A higher barrier cancels what
   * an older snapshot has left to do (R2).
   */
  begin(alignment: Alignment, context: SnapshotContext): void {
    this.cancel()
    const startedAt = this.#services.clock.monotonicMs()
    const snapshot = this.#snapshots.begin(alignment.barrier, this.#chain.snapshot(alignment.barrier))
    const pauseMs = this.#services.clock.monotonicMs() - startedAt
    this.#draining = { alignment, context, snapshot, startedAt, pauseMs }
  }

  /** Drains one slice; true: there was something to drain. */
  step(): boolean {
    const running = this.#draining
    if (running === undefined) return false
    try {
      if (!running.snapshot.step(entriesPerSlice)) return true
    } catch (error) {
      this.#draining = undefined
      running.snapshot.cancel()
      this.#decline(running, error)
      return true
    }
    this.#draining = undefined
    this.#finishing = running
    this.#finish(running).catch((error: unknown) => {
      if (this.#finishing !== running) return
      this.#finishing = undefined
      this.#decline(running, error)
    })
    return true
  }

  aborted(checkpointId: CheckpointId): void {
    this.#snapshots.checkpointAborted(checkpointId)
    if (this.#draining !== undefined && this.#draining.alignment.barrier.id <= checkpointId) this.#draining = undefined
    if (this.#finishing !== undefined && this.#finishing.alignment.barrier.id <= checkpointId)
      this.#finishing = undefined
  }

  /** Commits what the checkpoint lists. True: it holds the end of this subtask, which may finish (R12). */
  async completed(checkpointId: CheckpointId): Promise<boolean> {
    this.#snapshots.checkpointCompleted(checkpointId)
    await this.#chain.checkpointCompleted(checkpointId)
    return this.#firstFinished !== undefined && checkpointId >= this.#firstFinished
  }

  /** The attempt ends, or another snapshot begins. */
  cancel(): void {
    this.#draining?.snapshot.cancel()
    this.#finishing?.snapshot.cancel()
    this.#draining = undefined
    this.#finishing = undefined
  }

  async #finish(running: RunningSnapshot): Promise<void> {
    const { manifest, writtenBytes, hasCommittables } = await running.snapshot.finish()
    if (this.#finishing !== running) return
    this.#finishing = undefined
    const { alignment, context, startedAt, pauseMs } = running
    const checkpointId = alignment.barrier.id
    if (context.finished) this.#firstFinished ??= checkpointId
    this.#services.send({
      type: 'checkpointAcknowledged',
      attemptId: this.#attemptId,
      checkpointId,
      manifest,
      splits: context.splits,
      finished: context.finished,
      hasCommittables,
      metrics: {
        alignmentMs: alignment.alignmentMs,
        pauseMs,
        durationMs: this.#services.clock.monotonicMs() - startedAt,
        writtenBytes,
      },
    })
  }

  #decline(running: RunningSnapshot, error: unknown): void {
    this.#services.send({
      type: 'checkpointDeclined',
      attemptId: this.#attemptId,
      checkpointId: running.alignment.barrier.id,
      error: errorData(error, 'MR_CHECKPOINT_DECLINED'),
    })
  }
}
