import type { FlatMapFunction } from '../../api/functions.ts'
import type { OperatorContext } from '../operator.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

/** Any number of records for each record. */
export class FlatMapOperator extends OperatorBase {
  readonly #flatMap: FlatMapFunction<unknown, unknown>

  constructor(flatMap: FlatMapFunction<unknown, unknown>, context: OperatorContext) {
    super(context)
    this.#flatMap = flatMap
  }

  processElement(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    // A generator runs the user's code between the records that it gives, so the loop is inside the try; errors of
    // later operators come through it already wrapped.
    try {
      for (const item of this.#flatMap(value)) {
        this.metrics.recordsOut++
        this.output.processElement(item, timestamp)
      }
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'flatMap')
    }
  }
}
