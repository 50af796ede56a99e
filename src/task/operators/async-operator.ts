import type { OperatorListState } from '../../api/state.ts'
import { noWatermark } from '../../common/timestamps.ts'
import { untyped } from '../../formats/types.ts'
import type { AsyncSpec } from '../../graph/async-spec.ts'
import type {
  AsynchronousResults,
  GeneratedWatermarks,
  OperatorContext,
  OperatorMetrics,
  OperatorSnapshot,
  Receiver,
} from '../operator.ts'
import { AsyncCall, type AsyncCalls } from './async-call.ts'
import { AsyncQueue } from './async-queue.ts'
import { failedRecord } from './failed-record.ts'
import { OperatorBase } from './operator-base.ts'

/** A record in flight, as it stands in a checkpoint. */
interface StoredCall {
  readonly value: unknown
  readonly timestamp: number
  /** The watermark that had come before it. */
  readonly after: number
}

/** How far the input of one subtask was. */
interface StoredInput {
  readonly watermark: number
}

/**
 * An asynchronous function over a stream. Functions settle whenever they do; what comes of them goes out as mail, between
 * two batches (`results`). Watermarks wait in the queue behind the records before them, so this operator makes those of
 * what follows it. What is in flight, settled or not, is part of each snapshot and begun again after a restore.
 */
export class AsyncOperator extends OperatorBase {
  readonly generated: GeneratedWatermarks
  readonly asynchronous: AsynchronousResults
  readonly #flight: Flight
  readonly #stored: OperatorListState<StoredCall>
  readonly #storedInput: OperatorListState<StoredInput>

  constructor(spec: AsyncSpec, context: OperatorContext) {
    super(context)
    this.#stored = context.operatorState.listState({
      name: '$in-flight',
      type: untyped<StoredCall>(),
      redistribution: 'even-split',
    })
    this.#storedInput = context.operatorState.listState({
      name: '$in-flight-input',
      type: untyped<StoredInput>(),
      redistribution: 'union',
    })
    this.#flight = new Flight(spec, context)
    this.generated = this.#flight
    this.asynchronous = this.#flight
  }

  /** What was in flight begins again, and the watermarks between it stay where they were. */
  override open(): void {
    const last = lowest(this.#storedInput.get().map(({ watermark }) => watermark))
    for (const { value, timestamp, after } of this.#stored.get().toSorted((left, right) => left.after - right.after)) {
      this.#flight.addWatermark(Math.min(after, last))
      this.#flight.add(value, timestamp)
    }
    this.#flight.addWatermark(last)
    this.#stored.clear()
    this.#storedInput.clear()
  }

  processElement(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    this.#flight.add(value, timestamp)
  }

  override advanceWatermark(watermark: number): boolean {
    this.#flight.addWatermark(watermark)
    return true
  }

  override snapshot(): OperatorSnapshot {
    const { operatorState } = this.context
    this.#stored.update(this.#flight.stored())
    this.#storedInput.update([{ watermark: this.#flight.lastWatermark }])
    const snapshot = operatorState.snapshot()
    this.#stored.clear()
    this.#storedInput.clear()
    return { keyed: undefined, operatorState: snapshot, committables: undefined, watermark: this.generated.watermark }
  }

  override async dispose(): Promise<void> {
    this.#flight.abort()
  }
}

/** The records in flight, and what goes out of them. */
class Flight implements GeneratedWatermarks, AsynchronousResults {
  watermark: number
  readonly #spec: AsyncSpec
  readonly #context: OperatorContext
  readonly #output: Receiver
  readonly #metrics: OperatorMetrics
  readonly #calls: AsyncCalls
  readonly #queue: AsyncQueue
  /** In the queue, and not started: what a batch brought above the capacity. */
  readonly #waiting: AsyncCall[] = []
  #running = 0
  #inputIdle = false

  constructor(spec: AsyncSpec, context: OperatorContext) {
    this.#spec = spec
    this.#context = context
    this.#output = context.output
    this.#metrics = context.metrics
    this.watermark = context.restoredWatermark
    this.#queue = new AsyncQueue(spec.mode === 'ordered', context.restoredWatermark)
    this.#calls = {
      spec,
      clock: context.clock,
      operatorName: context.operatorName,
      settled: (call) => {
        this.#running--
        this.#queue.settled(call)
        if (this.ready) context.wake()
      },
    }
  }

  get idle(): boolean {
    return this.#inputIdle && this.drained
  }

  get full(): boolean {
    return this.#queue.size >= this.#spec.capacity
  }

  get drained(): boolean {
    return this.#queue.isEmpty
  }

  get ready(): boolean {
    return this.#queue.ready || (this.#waiting.length > 0 && this.#running < this.#spec.capacity)
  }

  get lastWatermark(): number {
    return this.#queue.lastWatermark
  }

  add(value: unknown, timestamp: number): void {
    const call = new AsyncCall(value, timestamp, this.#calls)
    this.#queue.add(call)
    this.#waiting.push(call)
    this.#startWaiting()
  }

  addWatermark(watermark: number): void {
    this.#queue.addWatermark(watermark)
    // With nothing before it, it goes on in the step that it came in.
    if (this.#queue.size === 0) this.#passWatermark()
  }

  /** Results up to the next watermark: what follows the operator takes that one first. */
  emit(maxResults: number): void {
    this.#startWaiting()
    for (let left = maxResults; left > 0; left--) {
      const call = this.#queue.take()
      if (call !== undefined) this.#emit(call)
      else if (this.#queue.isEmpty || !this.#queue.ready || this.#passWatermark()) return
    }
  }

  inputIdle(idle: boolean): void {
    this.#inputIdle = idle
  }

  stored(): StoredCall[] {
    return Array.from(this.#queue.entries(), ({ call: { value, timestamp }, after }) => ({ value, timestamp, after }))
  }

  abort(): void {
    for (const { call } of this.#queue.entries()) call.abort()
  }

  #startWaiting(): void {
    while (this.#running < this.#spec.capacity) {
      const call = this.#waiting.shift()
      if (call === undefined) return
      this.#running++
      call.start()
    }
  }

  #emit(call: AsyncCall): void {
    const { outcome, value, timestamp } = call
    if (outcome?.type !== 'results') {
      if (outcome !== undefined) failedRecord(outcome.error, { value, timestamp }, this.#context)
      return
    }
    for (const result of outcome.results) {
      this.#metrics.recordsOut++
      this.#output.processElement(result, timestamp)
    }
  }

  /** True: the watermark has grown. */
  #passWatermark(): boolean {
    const watermark = this.#queue.passSegment()
    if (watermark === undefined || watermark <= this.watermark) return false
    this.watermark = watermark
    return true
  }
}

/**
 * The lowest of all old subtasks: records may now come from any of them, in flight or not, also where only the operators
 * before this one have another parallelism (R33). Ended subtasks had seen the last watermark.
 */
function lowest(watermarks: readonly number[]): number {
  return watermarks.length === 0 ? noWatermark : Math.min(...watermarks)
}
