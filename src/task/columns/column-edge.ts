import type { Key, KeySelector } from '../../api/functions.ts'
import { columnRows } from '../../columns/column-batch.ts'
import type { EdgeColumns } from '../../columns/column-plan.ts'
import { type Evaluation, evaluationOf } from '../../columns/evaluate.ts'
import { hashKey } from '../../common/key.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../../common/key-groups.ts'
import { wrongValue } from '../../formats/serializer.ts'
import { EdgeWriter, keyError } from '../edge-writer.ts'
import type { Receiver } from '../operator.ts'
import type { Connection } from '../output-channel.ts'
import { ColumnChannel } from './column-channel.ts'

interface ColumnReceiverOptions {
  readonly keySelector: KeySelector<unknown, Key> | undefined
  /** Of the receiving vertex. */
  readonly maxParallelism: number
  readonly receiverName: string
}

/** The writer of an edge that carries columns: objects come through its receiver, a scan writes by itself. */
export function createColumnEdgeWriter(
  columns: EdgeColumns,
  connections: readonly Connection[],
  options: ColumnReceiverOptions,
): EdgeWriter {
  const layout = { values: columns.values.length }
  const channels = connections.map((connection) => new ColumnChannel(connection, layout))
  const targets = Array.from(
    { length: options.maxParallelism },
    (_, keyGroup) => channels[subtaskOfKeyGroup(keyGroup, channels.length, options.maxParallelism)] as ColumnChannel,
  )
  return new EdgeWriter(new ColumnReceiver(columns, targets, options), channels, { columnTargets: targets })
}

/** Makes columns of objects: at the border, and of what a scan was not certain of. */
class ColumnReceiver implements Receiver {
  readonly #columns: EdgeColumns
  readonly #targets: readonly ColumnChannel[]
  readonly #options: ColumnReceiverOptions
  readonly #values: readonly Evaluation[]

  constructor(columns: EdgeColumns, targets: readonly ColumnChannel[], options: ColumnReceiverOptions) {
    this.#columns = columns
    this.#targets = targets
    this.#options = options
    this.#values = columns.values.map(({ expression }) => evaluationOf(expression))
  }

  processElement(value: unknown, timestamp: number): void {
    const numbers = this.#values.map((evaluate) => this.#number(evaluate, value))
    const hash = this.#hash(value)
    const target = this.#targets[keyGroupOf(hash, this.#options.maxParallelism)] as ColumnChannel
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
    if (typeof record !== 'object' || record === null) throw wrongValue(this.#columns.record, record)
    const number = evaluate(record as Readonly<Record<string, unknown>>)
    if (typeof number !== 'number' && number !== null) throw wrongValue(this.#columns.record, record)
    return number
  }

  #hash(value: unknown): number {
    const { keySelector, receiverName } = this.#options
    try {
      return hashKey(keySelector?.(value) as Key)
    } catch (error) {
      throw keyError(error, receiverName)
    }
  }
}
