import { isMillraceError, MillraceError, messageOf } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import { addressText, type BrokerAddress } from './broker-address.ts'
import { BrokerChannel } from './broker-channel.ts'
import type { FetchBuffers } from './fetch-buffers.ts'
import type { KafkaConnectionSettings } from './kafka-options.ts'
import { type KafkaApi, kafkaApis } from './kafka-protocol.ts'
import type { OAuthTokenProvider } from './oauth-token.ts'
import { RequestDeadlines } from './request-deadlines.ts'
import { SaslLogin } from './sasl-login.ts'

export interface BrokerConnectorOptions {
  readonly settings: KafkaConnectionSettings
  readonly buffers: FetchBuffers
  readonly clock: Clock
  /** A fresh unguessable text, for nonces. */
  uniqueText(): string
  /** Instead of the token that the settings describe. */
  readonly tokenProvider?: OAuthTokenProvider | undefined
}

/** Makes connections to brokers; they share their log-in's token. */
export class BrokerConnector {
  readonly #options: BrokerConnectorOptions
  readonly #deadlines: RequestDeadlines
  readonly #login: SaslLogin | undefined

  constructor(options: BrokerConnectorOptions) {
    const { settings, clock, tokenProvider } = options
    this.#options = options
    this.#deadlines = new RequestDeadlines(clock)
    this.#login =
      settings.sasl === null
        ? undefined
        : new SaslLogin(settings.sasl, { clock, uniqueText: () => options.uniqueText(), tokenProvider })
  }

  /**
   * Connects and logs in.
   * @throws MillraceError MR_KAFKA_UNREACHABLE naming the address, MR_KAFKA where the broker is too old
   */
  async connect(address: BrokerAddress): Promise<BrokerConnection> {
    const { settings } = this.#options
    const made = new BrokerConnection(address, {
      deadlines: this.#deadlines,
      settings,
      openChannel: () => new BrokerChannel({ ...this.#options, address, login: this.#login }),
    })
    await made.open()
    return made
  }
}

interface BrokerConnectionOptions {
  readonly deadlines: RequestDeadlines
  readonly settings: KafkaConnectionSettings
  openChannel(): BrokerChannel
}

/** One broker, connected: a channel for fetching, whose answers may be long in coming, and one for everything else. */
export class BrokerConnection {
  readonly address: BrokerAddress
  readonly #options: BrokerConnectionOptions
  readonly #channels: BrokerChannel[] = []
  readonly #main: Promise<BrokerChannel>
  #fetching: Promise<BrokerChannel> | undefined
  #closed: Error | undefined

  constructor(address: BrokerAddress, options: BrokerConnectionOptions) {
    this.address = address
    this.#options = options
    this.#main = this.#openChannel()
  }

  get isOpen(): boolean {
    return this.#closed === undefined && this.#channels.every((channel) => channel.isOpen)
  }

  /** @throws MillraceError as `BrokerConnector.connect` */
  async open(): Promise<void> {
    try {
      await this.#main
    } catch (error) {
      this.close('the connection failed')
      throw unreachable(this.address, error)
    }
  }

  /**
   * Sends a request and gives the body of its answer.
   * @throws MillraceError MR_KAFKA_UNREACHABLE; the connection is closed then
   */
  async send(api: KafkaApi, body: Buffer): Promise<Buffer> {
    if (this.#closed !== undefined) throw unreachable(this.address, this.#closed)
    try {
      const channel = await this.#channelFor(api)
      return await this.#guarded(
        channel.send(api, body),
        this.#options.settings.requestTimeoutMs,
        `answer to ${api.name}`,
      )
    } catch (error) {
      this.close(messageOf(error))
      throw unreachable(this.address, error)
    }
  }

  /** Ends the connection at once; requests on their way fail. */
  close(why: string): void {
    if (this.#closed !== undefined) return
    this.#closed = new Error(why)
    for (const channel of this.#channels) channel.close(why)
  }

  #channelFor(api: KafkaApi): Promise<BrokerChannel> {
    if (api.key !== kafkaApis.fetch.key) return this.#main
    this.#fetching ??= this.#openChannel()
    return this.#fetching
  }

  async #openChannel(): Promise<BrokerChannel> {
    const channel = this.#options.openChannel()
    this.#channels.push(channel)
    await this.#guarded(channel.open(), this.#options.settings.connectionTimeoutMs, 'answer')
    return channel
  }

  #guarded<Answer>(answer: Promise<Answer>, limitMs: number, what: string): Promise<Answer> {
    return this.#options.deadlines.guard(answer, limitMs, () => this.close(`no ${what} within ${limitMs} ms`))
  }
}

function unreachable(address: BrokerAddress, error: unknown): MillraceError {
  if (isMillraceError(error) && error.code !== 'MR_KAFKA_UNREACHABLE') {
    return new MillraceError(error.code, `${addressText(address)}: ${error.message}`, { cause: error })
  }
  // What a broker does with a client that does not use TLS, or does not log in, where it should.
  const hint = messageOf(error) === 'Closed connection' ? ' by the broker: are the TLS and SASL options right?' : ''
  const text = `${addressText(address)}: ${messageOf(error)}${hint}`
  return new MillraceError('MR_KAFKA_UNREACHABLE', text, { cause: error })
}
