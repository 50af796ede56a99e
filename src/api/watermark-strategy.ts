import { evaluationOf } from '../columns/evaluate.ts'
import type { Duration } from '../common/duration.ts'
import { declaredDurationMs, declaredSynchronousFunction } from './declaration.ts'
import { col, Expression } from './expressions.ts'
import type { WatermarkGenerator, WatermarkOutput, WatermarkSpecification } from './watermarks.ts'

/**
 * How a stream gets its event timestamps and watermarks: a way to make watermarks, then `withTimestamps`.
 *
 * A watermark t says that no record with a timestamp of t or less is expected any more. Each split of a source has its
 * own generator; the source's watermark is the lowest of them.
 * @example
 * ```ts
 * import { job, WatermarkStrategy } from 'millrace'
 *
 * export default job('sensors', (env) => {
 *   const strategy = WatermarkStrategy.forBoundedOutOfOrderness('5s')
 *     .withIdleness('1min')
 *     .withTimestamps((reading: { readonly at: number }) => reading.at)
 *   env.fromCollection([{ at: 1 }]).assignTimestampsAndWatermarks(strategy)
 * })
 * ```
 */
export class WatermarkStrategy<T> {
  /** What the engine works by. */
  readonly specification: WatermarkSpecification<T>

  private constructor(specification: WatermarkSpecification<T>) {
    this.specification = specification
  }

  /** For timestamps that never go back within a split. */
  static forMonotonousTimestamps(): WatermarkStrategy<unknown> {
    return WatermarkStrategy.forBoundedOutOfOrderness(0)
  }

  /**
   * For records that come at most this much later than a record with a higher timestamp. The watermark is the highest
   * timestamp so far − the bound − 1 ms, as in Flink.
   * @throws MillraceError MR_JOB_DEFINITION where the bound is no duration
   */
  static forBoundedOutOfOrderness(bound: Duration): WatermarkStrategy<unknown> {
    const boundMs = declaredDurationMs(bound, 'WatermarkStrategy.forBoundedOutOfOrderness', 'the bound', 0)
    return WatermarkStrategy.#of({ createGenerator: () => boundedOutOfOrderness(boundMs), highestTimestampOnly: true })
  }

  /** Watermarks of one's own: `createGenerator` is called once for each split of the source. */
  static forGenerator<T = unknown>(createGenerator: () => WatermarkGenerator<T>): WatermarkStrategy<T> {
    declaredSynchronousFunction(createGenerator, 'WatermarkStrategy.forGenerator', 'createGenerator')
    return WatermarkStrategy.#of({ createGenerator })
  }

  /** For jobs without event time: no window fires before the input ends. */
  static noWatermarks(): WatermarkStrategy<unknown> {
    return WatermarkStrategy.#of({})
  }

  static #of<T>(given: Partial<WatermarkSpecification<T>>): WatermarkStrategy<T> {
    return new WatermarkStrategy({
      timestampOf: undefined,
      createGenerator: undefined,
      idleTimeoutMs: undefined,
      ...given,
    })
  }

  /**
   * Takes the timestamp, epoch milliseconds, from the record. Left out, a record keeps the timestamp of its source, such
   * as Kafka's. Call it last: the type of the record is inferred from the stream that gets the strategy.
   * @param timestampOf gets the record, and the timestamp that it had before (`noTimestamp`: none); or the name of the
   *   field that holds it; or an expression, such as `col('time').toNumber()`
   */
  withTimestamps<Value extends T>(
    timestampOf: (value: Value, recordTimestamp: number) => number,
  ): WatermarkStrategy<Value>
  withTimestamps<Field extends string>(field: Field): WatermarkStrategy<{ readonly [Name in Field]: number }>
  withTimestamps<Field extends string>(
    expression: Expression<Field, number | null, string>,
  ): WatermarkStrategy<{ readonly [Name in Field]: unknown }>
  withTimestamps<Value extends T>(
    timestampOf:
      | string
      | Expression<string, number | null, string>
      | ((value: Value, recordTimestamp: number) => number),
  ): WatermarkStrategy<Value> {
    if (typeof timestampOf === 'string' || timestampOf instanceof Expression) {
      const { data: timestampExpression } = typeof timestampOf === 'string' ? col(timestampOf) : timestampOf
      const evaluate = evaluationOf(timestampExpression) as (value: unknown) => number
      return new WatermarkStrategy<Value>({ ...this.specification, timestampOf: evaluate, timestampExpression })
    }
    declaredSynchronousFunction(timestampOf, 'WatermarkStrategy.withTimestamps', 'timestampOf')
    const { timestampExpression: _, ...others } = this.specification
    return new WatermarkStrategy<Value>({ ...others, timestampOf })
  }

  /**
   * A split without records for this long holds back no watermark until its next record.
   * @throws MillraceError MR_JOB_DEFINITION where the timeout is no duration or 0
   */
  withIdleness(timeout: Duration): WatermarkStrategy<T> {
    const idleTimeoutMs = declaredDurationMs(timeout, 'WatermarkStrategy.withIdleness', 'the timeout', 1)
    return new WatermarkStrategy({ ...this.specification, idleTimeoutMs })
  }
}

/** Flink's BoundedOutOfOrdernessWatermarks. */
function boundedOutOfOrderness(boundMs: number): WatermarkGenerator<unknown> {
  let highest = Number.NEGATIVE_INFINITY
  return {
    onEvent(_value: unknown, timestamp: number): void {
      if (timestamp > highest) highest = timestamp
    },
    onPeriodicEmit(output: WatermarkOutput): void {
      if (highest !== Number.NEGATIVE_INFINITY) output.emitWatermark(highest - boundMs - 1)
    },
  }
}
