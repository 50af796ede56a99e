import type { SourceSplit } from '../api/source.ts'
import { errorData, MillraceError } from '../common/errors.ts'
import type { AttemptId, CheckpointId } from '../common/ids.ts'
import type { JobVertex } from '../graph/job-graph.ts'
import type { CheckpointBarrier } from '../state/checkpoint-record.ts'
import type { SubtaskDeployment, SubtaskMetrics } from './slot-protocol.ts'
import { SourceInput } from './source-input.ts'
import { type BuiltSubtask, buildSubtask, type SubtaskChannels } from './subtask-builder.ts'
import { type RestoredSubtask, restoreSubtask } from './subtask-restore.ts'
import type { SubtaskServices } from './subtask-services.ts'
import type { InputEvent, TaskInput } from './task-input.ts'

/**
 * `deploying`: restores and commits. `running`: reads its input. `ended`: the input has ended, waits for the checkpoint
 * that holds the end (R12). The others are terminal.
 */
export type SubtaskState = 'deploying' | 'running' | 'ended' | 'finished' | 'canceled' | 'failed'

interface Running extends BuiltSubtask {
  readonly input: TaskInput
}

/** One attempt of a subtask: its life, and one batch of work at a time. */
export class Subtask {
  readonly deployment: SubtaskDeployment
  readonly #vertex: JobVertex
  readonly #channels: SubtaskChannels
  readonly #services: SubtaskServices
  readonly #bufferTimeoutMs: number
  readonly #checkpointed: boolean
  #state: SubtaskState = 'deploying'
  #restored: RestoredSubtask | undefined
  #built: BuiltSubtask | undefined
  #running: Running | undefined
  /** What was opened while it was built; undefined when it runs, since chain and input close it then. */
  #opened: (() => Promise<void>)[] | undefined = []
  /** When a partial batch is shipped, monotonic milliseconds. */
  #flushAt = Number.POSITIVE_INFINITY
  #backpressured = false
  /** An asynchronous operator takes no more records. */
  #full = false
  /** The input has ended; the chain ends when nothing is in flight any more. */
  #inputEnded = false
  /** What came while it was deployed. */
  readonly #early: ((input: TaskInput) => void)[] = []
  #started: Promise<void> = Promise.resolve()
  #committed: Promise<void> = Promise.resolve()
  #fenced: Promise<void> = Promise.resolve()
  #disposed: Promise<void> | undefined

  constructor(deployment: SubtaskDeployment, vertex: JobVertex, channels: SubtaskChannels, services: SubtaskServices) {
    this.deployment = deployment
    this.#vertex = vertex
    this.#channels = channels
    this.#services = services
    this.#bufferTimeoutMs = services.graph.configuration.bufferTimeoutMs
    this.#checkpointed = services.graph.configuration.checkpointing !== undefined
  }

  get attemptId(): AttemptId {
    return this.deployment.attemptId
  }

  get state(): SubtaskState {
    return this.#state
  }

  get live(): boolean {
    return this.#state === 'deploying' || this.#state === 'running' || this.#state === 'ended'
  }

  start(): void {
    this.#started = this.#start().catch((error: unknown) => this.fail(error))
  }

  /** Handles one batch, one event or one slice of a step; false: nothing can be done now. */
  step(): boolean {
    const running = this.#running
    if (running === undefined || !this.live) return false
    try {
      const drained = running.checkpoints.step()
      return this.#advance(running) || drained
    } catch (error) {
      this.fail(error)
      return true
    }
  }

