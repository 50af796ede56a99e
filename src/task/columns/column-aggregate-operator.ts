import { accumulatorTypeOf, initialValues } from '../../columns/aggregate.ts'
import { compileReceive, type Receive, type ResultTarget } from '../../columns/aggregate-script.ts'
import { ColumnBatch } from '../../columns/column-batch.ts'
import type { EdgeColumns } from '../../columns/column-plan.ts'
import { MillraceError } from '../../common/errors.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { OperatorBase } from '../operators/operator-base.ts'

/**
 * The running aggregate over batches of columns, fused with the filters and projections behind it. Its state is that of
 * the AggregateOperator, name, type and bytes, so that a job may run on columns once and on objects the next time.
 */
export class ColumnAggregateOperator extends OperatorBase {
  readonly #keyedState: KeyedStateBackend
  readonly #batch: ColumnBatch
  readonly #receive: Receive

  constructor(columns: EdgeColumns, target: ResultTarget, context: OperatorContext) {
    super(context)
    const { keyedState } = context
    if (keyedState === undefined) throw new MillraceError('MR_INTERNAL', `"${this.operatorName}" got no keyed state`)
    const { aggregate } = columns.receive
    this.#keyedState = keyedState
    this.#batch = new ColumnBatch({ values: columns.values.length })
    const table = keyedState.accumulatorTable('$aggregate', accumulatorTypeOf(aggregate))
    table.initialValue = initialValues(aggregate)
    this.#receive = compileReceive({ plan: columns.receive, table, target })
  }

  processElement(): void {
    throw new MillraceError('MR_INTERNAL', `"${this.operatorName}" gets columns, and got a record`)
  }

  processColumns(buffer: ArrayBuffer, count: number): void {
    this.metrics.recordsIn += count
    this.#batch.read(buffer, count)
    this.metrics.recordsOut += this.#receive(this.#batch)
    this.#batch.close()
  }

  override snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: this.#keyedState.snapshot(barrier),
      operatorState: undefined,
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }
}
