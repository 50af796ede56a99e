import type { Collector, KeyedRuntimeContext, TimerService } from '../../api/functions.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { InputReceiver, OperatorContext, OperatorSnapshot } from '../operator.ts'
import { closeFunction, openFunction } from './function-life.ts'
import { FunctionTimers, type OnTimer } from './function-timers.ts'
import { KeySelection } from './key-selection.ts'
import type { KeyedElementContext } from './keyed-element-context.ts'
import { KeyedOpeningContext } from './opening-context.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

/** How a function is called with a record of one of its inputs; the name stands in errors. */
export interface FunctionCall<Context> {
  readonly name: string
  call(value: unknown, context: Context, out: Collector<unknown>): void
}

/** What the operator has, for the second of its inputs. */
export interface KeyedFunctionParts<Context extends KeyedElementContext> {
  readonly context: OperatorContext
  readonly keyedState: KeyedStateBackend
  readonly timers: FunctionTimers<Context>
}

/** A function of users in terms of its operator. */
export interface KeyedFunction<Context extends KeyedElementContext> {
  readonly process: { open?(context: KeyedRuntimeContext): void; close?(): void }
  readonly first: FunctionCall<Context>
  readonly onTimer: OnTimer<Context> | undefined
  contextOf(keyedState: KeyedStateBackend, timers: TimerService): Context
  secondInput?(parts: KeyedFunctionParts<Context>): InputReceiver
  /** What is handed out in place of a state. */
  handedOut?<State extends object>(state: State, name: string): State
}

/** A function of one keyed input, or of a keyed one and another, with keyed state and timers. */
export class KeyedFunctionOperator<Context extends KeyedElementContext> extends OperatorBase {
  readonly secondInput?: InputReceiver
  readonly #function: KeyedFunction<Context>
  readonly #keyedState: KeyedStateBackend
  readonly #timers: FunctionTimers<Context>
  readonly #first: KeyedFunctionInput<Context>

  constructor(userFunction: KeyedFunction<Context>, context: OperatorContext) {
    super(context)
    this.#function = userFunction
    const keys = new KeySelection(context)
    const { keyedState } = keys
    this.#keyedState = keyedState
    const contextOf = (timers: TimerService): Context => userFunction.contextOf(keyedState, timers)
    this.#timers = new FunctionTimers(context, keyedState, contextOf, userFunction.onTimer)
    const parts = { context, keyedState, timers: this.#timers }
    this.#first = new KeyedFunctionInput(parts, keys, userFunction.first)
    if (userFunction.secondInput !== undefined) this.secondInput = userFunction.secondInput(parts)
  }

  override open(): void {
    const { process } = this.#function
    const handedOut = this.#function.handedOut?.bind(this.#function)
    openFunction(process, new KeyedOpeningContext(this.context, this.#keyedState, handedOut), this.operatorName)
  }

  processElement(value: unknown, timestamp: number): void {
    this.#first.processElement(value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.#first.processHashedElement(value, timestamp, keyHash)
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
    closeFunction(this.#function.process, this.operatorName)
    this.#timers.dropProcessingTimeTimers()
  }

  override snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: this.#keyedState.snapshot(barrier),
      operatorState: this.context.operatorState.snapshot(),
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }
}

/** A keyed input of a function. */
export class KeyedFunctionInput<Context extends KeyedElementContext> implements InputReceiver {
  readonly #parts: KeyedFunctionParts<Context>
  readonly #keys: KeySelection
  readonly #function: FunctionCall<Context>

  constructor(parts: KeyedFunctionParts<Context>, keys: KeySelection, userFunction: FunctionCall<Context>) {
    this.#parts = parts
    this.#keys = keys
    this.#function = userFunction
  }

  processElement(value: unknown, timestamp: number): void {
    this.#keys.select(value)
    this.#processSelected(value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.#keys.selectHashed(value, keyHash)
    this.#processSelected(value, timestamp)
  }

  #processSelected(value: unknown, timestamp: number): void {
    const { context, timers } = this.#parts
    context.metrics.recordsIn++
    timers.beginRecord(timestamp)
    try {
      this.#function.call(value, timers.elementContext, timers.collector)
    } catch (error) {
      throw userFunctionError(error, context.operatorName, this.#function.name)
    }
  }
}
