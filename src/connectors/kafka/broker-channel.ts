import type { Socket } from 'node:net'
import { messageOf } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import type { BrokerAddress } from './broker-address.ts'
import type { FetchBuffers } from './fetch-buffers.ts'
import { openFrameSocket } from './frame-socket.ts'
import type { KafkaConnectionSettings } from './kafka-options.ts'
import { checkVersions, type KafkaApi, kafkaApis } from './kafka-protocol.ts'
import type { SaslLogin } from './sasl-login.ts'
import { RequestWriter } from './wire-format.ts'

/** No answer to a client that has not logged in is long: what announces more is no broker. */
const maxLoginFrameBytes = 1 << 20
/** Beyond the largest record batch that anybody lets brokers take, and all metadata of the largest cluster. */
const maxAnswerBytes = 256 << 20
/** A session is renewed after this part of its lifetime, by the next request (KIP-368). */
const sessionShare = 0.85
/** Brokers refuse to renew a session that is younger. */
const minSessionMs = 1100
/** Requests up to this size are copied behind their header, so that one write carries both. */
const smallRequestBytes = 16 * 1024

export interface BrokerChannelOptions {
  readonly address: BrokerAddress
  readonly settings: KafkaConnectionSettings
  readonly buffers: FetchBuffers
  readonly clock: Clock
  /** Undefined where brokers ask for no log-in. */
  readonly login: SaslLogin | undefined
}

interface WaitingRequest {
  readonly correlationId: number
  resolve(body: Buffer): void
  reject(error: Error): void
}

/**
 * One socket to one broker: requests and answers by correlation, which a broker gives in order, and the log-in with
 * its renewal. Time limits are the caller's.
 */
export class BrokerChannel {
  readonly #options: BrokerChannelOptions
  readonly #socket: Socket
  readonly #connected = Promise.withResolvers<void>()
  readonly #waiting: WaitingRequest[] = []
  #nextCorrelationId = 1
  #closed: Error | undefined
  #maxFrameBytes = maxLoginFrameBytes
  /** Monotonic; when the session should be renewed. */
  #renewAtMs = Number.POSITIVE_INFINITY
  #renewal: Promise<void> | undefined

  constructor(options: BrokerChannelOptions) {
    this.#options = options
    this.#connected.promise.catch(() => undefined) // Who opens it is told.
    this.#socket = openFrameSocket({
      address: options.address,
      ssl: options.settings.ssl,
      buffers: options.buffers,
      maxFrameBytes: () => this.#maxFrameBytes,
      connected: () => this.#connected.resolve(),
      received: (frame) => this.#received(frame),
      closed: (error) => this.#end(error ?? new Error('Closed connection')),
    })
  }

  get isOpen(): boolean {
    return this.#closed === undefined
  }

  /**
   * Waits for the connection, asks for the broker's versions and logs in.
   * @throws Error saying what went wrong
   */
  async open(): Promise<void> {
    await this.#connected.promise
    checkVersions(await this.#request(kafkaApis.apiVersions, Buffer.alloc(0)))
    await this.#logIn()
    this.#maxFrameBytes = maxAnswerBytes + this.#options.settings.fetchMaxBytes
  }

  /** Sends a request and gives the body of its answer. Fails when the channel ends before that. */
  async send(api: KafkaApi, body: Buffer): Promise<Buffer> {
    if (this.#options.clock.monotonicMs() >= this.#renewAtMs) this.#renew()
    // Nothing but the log-in itself may be sent while it goes on.
    while (this.#renewal !== undefined) await this.#renewal
    return this.#request(api, body)
  }

  /** Ends the connection at once; requests on their way fail. */
  close(why: string): void {
    this.#end(new Error(why))
  }

  #renew(): void {
    this.#renewal ??= this.#logIn().finally(() => {
      this.#renewal = undefined
    })
  }

  async #logIn(): Promise<void> {
    const { login, clock } = this.#options
    if (login === undefined) return
    const begunMs = clock.monotonicMs()
    const { sessionLifetimeMs } = await login.run((api, body) => this.#request(api, body))
    this.#renewAtMs =
      sessionLifetimeMs > 0
        ? begunMs + Math.max(sessionLifetimeMs * sessionShare, minSessionMs)
        : Number.POSITIVE_INFINITY
  }

  #request(api: KafkaApi, body: Buffer): Promise<Buffer> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    const correlationId = this.#nextCorrelationId
    this.#nextCorrelationId = (correlationId + 1) & 0x7fffffff
    const header = requestHeader(api, correlationId, this.#options.settings.clientId, body.length)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ correlationId, resolve, reject })
      if (body.length <= smallRequestBytes) {
        this.#socket.write(Buffer.concat([header, body]))
        return
      }
      this.#socket.cork()
      this.#socket.write(header)
      this.#socket.write(body)
      this.#socket.uncork()
    })
  }

  #received(frame: Buffer): void {
    const request = this.#waiting.shift()
    const correlationId = frame.readInt32BE(0)
    if (request?.correlationId !== correlationId) {
      const error = new Error(`the broker answered a request that was not the next one (${correlationId})`)
      request?.reject(error)
      this.#end(error)
      return
    }
    request.resolve(frame.subarray(4))
  }

  #end(error: Error): void {
    if (this.#closed !== undefined) return
    this.#closed = new Error(messageOf(error), { cause: error })
    this.#socket.destroy()
    this.#connected.reject(this.#closed)
    for (const request of this.#waiting.splice(0)) request.reject(this.#closed)
  }
}

/** Version 1, the last non-flexible one: size, API, version, correlation, client. */
function requestHeader(api: KafkaApi, correlationId: number, clientId: string, bodyLength: number): Buffer {
  const header = new RequestWriter()
    .int32(0)
    .int16(api.key)
    .int16(api.version)
    .int32(correlationId)
    .string(clientId).bytes
  header.writeInt32BE(header.length - 4 + bodyLength, 0)
  return header
}
