import type { ControlItem } from './channel-item.ts'
import type { RecordBatch } from './record-batch.ts'

/** Where the batches of a channel come from: a subtask of the same slot, or another slot. */
export interface ChannelOrigin {
  /** The batch of a frame; references are what they are. */
  open(shipment: RecordBatch | ArrayBuffer): RecordBatch
  /** The batch has been read: its credit goes back to the sender. */
  giveBack(): void
}

type Item = RecordBatch | ArrayBuffer | ControlItem

/** The receiving end of a channel: what has arrived and was not read yet, in order. */
export class InputChannel {
  #origin: ChannelOrigin | undefined
  #items: (Item | undefined)[] = []
  #head = 0
  #closed = false

  connect(origin: ChannelOrigin): void {
    this.#origin = origin
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  get nextIsControl(): boolean {
    const item = this.#items[this.#head]
    return item !== undefined && isControl(item)
  }

  pushRecords(shipment: RecordBatch | ArrayBuffer): void {
    if (!this.#closed) this.#items.push(shipment)
  }

  /** A watermark replaces one that waits directly before it, so that those of a slow receiver do not pile up. */
  pushControl(item: ControlItem): void {
    if (this.#closed) return
    const last = this.length === 0 ? undefined : this.#items[this.#items.length - 1]
    if (item.type === 'watermark' && last !== undefined && isControl(last) && last.type === 'watermark') {
      this.#items[this.#items.length - 1] = item
    } else {
      this.#items.push(item)
    }
  }

  /** The next item; a batch is to be read at once and then given back. */
  take(): RecordBatch | ControlItem | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head] as Item
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items.length = 0
      this.#head = 0
    }
    if (isControl(item)) return item
    if (this.#origin === undefined) throw new TypeError('records on a channel that is not connected')
    return this.#origin.open(item)
  }

  giveBack(): void {
    this.#origin?.giveBack()
  }

  /** The subtask is gone: what waits and what still comes is dropped, without credit. */
  close(): void {
    this.#closed = true
    this.#items = []
    this.#head = 0
  }
}

export function isControl(item: Item): item is ControlItem {
  return 'type' in item
}
