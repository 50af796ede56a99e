import type { MapFunction } from '../../api/functions.ts'
import type { OperatorContext } from '../operator.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'

/** One record for each record. */
export class MapOperator extends OperatorBase {
  readonly #map: MapFunction<unknown, unknown>

  constructor(map: MapFunction<unknown, unknown>, context: OperatorContext) {
    super(context)
    this.#map = map
  }

  processElement(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    let mapped: unknown
    try {
      mapped = this.#map(value)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'map')
    }
    this.metrics.recordsOut++
    this.output.processElement(mapped, timestamp)
  }
}
