import { type Duration, durationMs } from '../common/duration.ts'
import { MillraceError, messageOf } from '../common/errors.ts'
import { systemClock } from '../common/system-ports.ts'

/** How to reach a Confluent Schema Registry, or what speaks its API (Redpanda, Karapace, Apicurio's `ccompat`). */
export interface SchemaRegistryOptions {
  /** Its address, such as `http://localhost:8081`, or several of one cluster: the next one is tried where one fails. */
  readonly url: string | readonly string[]
  /** Basic authentication, or a bearer token. */
  readonly auth?: { readonly username: string; readonly password: string } | { readonly token: string }
  /** For each answer, default 10 s. */
  readonly timeout?: Duration
  /** How often a request is repeated where the registry can not be reached or is out of order (5xx, 429); default 5, after 100 ms, 200 ms, … */
  readonly retries?: number
}

/** A schema as the registry has it, with those that it refers to by name, which come first. */
export interface RegisteredSchema {
  readonly id: number
  readonly schemaType: string
  readonly text: string
  readonly references: readonly string[]
}

interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

const contentType = 'application/vnd.schemaregistry.v1+json'
const firstPauseMs = 100
/** Schemas are kilobytes: what goes on for longer is no answer of a registry. */
const maxAnswerBytes = 16 << 20
/** Error codes of the registry's API. */
const notFound: readonly unknown[] = [40401, 40402, 40403]

/** Talks to a schema registry. Ids and schemas never change, so that what was fetched holds for the life of the thread. */
export class SchemaRegistryClient {
  readonly #urls: readonly string[]
  readonly #headers: Readonly<Record<string, string>>
  readonly #timeoutMs: number
  readonly #retries: number

  /** @throws MillraceError MR_CONFIGURATION naming the option */
  constructor({ url, auth, timeout = '10s', retries = 5 }: SchemaRegistryOptions) {
    const urls = typeof url === 'string' ? [url] : url
    if (urls.length === 0) throw new MillraceError('MR_CONFIGURATION', 'schema registry: url: at least one is needed')
    this.#urls = urls.map(checkedUrl)
    this.#headers = { accept: `${contentType}, application/json`, ...authorization(auth) }
    this.#timeoutMs = durationMs(timeout, 'schema registry: timeout')
    if (!Number.isInteger(retries) || retries < 0) {
      throw new MillraceError('MR_CONFIGURATION', `schema registry: retries: ${retries} is no number of retries`)
    }
    this.#retries = retries
  }

  /** For messages. */
  get address(): string {
    return this.#urls.join(', ')
  }

  /** Undefined where the registry has no such schema. */
  async schemaOf(id: number): Promise<RegisteredSchema | undefined> {
    const { status, body } = await this.#request('GET', `/schemas/ids/${id}`, `schema ${id}`)
    return status === 200 ? this.#schema(id, body) : undefined
  }

