import type { ProcessFunction } from '../../api/functions.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { ElementContext } from './element-context.ts'
import { closeFunction, openFunction } from './function-life.ts'
import { OpeningContext } from './opening-context.ts'
import { OperatorBase } from './operator-base.ts'
import { TimestampedCollector } from './timestamped-collector.ts'
import { userFunctionError } from './user-function-error.ts'

/** A function with side outputs and operator state. */
export class ProcessOperator extends OperatorBase {
  readonly #process: ProcessFunction<unknown, unknown>
  readonly #elementContext: ElementContext
  readonly #collector: TimestampedCollector

  constructor(process: ProcessFunction<unknown, unknown>, context: OperatorContext) {
    super(context)
    this.#process = process
    this.#elementContext = new ElementContext(context)
    this.#collector = new TimestampedCollector(context)
  }

  override open(): void {
    openFunction(this.#process, new OpeningContext(this.context), this.operatorName)
  }

  processElement(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    this.#elementContext.timestamp = timestamp
    this.#elementContext.outputTimestamp = timestamp
    this.#collector.timestamp = timestamp
    try {
      this.#process.processElement(value, this.#elementContext, this.#collector)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'processElement')
    }
  }

  override advanceWatermark(watermark: number, maxFirings: number): boolean {
    const done = super.advanceWatermark(watermark, maxFirings)
    this.#elementContext.currentWatermark = this.currentWatermark
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
}
