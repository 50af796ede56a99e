import type { AggregateFunction } from '../../api/functions.ts'
import type { WithKey } from '../../graph/operator-spec.ts'
import type { AccumulatorState } from '../../state/accumulator-state.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { KeySelection } from './key-selection.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'
import { type ValueCopy, valueCopyOf } from './value-copy.ts'

/** Folds the values of a key and emits the result for each. */
export class AggregateOperator extends OperatorBase {
  readonly #aggregate: AggregateFunction<unknown, unknown, unknown>
  readonly #withKey: WithKey | undefined
  readonly #copy: ValueCopy
  readonly #keys: KeySelection
  readonly #accumulators: AccumulatorState<unknown>

  constructor(
    aggregate: AggregateFunction<unknown, unknown, unknown>,
    withKey: WithKey | undefined,
    context: OperatorContext,
  ) {
    super(context)
    this.#aggregate = aggregate
    this.#withKey = withKey
    const type = aggregate.accumulatorType
    this.#copy = valueCopyOf(type)
    this.#keys = new KeySelection(context)
    this.#accumulators = this.#keys.keyedState.accumulators('$aggregate', {
      create: () => this.#create(),
      type,
    })
  }

  processElement(value: unknown, timestamp: number): void {
    this.#keys.select(value)
    this.#fold(value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.#keys.selectHashed(value, keyHash)
    this.#fold(value, timestamp)
  }

  override snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: this.#keys.keyedState.snapshot(barrier),
      operatorState: undefined,
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }

  #fold(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    const before = this.#accumulators.forUpdate()
    let result: unknown
    try {
      const accumulator = this.#aggregate.add(before, value)
      if (accumulator !== before) this.#accumulators.set(accumulator)
      result = this.#aggregate.getResult(accumulator)
      // getResult owes a fresh value; giving the accumulator itself is the one slip that can be seen (R7).
      if (result === accumulator) result = this.#copy(result)
      if (this.#withKey !== undefined) result = this.#withKey(this.#keys.keyedState.currentKey, result)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'aggregate')
    }
    this.metrics.recordsOut++
    this.output.processElement(result, timestamp)
  }

  #create(): unknown {
    try {
      return this.#aggregate.createAccumulator()
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'createAccumulator')
    }
  }
}
