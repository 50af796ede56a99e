import type { WatermarkGenerator, WatermarkSpecification } from '../../api/watermarks.ts'
import { endWatermark } from '../../common/timestamps.ts'
import type { GeneratedWatermarks, OperatorContext } from '../operator.ts'
import { timestampsOf } from '../stream-watermarks.ts'
import { GeneratorOutput } from './generator-output.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

/**
 * Gives the records of a stream timestamps and watermarks in place of those that they have. Watermarks of the input are
 * ignored, but for the last one: with it the input has ended, and so have the generated ones.
 */
export class TimestampsAndWatermarksOperator extends OperatorBase {
  readonly #timestampOf: ((value: unknown, recordTimestamp: number) => number) | undefined
  readonly #generator: WatermarkGenerator<unknown> | undefined
  readonly #generated: GeneratorOutput
  readonly #intervalMs: number
  /** Between two turns of the generator and of idleness. */
  readonly #tickMs: number
  readonly #idleTimeoutMs: number
  #nextEmitAt = Number.POSITIVE_INFINITY
  #lastEmitAt = 0
  #quietMs = 0

  constructor(specification: WatermarkSpecification<unknown>, context: OperatorContext) {
    super(context)
    this.#timestampOf = timestampsOf(specification, context.operatorName)
    this.#generator = specification.createGenerator?.()
    this.#generated = new GeneratorOutput(context.restoredWatermark)
    this.#intervalMs = context.autoWatermarkIntervalMs
    this.#idleTimeoutMs = specification.idleTimeoutMs ?? Number.POSITIVE_INFINITY
    const isPeriodic = this.#generator !== undefined || Number.isFinite(this.#idleTimeoutMs)
    const tickMs = this.#intervalMs > 0 ? this.#intervalMs : Math.max(1, this.#idleTimeoutMs / 2)
    this.#tickMs = isPeriodic ? tickMs : Number.POSITIVE_INFINITY
  }

  get generated(): GeneratedWatermarks {
    return this.#generated
  }

  override open(): void {
    this.#lastEmitAt = this.context.clock.now()
    this.#nextEmitAt = this.#lastEmitAt + this.#tickMs
  }

  processElement(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    const assigned = this.#timestampOf === undefined ? timestamp : this.#timestampOf(value, timestamp)
    this.metrics.recordsOut++
    this.output.processElement(value, assigned)
    this.#quietMs = 0
    this.#generated.idle = false
    if (this.#generator === undefined) return
    // Every batch asks for a watermark where the interval is 0; only a record can make it differ from the one before.
    if (this.#intervalMs === 0) this.#nextEmitAt = Number.NEGATIVE_INFINITY
    try {
      this.#generator.onEvent(value, assigned, this.#generated)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'onEvent of the watermark generator')
    }
  }

  override advanceWatermark(watermark: number): boolean {
    if (watermark !== endWatermark) return true
    this.#emit()
    this.#nextEmitAt = Number.POSITIVE_INFINITY
    this.#generated.emitWatermark(endWatermark)
    return true
  }

  override advanceProcessingTime(now: number): boolean {
    if (now < this.#nextEmitAt) return true
    // A task that was held up had no chance to see records: a long gap counts as one interval, not as idle time (R19).
    this.#quietMs += Math.min(now - this.#lastEmitAt, this.#tickMs)
    this.#lastEmitAt = now
    if (this.#quietMs >= this.#idleTimeoutMs) this.#generated.markIdle()
    else this.#emit()
    this.#nextEmitAt = now + this.#tickMs
    return true
  }

  override nextProcessingTime(): number {
    return this.#nextEmitAt
  }

  override snapshot(): ReturnType<OperatorBase['snapshot']> {
    this.currentWatermark = this.#generated.watermark
    return { keyed: undefined, operatorState: undefined, committables: undefined, watermark: this.currentWatermark }
  }

  #emit(): void {
    try {
      this.#generator?.onPeriodicEmit(this.#generated)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'onPeriodicEmit of the watermark generator')
    }
  }
}
