import type { Key, KeyedProcessFunction } from '../../api/functions.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { closeFunction, openFunction } from './function-life.ts'
import { FunctionTimers } from './function-timers.ts'
import { KeySelection } from './key-selection.ts'
import { KeyedElementContext } from './keyed-element-context.ts'
import { KeyedOpeningContext } from './opening-context.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

/** A function on a keyed stream, with keyed state and timers. */
export class KeyedProcessOperator extends OperatorBase {
  readonly #process: KeyedProcessFunction<Key, unknown, unknown>
  readonly #keys: KeySelection
  readonly #timers: FunctionTimers

  constructor(process: KeyedProcessFunction<Key, unknown, unknown>, context: OperatorContext) {
    super(context)
    this.#process = process
    this.#keys = new KeySelection(context)
    const { keyedState } = this.#keys
    this.#timers = new FunctionTimers(
      context,
      keyedState,
      (timers) => new KeyedElementContext(context, keyedState, timers),
      process.onTimer?.bind(process),
    )
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
}
