import type { Clock } from '../../common/ports.ts'
import { brokerErrorCode, brokerErrorName } from './broker-errors.ts'
import { type KafkaApi, kafkaApis } from './kafka-protocol.ts'
import { type OAuthTokenProvider, tokenProviderOf } from './oauth-token.ts'
import { type KafkaOAuthOptions, type KafkaSaslOptions, loginRefused } from './sasl-options.ts'
import { ScramClient, type ScramCredentials, type ScramHash } from './scram.ts'
import { AnswerReader, RequestWriter } from './wire-format.ts'

/** Sends a request on the connection that logs in. */
export type SendRequest = (api: KafkaApi, body: Buffer) => Promise<Buffer>

export interface LoginResult {
  /** How long the broker lets the session live without a renewal; 0: for ever (KIP-368). */
  readonly sessionLifetimeMs: number
}

export interface SaslLoginOptions {
  readonly clock: Clock
  /** A fresh unguessable text, for nonces. */
  uniqueText(): string
  /** Instead of the token that the settings describe. */
  readonly tokenProvider: OAuthTokenProvider | undefined
}

/** One step of the log-in: sends bytes of the mechanism, gives the server's. */
export type Exchange = (bytes: Buffer) => Promise<Buffer>

/** Logs connections in (KIP-43, KIP-152). No message of an error holds a secret. */
export class SaslLogin {
  readonly #sasl: KafkaSaslOptions
  readonly #options: SaslLoginOptions
  readonly #token: OAuthTokenProvider | undefined

  constructor(sasl: KafkaSaslOptions, options: SaslLoginOptions) {
    this.#sasl = sasl
    this.#options = options
    if (sasl.mechanism === 'oauthbearer') this.#token = options.tokenProvider ?? tokenProviderOf(sasl, options.clock)
  }

  /** @throws MillraceError MR_KAFKA_LOGIN saying what the broker says; Error of a token's source, or of the connection */
  async run(send: SendRequest): Promise<LoginResult> {
    const mechanism = this.#sasl.mechanism.toUpperCase()
    const handshake = await send(kafkaApis.saslHandshake, new RequestWriter().string(mechanism).bytes)
    readHandshakeAnswer(this.#sasl, handshake)
    let sessionLifetimeMs = 0
    await this.authenticate(async (bytes) => {
      const request = new RequestWriter().sizedBytes(bytes).bytes
      const answer = readAuthenticateAnswer(this.#sasl, await send(kafkaApis.saslAuthenticate, request))
      sessionLifetimeMs = answer.sessionLifetimeMs
      return answer.bytes
    })
    return { sessionLifetimeMs }
  }

  /** What comes after the handshake: the mechanism's own messages. */
  async authenticate(exchange: Exchange): Promise<void> {
    const sasl = this.#sasl
    switch (sasl.mechanism) {
      case 'plain':
        await exchange(Buffer.from(`\0${sasl.username}\0${sasl.password}`))
        return
      case 'scram-sha-256':
        return this.#scram('sha256', sasl, exchange)
      case 'scram-sha-512':
        return this.#scram('sha512', sasl, exchange)
      case 'oauthbearer':
        return this.#oauth(sasl, exchange)
      case 'aws': {
        const { authorizationIdentity, accessKeyId, secretAccessKey, sessionToken = '' } = sasl
        await exchange(Buffer.from([authorizationIdentity, accessKeyId, secretAccessKey, sessionToken].join('\0')))
        return
      }
      default: {
        const never: never = sasl
        throw new TypeError(`unknown mechanism ${String(never)}`)
      }
    }
  }

  async #scram(hash: ScramHash, credentials: ScramCredentials, exchange: Exchange): Promise<void> {
    const client = new ScramClient(hash, credentials, this.#options.uniqueText())
    const first = await exchange(Buffer.from(client.firstMessage()))
    const final = await exchange(Buffer.from(await client.finalMessage(first.toString('utf8'))))
    client.checkServerFinal(final.toString('utf8'))
  }

  async #oauth(sasl: KafkaOAuthOptions, exchange: Exchange): Promise<void> {
    const token = await this.#token?.()
    // RFC 6750 section 2.1. A token with a line end would be another message.
    if (token === undefined || !/^[A-Za-z0-9\-._~+/]+=*$/.test(token)) throw new Error('the token is no bearer token')
    const extensions = Object.entries(sasl.extensions ?? {}).map(([key, value]) => `${key}=${value}\x01`)
    const answer = await exchange(Buffer.from(`n,,\x01auth=Bearer ${token}\x01${extensions.join('')}\x01`))
    if (answer.length === 0) return
    // RFC 7628 section 3.2.3: the reason comes as an answer, and the failure after this.
    const reason = answer.toString('utf8').slice(0, 500)
    await exchange(Buffer.from('\x01')).catch(() => undefined)
    throw loginRefused(sasl, `SASL authentication failed: the broker refuses the token: ${reason}`)
  }
}

function readHandshakeAnswer(sasl: KafkaSaslOptions, bytes: Buffer): void {
  const reader = new AnswerReader(bytes)
  const code = reader.int16()
  const offered = reader.array(() => reader.string())
  if (code === brokerErrorCode.none) return
  const why =
    code === brokerErrorCode.illegalSaslState
      ? 'the broker asks for no log-in at this port'
      : `the broker offers ${offered.join(', ') || 'no mechanism'}`
  throw loginRefused(sasl, `${why}: ${brokerErrorName(code)}`)
}

function readAuthenticateAnswer(sasl: KafkaSaslOptions, bytes: Buffer): { bytes: Buffer; sessionLifetimeMs: number } {
  const reader = new AnswerReader(bytes)
  const code = reader.int16()
  const text = reader.nullableString()
  const answer = reader.sizedBytes()
  if (code !== brokerErrorCode.none) {
    const why = `SASL authentication failed: ${text ?? 'the broker does not say why'}: ${brokerErrorName(code)}`
    throw code === brokerErrorCode.saslAuthenticationFailed ? loginRefused(sasl, why) : new Error(why)
  }
  return { bytes: answer, sessionLifetimeMs: reader.int64() }
}
