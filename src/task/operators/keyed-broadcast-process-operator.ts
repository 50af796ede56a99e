import type { KeyedBroadcastOnTimerContext, KeyedBroadcastProcessFunction } from '../../api/broadcast-functions.ts'
import type { Key } from '../../api/functions.ts'
import type { BroadcastStateDescriptor } from '../../graph/operator-spec.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { InputReceiver, OperatorContext, OperatorSnapshot } from '../operator.ts'
import { BroadcastElementContext } from './broadcast-element-context.ts'
import { BroadcastStates } from './broadcast-states.ts'
import { closeFunction, openFunction } from './function-life.ts'
import { FunctionTimers } from './function-timers.ts'
import { KeySelection } from './key-selection.ts'
import { KeyedElementContext } from './keyed-element-context.ts'
import { KeyedOpeningContext } from './opening-context.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

type ReadingContext = KeyedElementContext & KeyedBroadcastOnTimerContext<Key>

/** A function over a keyed stream and a broadcast one, with keyed state and timers. */
export class KeyedBroadcastProcessOperator extends OperatorBase {
  readonly secondInput: InputReceiver = {
    processElement: (value, timestamp) => this.#processBroadcast(value, timestamp),
  }
  readonly #process: KeyedBroadcastProcessFunction<Key, unknown, unknown, unknown>
  readonly #keys: KeySelection
  readonly #timers: FunctionTimers<ReadingContext>
  readonly #broadcastContext: BroadcastElementContext

  constructor(
    process: KeyedBroadcastProcessFunction<Key, unknown, unknown, unknown>,
    descriptors: readonly BroadcastStateDescriptor[],
    context: OperatorContext,
  ) {
    super(context)
    this.#process = process
    this.#keys = new KeySelection(context)
    const { keyedState } = this.#keys
    const states = new BroadcastStates(descriptors, context)
    const broadcastState: ReadingContext['broadcastState'] = (descriptor) => states.readOnly(descriptor)
    this.#timers = new FunctionTimers(
      context,
      keyedState,
      (timers) => Object.assign(new KeyedElementContext(context, keyedState, timers), { broadcastState }),
      process.onTimer?.bind(process),
    )
    this.#broadcastContext = new BroadcastElementContext(context, states, keyedState)
  }

  override open(): void {
    openFunction(this.#process, new KeyedOpeningContext(this.context, this.#keys.keyedState), this.operatorName)
  }

  processElement(value: unknown, timestamp: number): void {
    this.#keys.select(value)
    this.#processSelected(value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.#keys.selectHashed(value, keyHash)
    this.#processSelected(value, timestamp)
  }

  override advanceWatermark(watermark: number, maxFirings: number): boolean {
    super.advanceWatermark(watermark, maxFirings)
    this.#broadcastContext.currentWatermark = this.currentWatermark
    return this.#timers.advanceWatermark(this.currentWatermark, maxFirings)
  }

  override advanceProcessingTime(now: number, maxFirings: number): boolean {
    return this.#timers.advanceProcessingTime(now, maxFirings)
  }

  override nextProcessingTime(): number {
    return this.#timers.nextProcessingTime()
  }

  override endInput(): void {
    closeFunction(this.#process, this.operatorName)
    this.#timers.dropProcessingTimeTimers()
  }

  override snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: this.#keys.keyedState.snapshot(barrier),
      operatorState: this.context.operatorState.snapshot(),
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }

  #processSelected(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    this.#timers.beginRecord(timestamp)
    try {
      this.#process.processElement(value, this.#timers.elementContext, this.#timers.collector)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'processElement')
    }
  }

  #processBroadcast(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    this.#broadcastContext.timestamp = timestamp
    this.#broadcastContext.outputTimestamp = timestamp
    this.#timers.collector.timestamp = timestamp
    try {
      this.#process.processBroadcastElement(value, this.#broadcastContext, this.#timers.collector)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'processBroadcastElement')
    }
  }
}
