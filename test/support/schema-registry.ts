import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import avsc from 'avsc'

interface Version {
  readonly id: number
  readonly version: number
  readonly schema: string
  readonly schemaType?: string
  readonly references?: readonly { readonly name: string; readonly subject: string; readonly version: number }[]
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

/**
 * A schema registry as Confluent's API describes it, over real HTTP: ids by schema, versions by subject, BACKWARD
 * compatibility, error codes, basic authentication; with outages that a test asks for.
 */
export class SchemaRegistryServer {
  readonly requests: string[] = []
  /** `user:password` that is asked for. */
  credentials: string | undefined
  compatibility: 'BACKWARD' | 'NONE' = 'BACKWARD'
  /** Statuses that the next requests are answered by; 0: the connection is cut. */
  outages: number[] = []
  readonly #server: Server
  readonly #subjects = new Map<string, Version[]>()
  readonly #schemas: (Version | undefined)[] = [undefined]
  #held: Promise<void> | undefined

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        (answer) => {
          if (answer === undefined) {
            request.socket.destroy()
            return
          }
          response.writeHead(answer.status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
          response.end(JSON.stringify(answer.body))
        },
        (error: unknown) => response.destroy(error as Error),
      )
    })
  }

  static async start(): Promise<SchemaRegistryServer> {
    const registry = new SchemaRegistryServer()
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve))
    return registry
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** No request is answered until the function that is returned is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held = promise
    return () => {
      this.#held = undefined
      resolve()
    }
  }

  /** Registers without HTTP. */
  add(subject: string, schema: unknown, more: Pick<Version, 'references' | 'schemaType'> = {}): number {
    const text = typeof schema === 'string' ? schema : JSON.stringify(schema)
    return this.#register(subject, text, more).id
  }

  versionsOf(subject: string): number {
    return this.#subjects.get(subject)?.length ?? 0
  }

  async #answer(request: IncomingMessage): Promise<Answer | undefined> {
    const { method = '', url = '' } = request
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    this.requests.push(`${method} ${url}`)
    await this.#held
    const outage = this.outages.shift()
    if (outage === 0) return undefined
    if (outage !== undefined) return failure(outage, outage, 'out of order')
    if (this.credentials !== undefined) {
      const expected = `Basic ${Buffer.from(this.credentials).toString('base64')}`
      if (request.headers.authorization !== expected) return failure(401, 401, 'Unauthorized')
    }
    const path = url.split('/').slice(1).map(decodeURIComponent)
    const content =
      chunks.length === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString()) as { schema?: unknown })
    return this.#route(method, path, content)
  }

  #route(
    method: string,
    [root, name = '', third, version]: readonly string[],
    content: { schema?: unknown } | undefined,
  ): Answer {
    if (method === 'GET' && root === 'schemas' && name === 'ids') return this.#byId(Number(third))
    if (root === 'subjects' && method === 'GET' && third === 'versions') return this.#byVersion(name, version ?? '')
    if (root === 'subjects' && method === 'POST') {
      const { schema } = content ?? {}
      if (typeof schema !== 'string' || !isSchema(schema)) return failure(422, 42201, 'Invalid schema')
      return third === 'versions' ? this.#post(name, schema) : this.#lookUp(name, schema)
    }
    return failure(404, 404, 'HTTP 404 Not Found')
  }

  #byId(id: number): Answer {
    const found = this.#schemas[id]
    if (found === undefined) return failure(404, 40403, `Schema ${id} not found`)
    const { schema, schemaType, references } = found
    return { status: 200, body: { schema, ...(schemaType && { schemaType }), ...(references && { references }) } }
  }

  #byVersion(subject: string, version: string): Answer {
    const versions = this.#subjects.get(subject)
    if (versions === undefined) return failure(404, 40401, `Subject '${subject}' not found.`)
    const found = version === 'latest' ? versions.at(-1) : versions[Number(version) - 1]
    return found === undefined
      ? failure(404, 40402, `Version ${version} not found.`)
      : { status: 200, body: { subject, ...found } }
  }

  #post(subject: string, schema: string): Answer {
    const versions = this.#subjects.get(subject) ?? []
    const known = versions.find((version) => version.schema === canonical(schema))
    const latest = versions.at(-1)
    if (
      known === undefined &&
      latest !== undefined &&
      this.compatibility === 'BACKWARD' &&
      !canRead(schema, latest.schema)
    ) {
      return failure(
        409,
        409,
        `Schema being registered is incompatible with an earlier schema for subject "${subject}"`,
      )
    }
    return { status: 200, body: { id: (known ?? this.#register(subject, schema, {})).id } }
  }

  #lookUp(subject: string, schema: string): Answer {
    const versions = this.#subjects.get(subject)
    if (versions === undefined) return failure(404, 40401, `Subject '${subject}' not found.`)
    const found = versions.find((version) => version.schema === canonical(schema))
    return found === undefined ? failure(404, 40403, 'Schema not found') : { status: 200, body: { subject, ...found } }
  }

  /** One schema has one id, whatever subjects it is registered for. */
  #register(subject: string, schema: string, more: Pick<Version, 'references' | 'schemaType'>): Version {
    const versions = this.#subjects.get(subject) ?? []
    this.#subjects.set(subject, versions)
    const text = canonical(schema)
    const id = this.#schemas.find((known) => known?.schema === text)?.id ?? this.#schemas.length
    const version: Version = { id, version: versions.length + 1, schema: text, ...more }
    versions.push(version)
    this.#schemas[id] = version
    return version
  }
}

function failure(status: number, code: number, message: string): Answer {
  return { status, body: { error_code: code, message } }
}

function canonical(schema: string): string {
  try {
    return JSON.stringify(JSON.parse(schema))
  } catch {
    return schema
  }
}

function isSchema(schema: string): boolean {
  try {
    avsc.Type.forSchema(JSON.parse(schema))
    return true
  } catch {
    return false
  }
}

function canRead(reader: string, writer: string): boolean {
  try {
    avsc.Type.forSchema(JSON.parse(reader)).createResolver(avsc.Type.forSchema(JSON.parse(writer)))
    return true
  } catch {
    return false
  }
}
