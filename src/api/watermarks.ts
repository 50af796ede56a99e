import type { Expression } from '../columns/expression.ts'

/** Where a generator puts watermarks. */
export interface WatermarkOutput {
  /** No record with a timestamp at or below `watermark` is expected any more. Lower ones than before are ignored. */
  emitWatermark(watermark: number): void
  /** Until the next record this split or input holds back no watermark. */
  markIdle(): void
}

/** Flink's WatermarkGenerator: one instance for each split of a source. */
export interface WatermarkGenerator<T> {
  onEvent(value: T, timestamp: number, output: WatermarkOutput): void
  /** Called every `pipeline.auto-watermark-interval`, and when the input ends. */
  onPeriodicEmit(output: WatermarkOutput): void
}

/** How a stream gets its timestamps and watermarks; made by `WatermarkStrategy` of watermark-strategy.ts. */
export interface WatermarkSpecification<T> {
  /** undefined: the record's own timestamp, such as Kafka's. */
  readonly timestampOf: ((value: T, recordTimestamp: number) => number) | undefined
  /** undefined: no watermarks. */
  readonly createGenerator: (() => WatermarkGenerator<T>) | undefined
  /** What timestampOf computes, where it was given by name or as an expression. */
  readonly timestampExpression?: Expression
  /** The generator cares for timestamps alone, and of several records for the highest. */
  readonly highestTimestampOnly?: true
  /** A split without records for this long holds back no watermark (R19); undefined: never idle. */
  readonly idleTimeoutMs: number | undefined
}
