import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { Operator, OperatorContext, OperatorMetrics, OperatorSnapshot, Receiver } from '../operator.ts'

/** An operator that keeps nothing and waits for nothing. The others override what they do differently. */
export abstract class OperatorBase implements Operator {
  readonly writable: boolean = true
  protected readonly context: OperatorContext
  protected readonly output: Receiver
  protected readonly metrics: OperatorMetrics
  protected readonly operatorName: string
  /** The watermark that user functions see: while it fires timers, the new one. */
  protected currentWatermark: number

  constructor(context: OperatorContext) {
    this.context = context
    this.output = context.output
    this.metrics = context.metrics
    this.operatorName = context.operatorName
    this.currentWatermark = context.restoredWatermark
  }

  abstract processElement(value: unknown, timestamp: number): void

  open(): void {}

  advanceWatermark(watermark: number, _maxFirings: number): boolean {
    this.currentWatermark = Math.max(this.currentWatermark, watermark)
    return true
  }

  advanceProcessingTime(_now: number, _maxFirings: number): boolean {
    return true
  }

  nextProcessingTime(): number {
    return Number.POSITIVE_INFINITY
  }

  endInput(): void {}

  snapshot(_barrier: CheckpointBarrier): OperatorSnapshot {
    return { keyed: undefined, operatorState: undefined, committables: undefined, watermark: this.currentWatermark }
  }

  async checkpointCompleted(_id: number): Promise<void> {}

  async dispose(): Promise<void> {}
}
