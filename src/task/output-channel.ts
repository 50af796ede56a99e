import type { ControlItem } from './channel-item.ts'
import { type ColumnRows, columnCount, writeColumnHeader } from './frame.ts'
import type { ChannelOrigin, InputChannel } from './input-channel.ts'
import { RecordBatch, recordsPerBatch } from './record-batch.ts'

/** Batches of a channel that may be on their way or unread (R33). */
export const creditsPerChannel = 8

/** The way to a receiver: in the same slot, or in another one. */
export interface Connection {
  /** Batches that may be sent before one is given back. Below 1 after an overflow, which the task waits out (R33). */
  readonly credits: number
  /** Takes a full batch and gives an empty one to fill. */
  ship(batch: RecordBatch): RecordBatch
  /** The same of columns; undefined: there is no empty buffer yet. */
  shipColumns(buffer: ArrayBuffer, rows: ColumnRows): ArrayBuffer | undefined
  control(item: ControlItem): void
}

/** The sending end of a channel, as an edge sees it: one of records, or one of columns. */
export interface EdgeChannel {
  readonly writable: boolean
  readonly buffered: boolean
  /** Records that were shipped. */
  readonly shipped: number
  flush(): void
  /** Behind all records that were added before. */
  control(item: ControlItem): void
}

/** The sending end of a channel: fills batches and ships them. */
export class OutputChannel implements EdgeChannel {
  readonly #connection: Connection
  #batch: RecordBatch
  /** Records that were shipped. */
  shipped = 0

  constructor(connection: Connection, hashed: boolean) {
    this.#connection = connection
    this.#batch = RecordBatch.ofCapacity(hashed)
  }

  get writable(): boolean {
    return this.#connection.credits > 0
  }

  get buffered(): boolean {
    return this.#batch.count > 0
  }

  add(value: unknown, timestamp: number): void {
    const batch = this.#batch
    const at = batch.count
    batch.values[at] = value
    batch.timestamps[at] = timestamp
    batch.count = at + 1
    if (at + 1 === recordsPerBatch) this.flush()
  }

  addHashed(value: unknown, timestamp: number, keyHash: number): void {
    const batch = this.#batch
    const at = batch.count
    batch.values[at] = value
    batch.timestamps[at] = timestamp
    ;(batch.keyHashes as Int32Array)[at] = keyHash
    batch.count = at + 1
    if (at + 1 === recordsPerBatch) this.flush()
  }

  /** Ships what there is, credit or not: the output of one batch may overflow (R33). */
  flush(): void {
    const count = this.#batch.count
    if (count === 0) return
    this.shipped += count
    this.#batch = this.#connection.ship(this.#batch)
  }

  /** Behind all records that were added before. */
  control(item: ControlItem): void {
    this.flush()
    this.#connection.control(item)
  }
}

/** A channel inside a slot: batches are handed over as they are, values by reference, and come back as the credit. */
export class LocalConnection implements Connection, ChannelOrigin {
  readonly #input: InputChannel
  readonly #hashed: boolean
  readonly #free: RecordBatch[] = []
  readonly #freeBuffers: ArrayBuffer[] = []
  readonly #columns = new RecordBatch(new Float64Array(0), undefined)
  #reading: RecordBatch | undefined
  credits = creditsPerChannel

  constructor(input: InputChannel, hashed: boolean) {
    this.#input = input
    this.#hashed = hashed
    input.connect(this)
  }

  ship(batch: RecordBatch): RecordBatch {
    this.credits--
    this.#input.pushRecords(batch)
    return this.#free.pop() ?? RecordBatch.ofCapacity(this.#hashed)
  }

  shipColumns(buffer: ArrayBuffer, rows: ColumnRows): ArrayBuffer | undefined {
    writeColumnHeader(buffer, 0, rows)
    this.credits--
    this.#input.pushRecords(buffer)
    return this.#freeBuffers.pop()
  }

  control(item: ControlItem): void {
    this.#input.pushControl(item)
  }

  open(shipment: RecordBatch | ArrayBuffer): RecordBatch {
    this.#reading = shipment instanceof ArrayBuffer ? openColumns(this.#columns, shipment) : shipment
    return this.#reading
  }

  giveBack(): void {
    const batch = this.#reading
    if (batch === undefined) return
    this.#reading = undefined
    this.credits++
    if (batch.columns !== undefined) {
      if (this.#freeBuffers.length < creditsPerChannel) this.#freeBuffers.push(batch.columns)
      batch.columns = undefined
      return
    }
    batch.clear()
    if (this.#free.length < creditsPerChannel) this.#free.push(batch)
  }
}

/** A batch of columns as an input channel gives it. */
export function openColumns(batch: RecordBatch, buffer: ArrayBuffer): RecordBatch {
  batch.columns = buffer
  batch.count = columnCount(buffer)
  return batch
}
