import type { Socket } from 'node:net'
import { turn } from '../task/turn.ts'

/** Bytes that are handed to the socket before what is urgent gets its turn again. */
const handedAtOnce = 256 * 1024

/** Places of frames that are gone, before the queue is moved up. */
const keptSlots = 1024

interface Outgoing {
  readonly header: Buffer
  readonly payload: Uint8Array | undefined
  /** The payload's memory is free again. */
  readonly written: (() => void) | undefined
}

/**
 * The writing side of a connection. What is said in one turn of the event loop goes out in one write; credits and heartbeats go
 * before data that waits (R33). Nothing here stops the reading side: what is sent is bounded by credits alone.
 */
export class FrameWriter {
  readonly #socket: Socket
  #urgent: Buffer[] = []
  readonly #ordered: (Outgoing | undefined)[] = []
  #next = 0
  #scheduled = false
  /** Frames were handed to the socket since this was last set to false. */
  active = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('drain', () => this.#write())
  }

  /** Before all that waits in order. */
  urgent(frame: Buffer): void {
    this.#urgent.push(frame)
    this.#schedule()
  }

  /** `written`: called when `payload` is not needed any more; not where the connection ends before. */
  ordered(header: Buffer, payload?: Uint8Array, written?: () => void): void {
    this.#ordered.push({ header, payload, written })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    void turn().then(() => {
      this.#scheduled = false
      this.#write()
    })
  }

  #write(): void {
    const socket = this.#socket
    if (socket.destroyed || !socket.writable) return
    socket.cork()
    for (const frame of this.#urgent) socket.write(frame)
    if (this.#urgent.length > 0) this.active = true
    this.#urgent = []
    while (this.#next < this.#ordered.length && socket.writableLength < handedAtOnce) this.#hand()
    this.#compact()
    socket.uncork()
  }

  #hand(): void {
    const outgoing = this.#ordered[this.#next] as Outgoing
    this.#ordered[this.#next++] = undefined
    this.active = true
    const { header, payload, written } = outgoing
    this.#socket.write(header)
    if (payload === undefined) return
    this.#socket.write(payload, (error) => {
      if (error === null || error === undefined) written?.()
    })
  }

  #compact(): void {
    if (this.#next < this.#ordered.length && this.#next < keptSlots) return
    this.#ordered.splice(0, this.#next)
    this.#next = 0
  }
}
