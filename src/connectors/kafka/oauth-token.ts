import { readFile } from 'node:fs/promises'
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { messageOf } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import type { KafkaOAuthClientCredentials, KafkaOAuthToken } from './sasl-options.ts'

/** Gives the token for a log-in; called for each, and for each renewal of a session. */
export type OAuthTokenProvider = () => string | Promise<string>

const maxAnswerBytes = 1 << 20
/** A token is asked for anew when less than this part of its lifetime is left. */
const refreshShare = 0.25
/** For an endpoint that does not say (RFC 6749: it should). */
const unknownLifetimeSeconds = 300
const endpointTimeoutMs = 10_000

/** The token provider that settings describe. Tokens of an endpoint are kept while they are fresh. */
export function tokenProviderOf(source: KafkaOAuthToken, clock: Clock): OAuthTokenProvider {
  if (source.token !== undefined) {
    const { token } = source
    return () => token
  }
  if (source.tokenFile !== undefined) {
    const { tokenFile } = source
    return async () => (await readFile(tokenFile, 'utf8')).trim()
  }
  const credentials = new ClientCredentials(source.clientCredentials, clock)
  return () => credentials.token()
}

interface KeptToken {
  readonly token: string
  readonly refreshAtMs: number
}

class ClientCredentials {
  readonly #options: KafkaOAuthClientCredentials
  readonly #clock: Clock
  #kept: KeptToken | undefined
  #asking: Promise<KeptToken> | undefined

  constructor(options: KafkaOAuthClientCredentials, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  /** @throws Error naming the endpoint, never what was sent to it */
  async token(): Promise<string> {
    if (this.#kept !== undefined && this.#clock.monotonicMs() < this.#kept.refreshAtMs) return this.#kept.token
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    this.#kept = await this.#asking
    return this.#kept.token
  }

  async #ask(): Promise<KeptToken> {
    const askedMs = this.#clock.monotonicMs()
    const { token, lifetimeSeconds } = await requestToken(this.#options)
    return { token, refreshAtMs: askedMs + lifetimeSeconds * 1000 * (1 - refreshShare) }
  }
}

async function requestToken(options: KafkaOAuthClientCredentials): Promise<{ token: string; lifetimeSeconds: number }> {
  const url = new URL(options.tokenEndpoint)
  try {
    const { status, text } = await post(url, formOf(options), options)
    const answer = jsonObject(text)
    const token = answer['access_token']
    if (status !== 200 || typeof token !== 'string') throw new Error(refusalText(status, answer))
    const lifetime = Number(answer['expires_in'])
    return { token, lifetimeSeconds: lifetime > 0 ? lifetime : unknownLifetimeSeconds }
  } catch (error) {
    throw new Error(`no token from ${url.origin}${url.pathname}: ${messageOf(error)}`, { cause: error })
  }
}

function formOf({ scope, parameters }: KafkaOAuthClientCredentials): string {
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...parameters })
  if (scope !== undefined) form.set('scope', scope)
  return form.toString()
}

/** Of an error only what the standard names is shown: an answer might repeat what was sent. */
function refusalText(status: number, answer: Readonly<Record<string, unknown>>): string {
  const parts = [answer['error'], answer['error_description']].filter((part) => typeof part === 'string')
  return `the answer has status ${status}${parts.length === 0 ? ' and no access_token' : `: ${parts.join(': ').slice(0, 500)}`}`
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {} // Said by the status, or by the missing token.
  }
}

function post(
  url: URL,
  body: string,
  { clientId, clientSecret, ca }: KafkaOAuthClientCredentials,
): Promise<{ status: number; text: string }> {
  const options: RequestOptions = {
    method: 'POST',
    agent: false,
    timeout: endpointTimeoutMs,
    // Form-encoded before base64: RFC 6749 section 2.3.1.
    auth: `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
      accept: 'application/json',
    },
  }
  return new Promise((resolve, reject) => {
    const received = (answer: IncomingMessage): void => {
      readText(answer).then((text) => resolve({ status: answer.statusCode ?? 0, text }), reject)
    }
    const request =
      url.protocol === 'https:'
        ? requestHttps(url, { ...options, ...(ca === undefined ? {} : { ca }) }, received)
        : requestHttp(url, options, received)
    request.on('timeout', () => request.destroy(new Error(`no answer within ${endpointTimeoutMs} ms`)))
    request.on('error', reject)
    request.end(body)
  })
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxAnswerBytes) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
