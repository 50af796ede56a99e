import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Admin, Kafka, logLevel, type Mechanism } from 'kafkajs'
import { addressText, type BrokerAddress } from './broker-address.ts'
import { keepAliveMs, tlsOptions } from './frame-socket.ts'
import type { KafkaConnectionSettings } from './kafka-options.ts'
import { KafkajsInternals } from './kafkajs-internals.ts'
import type { RequestDeadlines } from './request-deadlines.ts'
import type { Exchange, SaslLogin } from './sasl-login.ts'

/** kafkajs takes a session to be over this long before its end. Its own 10 s would renew short ones at once, which brokers refuse. */
const renewalMarginMs = 1000
const retryMs = 50

export interface KafkajsSessionOptions {
  /** Tried in this order. */
  readonly bootstrap: readonly BrokerAddress[]
  readonly settings: KafkaConnectionSettings
  readonly deadlines: RequestDeadlines
  /** Undefined where brokers ask for no log-in. */
  readonly login: SaslLogin | undefined
}

/** What a call may use: kafkajs' admin client, and what that keeps to itself. */
export interface KafkajsCalls {
  readonly admin: Admin
  readonly internals: KafkajsInternals
}

/**
 * An admin client of kafkajs with its connections, from its opening to its end. It says nothing on the console, counts
 * no time of its own (R26), and when it is closed nothing of it stays waiting.
 */
export class KafkajsSession {
  readonly #options: KafkajsSessionOptions
  readonly #sockets = new Set<Socket>()
  readonly #ended = Promise.withResolvers<never>()
  readonly #calls: KafkajsCalls
  readonly #connected: Promise<void>
  #closed = false

  constructor(options: KafkajsSessionOptions) {
    this.#options = options
    const { bootstrap, settings } = options
    const kafka = new Kafka({
      brokers: bootstrap.map(addressText),
      clientId: settings.clientId,
      ssl: settings.ssl !== false,
      ...(settings.sasl === null ? {} : { sasl: mechanismOf(settings.sasl.mechanism, options.login) }),
      connectionTimeout: settings.connectionTimeoutMs,
      authenticationTimeout: settings.connectionTimeoutMs,
      reauthenticationThreshold: renewalMarginMs,
      enforceRequestTimeout: false,
      // Each try takes the next address; all else is tried again by who calls, within limits of its own.
      retry: { retries: bootstrap.length - 1, initialRetryTime: retryMs, maxRetryTime: retryMs },
      logLevel: logLevel.NOTHING,
      logCreator: () => () => undefined,
      socketFactory: ({ host, port, onConnect }) => this.#openSocket({ host, port }, onConnect),
    })
    const internals = KafkajsInternals.of(kafka, bootstrap)
    this.#calls = { admin: kafka.admin(), internals }
    this.#ended.promise.catch(() => undefined) // Whoever is waiting for an answer is told.
    this.#connected = this.#guarded(this.#calls.admin.connect(), settings.connectionTimeoutMs * bootstrap.length)
    this.#connected.catch(() => undefined) // Each call is told.
  }

  /** Brokers that kafkajs has heard of. */
  get brokers(): readonly BrokerAddress[] {
    return this.#calls.internals.brokers
  }

  /** @throws Error of kafkajs, or saying why the session has ended */
  async run<Answer>(call: (calls: KafkajsCalls) => Promise<Answer>): Promise<Answer> {
    await this.#connected
    return this.#guarded(call(this.#calls), this.#options.settings.requestTimeoutMs)
  }

  close(why: string): void {
    if (this.#closed) return
    this.#closed = true
    const error = new Error(why)
    this.#ended.reject(error)
    // An error is what makes kafkajs give up requests that are on their way; without that it waits for their answers.
    for (const socket of this.#sockets) socket.destroy(error)
    this.#calls.admin.disconnect().catch(() => undefined) // There is nothing left to do.
  }

  #guarded<Answer>(answer: Promise<Answer>, limitMs: number): Promise<Answer> {
    return this.#options.deadlines.guard(Promise.race([answer, this.#ended.promise]), limitMs, () =>
      this.close(`no answer within ${limitMs} ms`),
    )
  }

  #openSocket(address: BrokerAddress, onConnect: () => void): Socket {
    const { ssl } = this.#options.settings
    const socket =
      ssl === false ? connectTcp({ ...address }, onConnect) : connectTls(tlsOptions(address, ssl), onConnect)
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (this.#closed) socket.destroy(new Error('closed'))
    return socket.setNoDelay(true).setKeepAlive(true, keepAliveMs)
  }
}

/**
 * kafkajs' own mechanisms hide whether a broker has refused the log-in or has just gone away, and take a refused token
 * (RFC 7628) for an accepted one. Its handshake and renewal with our messages in them do neither.
 */
function mechanismOf(name: string, login: SaslLogin | undefined): Mechanism {
  return {
    mechanism: name,
    authenticationProvider: ({ saslAuthenticate }) => {
      const exchange: Exchange = async (bytes) => {
        const answer = await saslAuthenticate({
          request: { encode: () => withLength(bytes) },
          response: { decode: (raw) => raw.subarray(4), parse: (data) => data },
        })
        return answer ?? Buffer.alloc(0)
      }
      return { authenticate: async () => login?.authenticate(exchange) }
    },
  }
}

function withLength(bytes: Buffer): Buffer {
  const sized = Buffer.alloc(4 + bytes.length)
  sized.writeInt32BE(bytes.length, 0)
  bytes.copy(sized, 4)
  return sized
}
