import type { JobClient, JobResult } from '../actors/job-client.ts'
import type { RestoreSubmission } from '../actors/local-cluster.ts'
import { MillraceError } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { CheckpointSummary } from '../coordinator/checkpoints/state.ts'
import type { JobStatus } from '../coordinator/job-master/job-status.ts'
import type { ClusterProcess } from './cluster-process.ts'
import type { ClusterTime } from './cluster-time.ts'
import type { ScriptProgress } from './script-progress.ts'
import type { FaultyCheckpointStore, StorageFault, StorageOperation, TestStorage } from './test-storage.ts'

/** @internal What a job of a test cluster is made of. */
export interface TestJobParts {
  readonly jobId: JobId
  readonly client: JobClient
  readonly process: ClusterProcess
  readonly time: ClusterTime
  readonly scripts: ScriptProgress
  readonly storage: TestStorage
  readonly store: FaultyCheckpointStore
  /** What it was started from. */
  readonly restore: RestoreSubmission | undefined
}

/** A job in a test cluster. While a test waits for one of its promises, the cluster's time goes on. */
export class TestJob {
  /** @internal */
  readonly parts: TestJobParts
  #result: JobResult | undefined

  /** @internal Comes from `TestCluster.start`. */
  constructor(parts: TestJobParts) {
    this.parts = parts
    void parts.client.result.then((result) => {
      this.#result = result
    })
  }

  /** How it stands. Counts of records are reported by the slots every second of the cluster's time. */
  status(): JobStatus {
    return this.parts.client.status()
  }

  /**
   * Waits until the job has ended, in whatever state.
   * @throws MillraceError MR_TEST where it does not end within an hour of virtual time
   */
  async result(): Promise<JobResult> {
    await this.#until(() => this.#result !== undefined, 'the end of the job')
    return this.#result as JobResult
  }

  /**
   * Waits until the condition holds.
   * @throws MillraceError MR_TEST where the job ends before, or an hour of virtual time passes
   */
  async until(condition: (status: JobStatus) => boolean): Promise<void> {
    await this.#until(() => {
      if (condition(this.status())) return true
      if (this.#result === undefined) return false
      throw new MillraceError('MR_TEST', `the job ended before what the test waits for came: ${this.#describe()}`)
    }, 'the condition')
  }

  /**
   * Waits until every scripted source is at a PAUSE or at its end. With automatic time another second passes, so that the
   * last batches and watermarks have gone through the job.
   */
  async untilPaused(): Promise<void> {
    const { scripts, time } = this.parts
    await this.until(({ state }) => state === 'RUNNING' && scripts.paused)
    if (time.mode === 'automatic') await time.advance(1000)
    else await time.settled()
  }

  /** Scripted sources go on behind the PAUSE at which they are. */
  resumeSources(): void {
    this.parts.scripts.resume()
  }

  /**
   * Takes a checkpoint now and waits until it is complete.
   * @throws MillraceError MR_TEST where the job takes none, it fails, or the job ends
   */
  async triggerCheckpoint(): Promise<CheckpointSummary> {
    const { client } = this.parts
    await this.until(({ state, checkpoints }) => state === 'RUNNING' && !checkpoints.inProgress)
    const before = this.status().checkpoints
    client.checkpoint()
    await this.until(({ checkpoints: { completed, failed } }) => completed > before.completed || failed > before.failed)
    const { failed, lastFailure, last } = this.status().checkpoints
    if (failed > before.failed || last === undefined) {
      throw new MillraceError('MR_TEST', `the checkpoint failed: ${lastFailure?.message}`)
    }
    return last
  }

  /** The next checkpoint that a subtask acknowledges is aborted, as if that subtask had failed to write its part. */
  abortNextCheckpoint(): void {
    this.parts.process.slotHost.declineNext(this.parts.jobId)
  }

  /** The next operation of this kind on the checkpoint store fails. */
  failStorage(operation: StorageOperation, fault: StorageFault): void {
    this.parts.store.failNext(operation, fault)
  }

  /** Numbers of the slots in which the job has subtasks. */
  get slots(): readonly number[] {
    return this.parts.process.slotsOf(this.parts.jobId)
  }

  /**
   * Ends a slot as if its thread had died.
   * @param slot its number; left out, the job's first
   * @throws MillraceError MR_TEST where the job has no such slot now
   */
  failSlot(slot: number | undefined = this.slots[0]): void {
    if (slot === undefined || !this.slots.includes(slot)) {
      throw new MillraceError('MR_TEST', `the job has no slot ${slot}: ${this.#describe()}`)
    }
    this.parts.process.slotHost.kill(slot, 'the test ends it')
  }

  /** Ends the job without a last checkpoint. */
  cancel(): Promise<JobResult> {
    this.parts.client.cancel()
    return this.result()
  }

  /** As Ctrl-C: one last checkpoint, no final watermark. `TestCluster.start` with `from` goes on from there. */
  suspend(): Promise<JobResult> {
    this.parts.client.suspend()
    return this.result()
  }

  /** The sources end, the final watermark goes out, all windows fire. */
  drain(): Promise<JobResult> {
    this.parts.client.drain()
    return this.result()
  }

  #until(condition: () => boolean, what: string): Promise<void> {
    return this.parts.time.until(
      () => {
        if (condition()) return true
        if (!this.parts.process.gone) return false
        throw new MillraceError('MR_TEST', 'the cluster has crashed under the job')
      },
      () => `${what}; ${this.#describe()}`,
    )
  }

  #describe(): string {
    const { state, restarts, lastFailure, error, checkpoints } = this.status()
    const failure = error ?? lastFailure
    const why = failure === undefined ? '' : `, ${failure.code}: ${failure.message}`
    return `the job is ${state}, ${restarts} restarts, ${checkpoints.completed} checkpoints${why}`
  }
}