  /** After a slice of the loop: partial batches whose time has come go out. */
  afterSlice(nowMs: number): void {
    const running = this.#running
    if (running === undefined || this.#state !== 'running') return
    try {
      if (!running.chain.buffered) this.#flushAt = Number.POSITIVE_INFINITY
      else if (this.#flushAt === Number.POSITIVE_INFINITY) this.#flushAt = nowMs + this.#bufferTimeoutMs
      // Without credit it waits: what is buffered would only queue up at the receiver (R33).
      if (nowMs < this.#flushAt || this.#backpressured) return
      running.chain.flush()
      this.#flushAt = Number.POSITIVE_INFINITY
    } catch (error) {
      this.fail(error)
    }
  }

  /** Monotonic milliseconds when there is something to do though nothing arrives. */
  nextDeadline(): number {
    const running = this.#running
    if (running === undefined || this.#state !== 'running' || this.#backpressured) return Number.POSITIVE_INFINITY
    const { clock } = this.#services
    // A step that waits for room in an asynchronous operator is woken by it, and so is a full one's input.
    const next = running.chain.stepping ? Number.POSITIVE_INFINITY : running.chain.nextProcessingTime()
    const processingTime = next === Number.POSITIVE_INFINITY ? next : clock.monotonicMs() + (next - clock.now())
    return Math.min(this.#flushAt, this.#full ? Number.POSITIVE_INFINITY : running.input.nextDeadline, processingTime)
  }

  trigger(barrier: CheckpointBarrier): void {
    this.#toInput((input) => input.trigger(barrier))
  }

  addSplits(splits: readonly SourceSplit[]): void {
    this.#toInput((input) => {
      if (input instanceof SourceInput) input.addSplits(splits)
    })
  }

  drain(): void {
    this.#toInput((input) => {
      if (input instanceof SourceInput) input.drain()
    })
  }

  checkpointAborted(checkpointId: CheckpointId): void {
    this.#built?.checkpoints.aborted(checkpointId)
    this.#toInput((input) => input.aborted(checkpointId))
  }

  checkpointCompleted(checkpointId: CheckpointId): void {
    const running = this.#running
    if (running === undefined || !this.live) return
    this.#committed = this.#committed
      .then(() => this.#complete(running, checkpointId))
      .catch((error: unknown) => this.fail(error))
  }

  transactionalIdsGranted(mark: number): void {
    this.#built?.chain.transactionalIdsGranted(mark)
  }

  checkpointsEnded(newest: CheckpointId | 0): void {
    this.#built?.chain.checkpointsEnded(newest)
  }

  fenceTransactions(operatorUid: string, fence: number, transactionalIds: readonly string[]): void {
    const running = this.#running
    if (running === undefined || !this.live) return
    this.#fenced = running.chain
      .fenceTransactions(operatorUid, transactionalIds)
      .then(() => {
        if (this.live) this.#services.send({ type: 'transactionsFenced', attemptId: this.attemptId, fence })
      })
      .catch((error: unknown) => this.fail(error))
  }

  /** Resolves when it holds nothing any more; the answer is sent then. */
  async cancel(): Promise<void> {
    if (this.live) this.#state = 'canceled'
    await this.#dispose()
    if (this.#state !== 'finished') this.#services.send({ type: 'canceled', attemptId: this.attemptId })
  }

  /** Told once; what comes after it is only closing. */
  fail(error: unknown): void {
    if (!this.live) return
    this.#state = 'failed'
    this.#services.send({ type: 'failed', attemptId: this.attemptId, error: errorData(error) })
    this.#dispose().catch((failure: unknown) => this.#services.warn(`${this.#vertex.name}: ${String(failure)}`))
  }

  metrics(): SubtaskMetrics {
    const input = this.#running?.input
    const isSource = this.#vertex.operators[0]?.spec.kind === 'source'
    const metrics = this.#built?.metrics ?? []
    const records = input?.recordsIn ?? 0
    const sum = (count: (operator: (typeof metrics)[number]) => number): number =>
      metrics.reduce((total, operator) => total + count(operator), 0)
    return {
      attemptId: this.attemptId,
      vertexId: this.deployment.vertexId,
      subtaskIndex: this.deployment.subtaskIndex,
      recordsIn: isSource ? 0 : records,
      recordsOut: this.#built?.chain.shippedRecords ?? 0,
      sourceRecords: isSource ? records : 0,
      sinkRecords: this.#vertex.operators.reduce(
        (total, { spec }, index) => total + (spec.kind === 'sink' ? (metrics[index]?.recordsIn ?? 0) : 0),
        0,
      ),
      lateRecordsDropped: sum((operator) => operator.lateRecordsDropped),
      deadLetters: sum((operator) => operator.deadLetters),
      watermark: input?.watermark ?? Number.NEGATIVE_INFINITY,
      lag: input instanceof SourceInput ? input.lag : Number.NaN,
      backpressured: this.#backpressured || this.#full,
    }
  }

  // ---- starting ----

  async #start(): Promise<void> {
    const restored = await restoreSubtask(this.#vertex, this.deployment, this.#services)
    if (!this.live) return
    this.#restored = restored
    const built = buildSubtask({
      vertex: this.#vertex,
      deployment: this.deployment,
      channels: this.#channels,
      services: this.#services,
      restored,
      opened: (close) => this.#opened?.push(close),
      fail: (error) => this.fail(error),
    })
    this.#built = built
    const { restore } = this.deployment
    if (restore !== undefined) {
      // Nothing is processed before what the checkpoint lists is committed (R16).
      await built.chain.checkpointCompleted(restore.checkpointId)
      if (!this.live) return
      this.#services.send({ type: 'committed', attemptId: this.attemptId, checkpointId: restore.checkpointId })
    }
    built.chain.open()
    const input = built.createInput()
    this.#running = { ...built, input }
    this.#opened = undefined
    this.#state = 'running'
    for (const action of this.#early.splice(0)) action(input)
    this.#services.send({ type: 'running', attemptId: this.attemptId })
    this.#services.wake()
  }

  #toInput(action: (input: TaskInput) => void): void {
    if (!this.live) return
    if (this.#running === undefined) this.#early.push(action)
    else action(this.#running.input)
  }

  // ---- working ----

  #advance(running: Running): boolean {
    const { chain, input } = running
    if (this.#state === 'ended') return this.#handle(running, input.poll(true))
    this.#backpressured = !chain.writable
    this.#full = chain.full
    input.advanceActiveTime(!this.#backpressured && !this.#full && !chain.stepping)
    if (this.#backpressured) return false
    if (chain.emitResults()) return true
    if (chain.stepping) return chain.runStep()
    if (this.#inputEnded && chain.drained) {
      this.#endInput(running)
      return true
    }
    const now = this.#services.clock.now()
    if (chain.nextProcessingTime() <= now) {
      chain.beginProcessingTime(now)
      return chain.runStep()
    }
    return this.#handle(running, input.poll(!this.#full))
  }

  #handle(running: Running, event: InputEvent): boolean {
    const { chain } = running
    switch (event.type) {
      case 'nothing':
        return false
      case 'progress':
        chain.takeGenerated()
        return true
      case 'watermark':
        chain.beginWatermark(event.watermark)
        chain.runStep()
        return true
      case 'idle':
      case 'active':
        chain.inputStatus(event.type)
        return true
      case 'barrier':
        this.#snapshot(running, event)
        return true
      case 'ended':
        this.#inputEnded = true
        return true
      default: {
        const never: never = event
        throw new MillraceError('MR_INTERNAL', `unknown event ${JSON.stringify(never)}`)
      }
    }
  }

  /** Everything before the barrier has been handed to the outputs, nothing behind it has been read. */
  #snapshot(
    { chain, checkpoints, input }: Running,
    alignment: Parameters<BuiltSubtask['checkpoints']['begin']>[0],
  ): void {
    const finished = this.#state === 'ended'
    // Receivers count the channels of an ended subtask as aligned: it sends no barrier (R12).
    if (!finished) chain.barrier(alignment.barrier)
    const splits = input instanceof SourceInput ? input.snapshotSplits() : []
    checkpoints.begin(alignment, { splits, finished })
  }

  /** The last watermark has gone by. */
  #endInput({ chain }: Running): void {
    chain.endInput()
    this.#state = 'ended'
    this.#services.send({ type: 'ended', attemptId: this.attemptId })
    if (this.#checkpointed) return
    this.#committed = chain.commitAtEnd().then(
      () => this.#finish(),
      (error: unknown) => this.fail(error),
    )
  }

  async #complete({ checkpoints }: Running, checkpointId: CheckpointId): Promise<void> {
    const holdsEnd = await checkpoints.completed(checkpointId)
    if (!this.live) return
    this.#services.send({ type: 'committed', attemptId: this.attemptId, checkpointId })
    if (!holdsEnd || this.#state !== 'ended') return
    // Nobody else may be left to end what lost attempts have open.
    await this.#fenced
    await this.#finish()
  }

  // ---- ending ----

  async #finish(): Promise<void> {
    if (!this.live) return
    this.#state = 'finished'
    await this.#dispose(false)
    this.#services.send({ type: 'finished', attemptId: this.attemptId })
  }

  /** Closes everything, once. `waitForCommits`: not where the caller is the commit itself. */
  #dispose(waitForCommits = true): Promise<void> {
    this.#disposed ??= this.#close(waitForCommits)
    return this.#disposed
  }

  async #close(waitForCommits: boolean): Promise<void> {
    this.#built?.checkpoints.cancel()
    // At once: a fence that follows the report of the end must find nothing that is begun after it (R16).
    this.#built?.chain.abandon()
    for (const input of this.#channels.inputs) input.close()
    await this.#started
    if (waitForCommits) await this.#committed
    const errors = await this.#closeErrors()
    // The slot lives on: its managed memory is for the attempts that follow (R31).
    for (const { keyedState } of this.#restored?.operators ?? []) keyedState?.dispose()
    for (const error of errors) this.#services.warn(`${this.#vertex.name}: closing failed: ${String(error)}`)
  }

  /** Closes the input, then the chain; where it has not come to run, whatever was opened for it. */
  async #closeErrors(): Promise<readonly unknown[]> {
    const running = this.#running
    if (running === undefined) return errorsOf(this.#opened ?? [])
    return [...(await errorsOf([() => running.input.close()])), ...(await running.chain.dispose())]
  }
}

async function errorsOf(closings: readonly (() => Promise<unknown>)[]): Promise<readonly unknown[]> {
  const results = await Promise.allSettled(closings.map(async (close) => close()))
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
}
