import { connect as connectTcp, type OnReadOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { BrokerAddress } from './broker-address.ts'
import type { FetchBuffers } from './fetch-buffers.ts'
import type { KafkaTlsOptions } from './kafka-options.ts'

const sizeLength = 4
export const keepAliveMs = 60_000

export interface FrameSocketOptions {
  readonly address: BrokerAddress
  readonly ssl: boolean | KafkaTlsOptions
  readonly buffers: FetchBuffers
  /** The largest answer that is taken in, in bytes; asked at the begin of each. */
  maxFrameBytes(): number
  /** The connection stands, with TLS on it where that is asked for. */
  connected(): void
  /** A whole answer, without its size in front. Never called after the socket was destroyed. */
  received(frame: Buffer): void
  /** Once, for whatever reason it ended. */
  closed(error: Error | undefined): void
}

/**
 * A socket that reads each answer of a broker straight into a buffer of its size: neither are chunks collected nor is
 * anything copied in JavaScript (facts: twice the rate of reading).
 */
export function openFrameSocket(options: FrameSocketOptions): Socket {
  const { address, ssl, buffers } = options
  const frames = new FrameAssembler(buffers, options.maxFrameBytes)
  let failure: Error | undefined
  const onread: OnReadOpts = {
    buffer: () => frames.target(),
    callback: (length) => {
      const frame = frames.advance(length)
      if (frame === undefined || socket.destroyed) return true
      if (frame instanceof Error) socket.destroy(frame)
      else options.received(frame)
      return true
    },
  }
  const socket: Socket =
    ssl === false ? connectTcp({ ...address, onread }) : connectTls({ ...tlsOptions(address, ssl), onread } as never)
  socket.setNoDelay(true).setKeepAlive(true, keepAliveMs)
  socket.once(ssl === false ? 'connect' : 'secureConnect', () => options.connected())
  socket.on('error', (error) => {
    failure = error
  })
  socket.once('close', () => options.closed(failure))
  return socket
}

export function tlsOptions(address: BrokerAddress, ssl: true | KafkaTlsOptions): ConnectionOptions {
  const { ca, ...others } = ssl === true ? {} : ssl
  // SNI is for names only; a certificate for an address is checked against the host all the same.
  const isName = /[a-z]/i.test(address.host) && !address.host.includes(':')
  return {
    ...address,
    ...(isName ? { servername: address.host } : {}),
    ...(ca === undefined ? {} : { ca: typeof ca === 'string' ? ca : [...ca] }),
    ...others,
  }
}

/** Puts the bytes of a stream together to frames: four bytes of size, then that many bytes. */
export class FrameAssembler {
  readonly #buffers: FetchBuffers
  readonly #maxFrameBytes: () => number
  readonly #size = Buffer.alloc(sizeLength)
  #frame: Buffer | undefined
  #filled = 0

  constructor(buffers: FetchBuffers, maxFrameBytes: () => number) {
    this.#buffers = buffers
    this.#maxFrameBytes = maxFrameBytes
  }

  /** Where the next bytes belong. */
  target(): Uint8Array {
    return (this.#frame ?? this.#size).subarray(this.#filled)
  }

  /** `length` bytes have been written to the target; gives the frame, without its size, when it is whole. */
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
    if (length < sizeLength || length > this.#maxFrameBytes()) return new Error(strangeSize(this.#size))
    this.#frame = this.#buffers.take(length)
    this.#filled = 0
    return undefined
  }
}

const tlsAlert = 0x15

function strangeSize(size: Buffer): string {
  if (size[0] === tlsAlert && size[1] === 3) return 'the broker speaks TLS at this port: set properties.ssl'
  return `the other end does not speak Kafka's protocol: it announced an answer of ${size.readInt32BE(0)} bytes`
}
