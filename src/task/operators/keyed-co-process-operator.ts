import type { KeyedCoProcessFunction } from '../../api/co-functions.ts'
import type { Key, KeySelector } from '../../api/functions.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { InputReceiver, OperatorContext, OperatorSnapshot } from '../operator.ts'
import { closeFunction, openFunction } from './function-life.ts'
import { FunctionTimers } from './function-timers.ts'
import { KeySelection } from './key-selection.ts'
import { KeyedElementContext } from './keyed-element-context.ts'
import { KeyedOpeningContext } from './opening-context.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

/** A function over two streams of the same keys, with keyed state and timers. */
export class KeyedCoProcessOperator extends OperatorBase {
  readonly secondInput: InputReceiver = {
    processElement: (value, timestamp) => {
      this.#secondKeys.select(value)
      this.#processSelected('processElement2', value, timestamp)
    },
    processHashedElement: (value, timestamp, keyHash) => {
      this.#secondKeys.selectHashed(value, keyHash)
      this.#processSelected('processElement2', value, timestamp)
    },
  }
  readonly #process: KeyedCoProcessFunction<Key, unknown, unknown, unknown>
  readonly #firstKeys: KeySelection
  readonly #secondKeys: KeySelection
  readonly #timers: FunctionTimers

  constructor(
    process: KeyedCoProcessFunction<Key, unknown, unknown, unknown>,
    secondKeySelector: KeySelector<unknown, Key>,
    context: OperatorContext,
  ) {
    super(context)
    this.#process = process
    this.#firstKeys = new KeySelection(context)
    this.#secondKeys = new KeySelection({ ...context, keySelector: secondKeySelector })
    const { keyedState } = this.#firstKeys
    this.#timers = new FunctionTimers(
      context,
      keyedState,
      (timers) => new KeyedElementContext(context, keyedState, timers),
      process.onTimer?.bind(process),
    )
  }

  override open(): void {
    openFunction(this.#process, new KeyedOpeningContext(this.context, this.#firstKeys.keyedState), this.operatorName)
  }

  processElement(value: unknown, timestamp: number): void {
    this.#firstKeys.select(value)
    this.#processSelected('processElement1', value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.#firstKeys.selectHashed(value, keyHash)
    this.#processSelected('processElement1', value, timestamp)
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
      keyed: this.#firstKeys.keyedState.snapshot(barrier),
      operatorState: this.context.operatorState.snapshot(),
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }

  #processSelected(name: 'processElement1' | 'processElement2', value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    this.#timers.beginRecord(timestamp)
    try {
      this.#process[name](value, this.#timers.elementContext, this.#timers.collector)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, name)
    }
  }
}
