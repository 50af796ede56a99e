import type { ReduceFunction } from '../../api/functions.ts'
import type { DataType } from '../../formats/data-type.ts'
import type { AccumulatorState } from '../../state/accumulator-state.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { KeySelection } from './key-selection.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'
import { type ValueCopy, valueCopyOf } from './value-copy.ts'

/**
 * Combines the values of a key and emits the combination for each. The function may change and return what is kept, so
 * the kept value is never a record that came in, nor one that was emitted (R7).
 */
export class ReduceOperator extends OperatorBase {
  readonly #reduce: ReduceFunction<unknown>
  readonly #copy: ValueCopy
  readonly #keys: KeySelection
  readonly #kept: AccumulatorState<unknown>
  /** The record at hand, for `create`. */
  #value: unknown
  #isFirst = false

  constructor(reduce: ReduceFunction<unknown>, type: DataType<unknown>, context: OperatorContext) {
    super(context)
    this.#reduce = reduce
    this.#copy = valueCopyOf(type)
    this.#keys = new KeySelection(context)
    this.#kept = this.#keys.keyedState.accumulators('$reduce', { create: () => this.#createFromRecord(), type })
  }

  processElement(value: unknown, timestamp: number): void {
    this.#keys.select(value)
    this.#combine(value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.#keys.selectHashed(value, keyHash)
    this.#combine(value, timestamp)
  }

  override snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: this.#keys.keyedState.snapshot(barrier),
      operatorState: undefined,
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }

  #combine(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    this.#value = value
    const kept = this.#kept.forUpdate()
    this.#value = undefined
    this.metrics.recordsOut++
    if (this.#isFirst) {
      this.#isFirst = false
      this.output.processElement(value, timestamp)
      return
    }
    let combined: unknown
    try {
      combined = this.#reduce(kept, value)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'reduce')
    }
    const emitted = combined === value ? value : this.#copy(combined)
    if (combined === value) this.#kept.set(this.#copy(value))
    else if (combined !== kept) this.#kept.set(combined)
    this.output.processElement(emitted, timestamp)
  }

  #createFromRecord(): unknown {
    this.#isFirst = true
    return this.#copy(this.#value)
  }
}
