import type { BroadcastProcessFunction, ReadOnlyBroadcastContext } from '../../api/broadcast-functions.ts'
import type { BroadcastStateDescriptor } from '../../graph/operator-spec.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { InputReceiver, OperatorContext, OperatorSnapshot } from '../operator.ts'
import { BroadcastElementContext } from './broadcast-element-context.ts'
import { BroadcastStates } from './broadcast-states.ts'
import { ElementContext } from './element-context.ts'
import { closeFunction, openFunction } from './function-life.ts'
import { OpeningContext } from './opening-context.ts'
import { OperatorBase } from './operator-base.ts'
import { TimestampedCollector } from './timestamped-collector.ts'
import { userFunctionError } from './user-function-error.ts'

/** A function over a stream and a broadcast one. */
export class BroadcastProcessOperator extends OperatorBase {
  readonly secondInput: InputReceiver = {
    processElement: (value, timestamp) => this.#processBroadcast(value, timestamp),
  }
  readonly #process: BroadcastProcessFunction<unknown, unknown, unknown>
  readonly #elementContext: ElementContext & ReadOnlyBroadcastContext
  readonly #broadcastContext: BroadcastElementContext
  readonly #collector: TimestampedCollector

  constructor(
    process: BroadcastProcessFunction<unknown, unknown, unknown>,
    descriptors: readonly BroadcastStateDescriptor[],
    context: OperatorContext,
  ) {
    super(context)
    this.#process = process
    const states = new BroadcastStates(descriptors, context)
    this.#elementContext = new ReadingContext(context, states)
    this.#broadcastContext = new BroadcastElementContext(context, states, undefined)
    this.#collector = new TimestampedCollector(context)
  }

  override open(): void {
    openFunction(this.#process, new OpeningContext(this.context), this.operatorName)
  }

  processElement(value: unknown, timestamp: number): void {
    this.#begin(this.#elementContext, timestamp)
    try {
      this.#process.processElement(value, this.#elementContext, this.#collector)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'processElement')
    }
  }

  override advanceWatermark(watermark: number, maxFirings: number): boolean {
    const done = super.advanceWatermark(watermark, maxFirings)
    this.#elementContext.currentWatermark = this.currentWatermark
    this.#broadcastContext.currentWatermark = this.currentWatermark
    return done
  }

  override endInput(): void {
    closeFunction(this.#process, this.operatorName)
  }

  override snapshot(_barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: undefined,
      operatorState: this.context.operatorState.snapshot(),
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }

  #processBroadcast(value: unknown, timestamp: number): void {
    this.#begin(this.#broadcastContext, timestamp)
    try {
      this.#process.processBroadcastElement(value, this.#broadcastContext, this.#collector)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'processBroadcastElement')
    }
  }

  #begin(elementContext: ElementContext, timestamp: number): void {
    this.metrics.recordsIn++
    elementContext.timestamp = timestamp
    elementContext.outputTimestamp = timestamp
    this.#collector.timestamp = timestamp
  }
}

class ReadingContext extends ElementContext implements ReadOnlyBroadcastContext {
  readonly broadcastState: ReadOnlyBroadcastContext['broadcastState']

  constructor(context: OperatorContext, states: BroadcastStates) {
    super(context)
    this.broadcastState = (descriptor) => states.readOnly(descriptor)
  }
}
