import type { Collector } from '../../api/functions.ts'
import { noTimestamp } from '../../common/timestamps.ts'
import type { OperatorContext, OperatorMetrics, Receiver } from '../operator.ts'

/** What user functions collect gets the timestamp of the record, timer or window that is being handled. */
export class TimestampedCollector implements Collector<unknown> {
  timestamp = noTimestamp
  readonly #output: Receiver
  readonly #metrics: OperatorMetrics

  constructor(context: OperatorContext) {
    this.#output = context.output
    this.#metrics = context.metrics
  }

  collect(value: unknown): void {
    this.#metrics.recordsOut++
    this.#output.processElement(value, this.timestamp)
  }
}
