import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TokenRequest {
  readonly authorization: string
  readonly form: URLSearchParams
}

/** What the endpoint answers; the status is 200 where none is given. */
export interface TokenAnswer {
  readonly status?: number
  readonly body: unknown
}

/** An OAuth 2.0 token endpoint over HTTP that answers as the test says. */
export class TokenEndpoint {
  readonly #server: Server
  readonly requests: TokenRequest[] = []

  private constructor(answer: (request: TokenRequest) => TokenAnswer) {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const form = new URLSearchParams(Buffer.concat(chunks).toString())
        const asked = { authorization: request.headers.authorization ?? '', form }
        this.requests.push(asked)
        const { status = 200, body } = answer(asked)
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(typeof body === 'string' ? body : JSON.stringify(body))
      })
    })
  }

  static async start(answer: (request: TokenRequest) => TokenAnswer): Promise<TokenEndpoint> {
    const endpoint = new TokenEndpoint(answer)
    await new Promise<void>((resolve) => endpoint.#server.listen(0, '127.0.0.1', resolve))
    return endpoint
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/token`
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** A token that Kafka's unsecured validator takes (KIP-255): a JSON web token without a signature. */
export function unsecuredToken(subject: string, lifetimeSeconds: number): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Date.now() / 1000
  return `${encode({ alg: 'none' })}.${encode({ sub: subject, iat: now - 1, exp: now + lifetimeSeconds })}.`
}
