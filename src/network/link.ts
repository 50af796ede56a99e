import type { ErrorData } from '../common/errors.ts'
import { channelNumberOf, creditFor, frameBytes, isCredit, isDataFrame, largestPooledBuffer } from '../task/frame.ts'
import type { LinkMessage } from '../task/peer-link.ts'
import type { PeerPort } from '../task/slot-host.ts'
import type { FrameWriter } from './frame-writer.ts'
import {
  creditsFrame,
  frameHeader,
  frameTypes,
  type LinkKey,
  messageFrame,
  readCredits,
  readMessage,
} from './frames.ts'

/** Arriving batches get at least this much, so that a buffer serves batches of different size. */
const smallestBuffer = 16 * 1024
/** Keys in columns are read in words, of which the last may reach behind the end. */
const slackBytes = 8
/** Buffers that wait for their next use. */
const pooledArrivals = 32
/** The sender's slot keeps no more. */
const pooledOfChannel = 8

export interface LinkEvents {
  /** Once, whoever has closed it: the slot, its thread's end, or this process. */
  closed(link: Link): void
  /** It can not go on. */
  failed(link: Link, error: ErrorData): void
}

export interface LinkOptions {
  readonly key: LinkKey
  /** Under which frames for it arrive; no other link of the process has it. */
  readonly number: number
  /** This thread's end; the slot has the other. */
  readonly port: PeerPort
  readonly maxBatchBytes: number
  readonly events: LinkEvents
}

/**
 * One deployment's channels between a slot here and one of another TaskManager. What the slot sends waits in its port until the
 * other end of the link has been announced; it is bounded by the credits of its channels (R33).
 */
export class Link {
  readonly key: LinkKey
  readonly number: number
  readonly #port: PeerPort
  readonly #maxBatchBytes: number
  readonly #events: LinkEvents
  #writer: FrameWriter | undefined
  #remoteNumber = 0
  #closed = false
  /** Buffers that batches have arrived in and that the slot has read. */
  readonly #forArrivals: ArrayBuffer[] = []
  /** By the slot's channel number: buffers that were written and whose credits have not come back. */
  readonly #sent = new Map<number, ArrayBuffer[]>()

  constructor({ key, number, port, maxBatchBytes, events }: LinkOptions) {
    this.key = key
    this.number = number
    this.#port = port
    this.#maxBatchBytes = maxBatchBytes
    this.#events = events
    port.onArrival(() => this.#forward())
    port.onClose(() => {
      this.#forward()
      this.close()
    })
  }

  get isJoined(): boolean {
    return this.#writer !== undefined
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** The other end is there, and takes frames under this number. */
  join(writer: FrameWriter, remoteNumber: number): void {
    this.#writer = writer
    this.#remoteNumber = remoteNumber
    this.#forward()
  }

  /** Nothing is sent or taken any more. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#port.close()
    this.#events.closed(this)
  }

  // ---- from the slot ----

  #forward(): void {
    const writer = this.#writer
    if (writer === undefined || this.#closed) return
    const credits: number[] = []
    for (let message = this.#port.receive(); message !== undefined; message = this.#port.receive()) {
      if (this.isClosed) return
      if (message instanceof ArrayBuffer) this.#forwardBuffer(writer, message, credits)
      else this.#forwardMessage(writer, message as LinkMessage, credits)
    }
    if (credits.length > 0) writer.urgent(creditsFrame(this.#remoteNumber, credits))
  }

  #forwardBuffer(writer: FrameWriter, buffer: ArrayBuffer, credits: number[]): void {
    const channelNumber = channelNumberOf(buffer)
    if (isCredit(buffer)) {
      credits.push(channelNumber)
      if (this.#forArrivals.length < pooledArrivals) this.#forArrivals.push(buffer)
      return
    }
    const bytes = frameBytes(buffer)
    if (bytes > this.#maxBatchBytes) {
      const message = `a batch of ${bytes} bytes is too large to be sent to another TaskManager: at most ${this.#maxBatchBytes}`
      this.#events.failed(this, { code: 'MR_BATCH_TOO_LARGE', message })
      return
    }
    const header = frameHeader(frameTypes.data, this.#remoteNumber, bytes)
    writer.ordered(header, new Uint8Array(buffer, 0, bytes), () => this.#written(channelNumber, buffer))
  }

  #forwardMessage(writer: FrameWriter, message: LinkMessage, credits: number[]): void {
    if (message.type === 'credit') credits.push(message.channelNumber)
    else writer.ordered(messageFrame(this.#remoteNumber, message))
  }

  #written(channelNumber: number, buffer: ArrayBuffer): void {
    if (buffer.byteLength > largestPooledBuffer) return
    const sent = this.#sent.get(channelNumber)
    if (sent === undefined) this.#sent.set(channelNumber, [buffer])
    else if (sent.length < pooledOfChannel) sent.push(buffer)
  }

  // ---- from the other end ----

  room(bytes: number): ArrayBuffer {
    const needed = bytes + slackBytes
    const free = this.#forArrivals.pop()
    if (free !== undefined && free.byteLength >= needed) return free
    const pooled = needed <= largestPooledBuffer
    return new ArrayBuffer(pooled ? Math.max(smallestBuffer, 2 ** Math.ceil(Math.log2(needed))) : needed)
  }

  /** What is no batch is dropped. */
  batch(buffer: ArrayBuffer, bytes: number): void {
    if (this.#closed || !isDataFrame(buffer, bytes)) return
    this.#port.post(buffer, [buffer])
  }

  /** @throws MillraceError MR_DATA_CONNECTION */
  credits(payload: Buffer): void {
    for (const channelNumber of readCredits(payload)) this.#credited(channelNumber)
  }

  /** @throws MillraceError MR_DATA_CONNECTION */
  message(payload: Buffer): void {
    const message = readMessage(payload)
    if (!this.#closed) this.#port.post(message)
  }

  /** The buffer that was sent goes back to be filled again; where it is still being written, the credit goes without. */
  #credited(channelNumber: number): void {
    if (this.#closed) return
    const buffer = this.#sent.get(channelNumber)?.pop()
    if (buffer === undefined) {
      const message: LinkMessage = { type: 'credit', channelNumber }
      this.#port.post(message)
      return
    }
    const credit = creditFor(channelNumber, buffer)
    this.#port.post(credit, [credit])
  }
}