  /** The newest schema of a subject. Undefined where there is no such subject. */
  async latestOf(subject: string): Promise<RegisteredSchema | undefined> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions/latest`
    const { status, body } = await this.#request('GET', path, `subject ${subject}`)
    return status === 200 ? this.#schema(Number(body['id']), body) : undefined
  }

  /**
   * Registers a schema, which is harmless where it is there already.
   * @throws MillraceError MR_SCHEMA_INCOMPATIBLE where the registry refuses it beside those of the subject
   */
  async register(subject: string, text: string): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    const { body } = await this.#request('POST', path, `subject ${subject}`, { schema: text })
    return this.#id(body, subject)
  }

  /** The id of a schema that is registered for the subject; undefined where it is not. */
  async lookUp(subject: string, text: string): Promise<number | undefined> {
    const path = `/subjects/${encodeURIComponent(subject)}`
    const { status, body } = await this.#request('POST', path, `subject ${subject}`, { schema: text })
    return status === 200 ? this.#id(body, subject) : undefined
  }

  #id({ id }: Answer['body'], subject: string): number {
    if (Number.isInteger(id)) return id as number
    throw this.#error(`subject ${subject}`, 'the answer holds no id')
  }

  async #schema(id: number, body: Answer['body']): Promise<RegisteredSchema> {
    const { schema, schemaType = 'AVRO', references = [] } = body
    if (typeof schema !== 'string' || !Number.isInteger(id))
      throw this.#error(`schema ${id}`, 'the answer holds no schema')
    const found: string[] = []
    await this.#collectReferences(references, found, new Set())
    return { id, schemaType: String(schemaType), text: schema, references: found }
  }

  /** Depth first, so that each comes after those that it refers to. */
  async #collectReferences(references: unknown, found: string[], seen: Set<string>): Promise<void> {
    if (!Array.isArray(references)) return
    for (const { subject, version } of references as readonly { subject: unknown; version: unknown }[]) {
      const place = `/subjects/${encodeURIComponent(String(subject))}/versions/${Number(version)}`
      if (seen.has(place)) continue
      seen.add(place)
      const what = `reference to version ${Number(version)} of subject ${String(subject)}`
      const { status, body } = await this.#request('GET', place, what)
      if (status !== 200 || typeof body['schema'] !== 'string') throw this.#error(what, 'there is no such schema')
      await this.#collectReferences(body['references'], found, seen)
      found.push(body['schema'])
    }
  }

  /** An answer of 200, or one that says that there is no such thing. Tried again where the registry is out of order. */
  async #request(method: 'GET' | 'POST', path: string, what: string, content?: unknown): Promise<Answer> {
    let failure = ''
    for (let attempt = 0; attempt <= this.#retries; attempt++) {
      if (attempt > 0) await pause(firstPauseMs * 2 ** (attempt - 1))
      const url = this.#urls[attempt % this.#urls.length] as string
      const answer = await this.#send(method, `${url}${path}`, content)
      if (typeof answer === 'string') {
        failure = answer
        continue
      }
      if (answer.status < 500 && answer.status !== 429) return this.#checked(answer, what)
      failure = describe(answer)
    }
    throw this.#error(what, `${failure} (${this.#retries + 1} attempts)`)
  }

  /** A text where there was no answer that can be read. */
  async #send(method: 'GET' | 'POST', url: string, content: unknown): Promise<Answer | string> {
    try {
      const response = await fetch(url, {
        method,
        headers: content === undefined ? this.#headers : { ...this.#headers, 'content-type': contentType },
        ...(content === undefined ? {} : { body: JSON.stringify(content) }),
        signal: AbortSignal.timeout(this.#timeoutMs),
      })
      return { status: response.status, body: bodyOf(await textOf(response)) }
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${this.#timeoutMs} ms`
      const { cause } = error as { readonly cause?: unknown }
      return messageOf(cause ?? error) || messageOf(error)
    }
  }

  #checked(answer: Answer, what: string): Answer {
    const { status, body } = answer
    if (status === 200 || (status === 404 && notFound.includes(body['error_code']))) return answer
    if (status === 409) {
      throw new MillraceError(
        'MR_SCHEMA_INCOMPATIBLE',
        `schema registry ${this.address}, ${what}: the schema is incompatible with those of the subject: ${describe(answer)}`,
      )
    }
    const hint = status === 401 || status === 403 ? ': check the credentials' : ''
    throw this.#error(what, `${describe(answer)}${hint}`)
  }

  #error(what: string, why: string): MillraceError {
    return new MillraceError('MR_SCHEMA_REGISTRY', `schema registry ${this.address}, ${what}: ${why}`)
  }
}

function describe({ status, body }: Answer): string {
  const { error_code: code, message } = body
  return `HTTP ${status}${code === undefined || code === status ? '' : `, error ${String(code)}`}${message === undefined ? '' : `, ${String(message)}`}`
}

/** @throws RangeError where it is too long; the rest is not read then */
async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > maxAnswerBytes) throw new RangeError(`the answer has more than ${maxAnswerBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function bodyOf(text: string): Answer['body'] {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null ? (body as Answer['body']) : {}
  } catch {
    // A proxy's page: its status says enough.
    return {}
  }
}

function checkedUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      `schema registry: url: ${JSON.stringify(url)} is no http or https address`,
    )
  }
  if (parsed.username !== '' || parsed.password !== '') {
    // It would stand in messages and logs.
    throw new MillraceError('MR_CONFIGURATION', 'schema registry: url: give user and password as auth, not in the url')
  }
  return url.replace(/\/+$/, '')
}

function authorization(auth: SchemaRegistryOptions['auth']): Readonly<Record<string, string>> {
  if (auth === undefined) return {}
  if ('token' in auth) return { authorization: `Bearer ${auth.token}` }
  const credentials = Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64')
  return { authorization: `Basic ${credentials}` }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.schedule(ms, resolve)
  })
}
