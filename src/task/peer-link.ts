import type { ChannelId } from '../common/ids.ts'
import type { BatchCodec } from '../formats/format.ts'
import type { ControlItem } from './channel-item.ts'
import {
  asCredit,
  type ColumnRows,
  channelNumberOf,
  decodeFrame,
  encodeFrame,
  isCredit,
  largestPooledBuffer,
  writeColumnHeader,
} from './frame.ts'
import type { ChannelOrigin, InputChannel } from './input-channel.ts'
import { type Connection, creditsPerChannel, openColumns } from './output-channel.ts'
import { RecordBatch } from './record-batch.ts'
import type { PeerPort } from './slot-host.ts'

/** Messages beside the frames, plain data. A sender numbers its channels of a link and says so before it uses them. */
export type LinkMessage =
  | { readonly type: 'open'; readonly channelNumber: number; readonly channelId: ChannelId }
  | { readonly type: 'control'; readonly channelNumber: number; readonly item: ControlItem }
  /** The credit for a frame whose buffer was too large to be kept. */
  | { readonly type: 'credit'; readonly channelNumber: number }

/** All channels between two slots of one deployment, over one port, in both directions. */
export class PeerLink {
  readonly #port: PeerPort
  readonly #inputs = new Map<ChannelId, InputChannel>()
  /** By the number that the other side gave the channel. */
  readonly #openInputs: (InputChannel | undefined)[] = []
  readonly #outputs: RemoteConnection[] = []
  /** undefined: of channels that carry columns. */
  readonly #codecs = new Map<ChannelId, BatchCodec | undefined>()

  constructor(port: PeerPort, wake: () => void) {
    this.#port = port
    port.onArrival(wake)
  }

  addInput(channelId: ChannelId, input: InputChannel, codec: BatchCodec | undefined): void {
    this.#inputs.set(channelId, input)
    this.#codecs.set(channelId, codec)
  }

  openOutput(channelId: ChannelId, codec: BatchCodec | undefined): Connection {
    const channelNumber = this.#outputs.length
    const connection = new RemoteConnection(this.#port, channelNumber, codec)
    this.#outputs.push(connection)
    this.#post({ type: 'open', channelNumber, channelId })
    return connection
  }

  /** Takes in all that has arrived, without a turn of the event loop; true where there was something. */
  poll(): boolean {
    let arrived = false
    for (let message = this.#port.receive(); message !== undefined; message = this.#port.receive()) {
      arrived = true
      if (message instanceof ArrayBuffer) this.#acceptFrame(message)
      else this.#acceptMessage(message as LinkMessage)
    }
    return arrived
  }

  close(): void {
    this.#port.close()
  }

  #acceptFrame(buffer: ArrayBuffer): void {
    const channelNumber = channelNumberOf(buffer)
    if (isCredit(buffer)) this.#outputs[channelNumber]?.credited(buffer)
    else this.#openInputs[channelNumber]?.pushRecords(buffer)
  }

  #acceptMessage(message: LinkMessage): void {
    switch (message.type) {
      case 'open':
        this.#openInput(message.channelNumber, message.channelId)
        break
      case 'control':
        this.#openInputs[message.channelNumber]?.pushControl(message.item)
        break
      case 'credit':
        this.#outputs[message.channelNumber]?.credited(undefined)
        break
      default: {
        const never: never = message
        throw new TypeError(`unknown message ${JSON.stringify(never)}`)
      }
    }
  }

  /** A channel that nobody here knows is dropped (R28). */
  #openInput(channelNumber: number, channelId: ChannelId): void {
    const input = this.#inputs.get(channelId)
    if (input === undefined) return
    input.connect(new RemoteOrigin(this.#port, channelNumber, this.#codecs.get(channelId)))
    this.#openInputs[channelNumber] = input
  }

  #post(message: LinkMessage): void {
    this.#port.post(message)
  }
}

/** The sending end of a channel to another slot. */
class RemoteConnection implements Connection {
  readonly #port: PeerPort
  readonly #channelNumber: number
  readonly #codec: BatchCodec | undefined
  readonly #free: ArrayBuffer[] = []
  credits = creditsPerChannel

  constructor(port: PeerPort, channelNumber: number, codec: BatchCodec | undefined) {
    this.#port = port
    this.#channelNumber = channelNumber
    this.#codec = codec
  }

  /** The values have been written into a frame, so the same batch is filled again. */
  ship(batch: RecordBatch): RecordBatch {
    if (this.#codec === undefined) throw new TypeError('records on a channel of columns')
    const frame = encodeFrame(this.#channelNumber, batch, this.#codec, this.#free.pop())
    this.credits--
    this.#port.post(frame, [frame])
    batch.clear()
    return batch
  }

  shipColumns(buffer: ArrayBuffer, rows: ColumnRows): ArrayBuffer | undefined {
    writeColumnHeader(buffer, this.#channelNumber, rows)
    this.credits--
    this.#port.post(buffer, [buffer])
    return this.#free.pop()
  }

  control(item: ControlItem): void {
    const message: LinkMessage = { type: 'control', channelNumber: this.#channelNumber, item }
    this.#port.post(message)
  }

  credited(buffer: ArrayBuffer | undefined): void {
    this.credits++
    if (buffer !== undefined && this.#free.length < creditsPerChannel) this.#free.push(buffer)
  }
}

/** Frames of another slot, opened one at a time. */
class RemoteOrigin implements ChannelOrigin {
  readonly #port: PeerPort
  readonly #channelNumber: number
  readonly #codec: BatchCodec | undefined
  readonly #batch = new RecordBatch(new Float64Array(0), undefined)
  #reading: ArrayBuffer | undefined

  constructor(port: PeerPort, channelNumber: number, codec: BatchCodec | undefined) {
    this.#port = port
    this.#channelNumber = channelNumber
    this.#codec = codec
  }

  open(shipment: RecordBatch | ArrayBuffer): RecordBatch {
    if (!(shipment instanceof ArrayBuffer)) throw new TypeError('references on a channel between slots')
    this.#reading = shipment
    if (this.#codec === undefined) return openColumns(this.#batch, shipment)
    decodeFrame(shipment, this.#codec, this.#batch)
    return this.#batch
  }

  giveBack(): void {
    const buffer = this.#reading
    if (buffer === undefined) return
    this.#reading = undefined
    this.#batch.values = []
    this.#batch.columns = undefined
    if (buffer.byteLength <= largestPooledBuffer) {
      this.#port.post(asCredit(buffer), [buffer])
    } else {
      const message: LinkMessage = { type: 'credit', channelNumber: this.#channelNumber }
      this.#port.post(message)
    }
  }
}
