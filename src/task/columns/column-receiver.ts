import { columnRows } from '../../columns/column-batch.ts'
import type { ColumnValue } from '../../columns/column-plan.ts'
import { type Evaluation, evaluationOf } from '../../columns/evaluate.ts'
import type { ColumnTarget } from '../../columns/scan-script.ts'
import { keyGroupOf } from '../../common/key-groups.ts'
import type { RecordType } from '../../formats/data-type.ts'
import { wrongValue } from '../../formats/serializer.ts'
import type { Receiver } from '../operator.ts'

/** The records of an edge, and what is asked of them. */
export interface ReceivedColumns {
  readonly record: RecordType<unknown>
  readonly values: readonly ColumnValue[]
}

/** Makes columns of objects: at the border, and of what a scan was not certain of. */
export class ColumnReceiver implements Receiver {
  readonly #record: RecordType<unknown>
  readonly #targets: readonly ColumnTarget[]
  readonly #values: readonly Evaluation[]
  readonly #hashOf: (value: unknown) => number

  /** Targets are by key group, or one for all; `hashOf` leaves the key's bytes in the scratch. */
  constructor(
    { record, values }: ReceivedColumns,
    targets: readonly ColumnTarget[],
    hashOf: (value: unknown) => number,
  ) {
    this.#record = record
    this.#targets = targets
    this.#hashOf = hashOf
    this.#values = values.map(({ expression }) => evaluationOf(expression))
  }

  processElement(value: unknown, timestamp: number): void {
    const numbers = this.#values.map((evaluate) => this.#number(evaluate, value))
    const hash = this.#hashOf(value)
    const target = this.#targets[keyGroupOf(hash, this.#targets.length)] as ColumnTarget
    const { batch } = target
    const row = batch.count
    batch.addScratchKey(hash)
    batch.timestamps[row] = timestamp
    numbers.forEach((number, index) => {
      ;(batch.values[index] as Float64Array)[row] = number ?? 0
      ;(batch.nulls[index] as Uint8Array)[row] = number === null ? 1 : 0
    })
    batch.count = row + 1
    if (row + 1 === columnRows) target.flush()
  }

  #number(evaluate: Evaluation, record: unknown): number | null {
    if (typeof record !== 'object' || record === null) throw wrongValue(this.#record, record)
    const number = evaluate(record as Readonly<Record<string, unknown>>)
    if (typeof number !== 'number' && number !== null) throw wrongValue(this.#record, record)
    return number
  }
}
