import type { CoMapFunction } from '../../api/co-functions.ts'
import type { InputReceiver, OperatorContext } from '../operator.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

/** One record for each record of two streams. */
export class CoMapOperator extends OperatorBase {
  readonly secondInput: InputReceiver = {
    processElement: (value, timestamp) => this.#map('map2', value, timestamp),
  }
  readonly #functions: CoMapFunction<unknown, unknown, unknown>

  constructor(functions: CoMapFunction<unknown, unknown, unknown>, context: OperatorContext) {
    super(context)
    this.#functions = functions
  }

  processElement(value: unknown, timestamp: number): void {
    this.#map('map1', value, timestamp)
  }

  #map(name: 'map1' | 'map2', value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    let mapped: unknown
    try {
      mapped = this.#functions[name](value)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, name)
    }
    this.metrics.recordsOut++
    this.output.processElement(mapped, timestamp)
  }
}
