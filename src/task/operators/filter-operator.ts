import type { FilterFunction } from '../../api/functions.ts'
import type { OperatorContext } from '../operator.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

/** Passes on the records that the function accepts. */
export class FilterOperator extends OperatorBase {
  readonly #filter: FilterFunction<unknown>

  constructor(filter: FilterFunction<unknown>, context: OperatorContext) {
    super(context)
    this.#filter = filter
  }

  processElement(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    let accepted: boolean
    try {
      accepted = this.#filter(value)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'filter')
    }
    if (!accepted) return
    this.metrics.recordsOut++
    this.output.processElement(value, timestamp)
  }
}
