import { connect, type Socket } from 'node:net'
import type { FetchBuffers } from './fetch-buffers.ts'

const sizeLength = 4
/** No broker sends more in one answer; a size beyond it means that the other end does not speak Kafka's protocol. */
const maxFrameLength = 1 << 30

/**
 * A socket that reads each answer of a broker straight into a buffer of its size, and emits it as one `data` event:
 * the client behind it neither collects chunks nor copies them (facts: twice the rate of reading).
 */
export function connectFrameSocket(
  address: { readonly host: string; readonly port: number },
  buffers: FetchBuffers,
): Socket {
  const frames = new FrameAssembler(buffers)
  const socket: Socket = connect({
    host: address.host,
    port: address.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    onread: {
      buffer: () => frames.target(),
      callback: (length) => {
        const frame = frames.advance(length)
        if (frame instanceof Error) socket.destroy(frame)
        else if (frame !== undefined) socket.emit('data', frame)
        return true
      },
    },
  })
  return socket
}

/** Puts the bytes of a stream together to frames: four bytes of size, then that many bytes. */
export class FrameAssembler {
  readonly #buffers: FetchBuffers
  readonly #size = Buffer.alloc(sizeLength)
  #frame: Buffer | undefined
  #filled = 0

  constructor(buffers: FetchBuffers) {
    this.#buffers = buffers
  }

  /** Where the next bytes belong. */
  target(): Uint8Array {
    return (this.#frame ?? this.#size).subarray(this.#filled)
  }

  /** `length` bytes have been written to the target; gives the frame, with its size in front, when it is whole. */
  advance(length: number): Buffer | Error | undefined {
    this.#filled += length
    if (this.#frame === undefined) return this.#filled === sizeLength ? this.#begin() : undefined
    if (this.#filled < this.#frame.length) return undefined
    const frame = this.#frame
    this.#frame = undefined
    this.#filled = 0
    return frame
  }

  #begin(): Error | undefined {
    const length = this.#size.readInt32BE(0)
    if (length < sizeLength || length > maxFrameLength) {
      return new Error(`the other end does not speak Kafka's protocol: it announced an answer of ${length} bytes`)
    }
    this.#frame = this.#buffers.take(sizeLength + length)
    this.#size.copy(this.#frame)
    return undefined
  }
}
