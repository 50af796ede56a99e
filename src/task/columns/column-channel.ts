import { ColumnBatch, type ColumnLayout, columnBufferLength } from '../../columns/column-batch.ts'
import type { ColumnTarget } from '../../columns/scan-script.ts'
import type { ControlItem } from '../channel-item.ts'
import type { Connection, EdgeChannel } from '../output-channel.ts'

/** The sending end of a channel that carries columns: rows are written where they are shipped from. */
export class ColumnChannel implements EdgeChannel, ColumnTarget {
  readonly batch: ColumnBatch
  readonly #connection: Connection
  readonly #bufferLength: number
  shipped = 0

  constructor(connection: Connection, layout: ColumnLayout) {
    this.#connection = connection
    this.#bufferLength = columnBufferLength(layout)
    this.batch = new ColumnBatch(layout)
    this.batch.open(new ArrayBuffer(this.#bufferLength))
  }

  get writable(): boolean {
    return this.#connection.credits > 0
  }

  get buffered(): boolean {
    return this.batch.count > 0
  }

  /** Ships what there is, credit or not: the output of one batch may overflow (R33). */
  flush(): void {
    const { batch } = this
    if (batch.count === 0) return
    this.shipped += batch.count
    const free = this.#connection.shipColumns(batch.buffer, { count: batch.count, bytes: batch.keysEnd })
    batch.open(free !== undefined && free.byteLength >= this.#bufferLength ? free : new ArrayBuffer(this.#bufferLength))
  }

  control(item: ControlItem): void {
    this.flush()
    this.#connection.control(item)
  }
}
