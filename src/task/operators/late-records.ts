import type { OutputTag } from '../../api/functions.ts'
import { MillraceError } from '../../common/errors.ts'
import { noTimestamp } from '../../common/timestamps.ts'
import type { OperatorContext, OperatorMetrics } from '../operator.ts'
import { SideOutputs } from './side-outputs.ts'

/** Records that no window takes any more: they go to a side output, or are counted where the job has none. */
export class LateRecords {
  readonly #tag: OutputTag<unknown> | undefined
  readonly #sideOutputs: SideOutputs
  readonly #metrics: OperatorMetrics

  constructor(tag: OutputTag<unknown> | undefined, context: OperatorContext) {
    this.#tag = tag
    this.#sideOutputs = new SideOutputs(context)
    this.#metrics = context.metrics
  }

  take(value: unknown, timestamp: number): void {
    if (this.#tag === undefined) this.#metrics.lateRecordsDropped++
    else this.#sideOutputs.emit(this.#tag, value, timestamp)
  }
}

/** @throws MillraceError MR_JOB_DEFINITION where the record has no timestamp: no restart would help */
export function assertTimestamp(timestamp: number, operatorName: string): void {
  if (Number.isFinite(timestamp)) return
  const what = timestamp === noTimestamp ? 'no timestamp' : `the timestamp ${timestamp}`
  throw new MillraceError(
    'MR_JOB_DEFINITION',
    `A record with ${what} reached the event-time window "${operatorName}". Give its source a WatermarkStrategy with timestamps (WatermarkStrategy.forBoundedOutOfOrderness('5s').withTimestamps(…)), or the stream assignTimestampsAndWatermarks(…).`,
    { operator: operatorName },
  )
}
