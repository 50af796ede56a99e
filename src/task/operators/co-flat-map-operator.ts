import type { CoFlatMapFunction } from '../../api/co-functions.ts'
import type { InputReceiver, OperatorContext } from '../operator.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

/** Any number of records for each record of two streams. */
export class CoFlatMapOperator extends OperatorBase {
  readonly secondInput: InputReceiver = {
    processElement: (value, timestamp) => this.#flatMap('flatMap2', value, timestamp),
  }
  readonly #functions: CoFlatMapFunction<unknown, unknown, unknown>

  constructor(functions: CoFlatMapFunction<unknown, unknown, unknown>, context: OperatorContext) {
    super(context)
    this.#functions = functions
  }

  processElement(value: unknown, timestamp: number): void {
    this.#flatMap('flatMap1', value, timestamp)
  }

  #flatMap(name: 'flatMap1' | 'flatMap2', value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    // As in FlatMapOperator: a generator runs between the records that it gives.
    try {
      for (const item of this.#functions[name](value)) {
        this.metrics.recordsOut++
        this.output.processElement(item, timestamp)
      }
    } catch (error) {
      throw userFunctionError(error, this.operatorName, name)
    }
  }
}
