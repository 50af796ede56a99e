import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(pbkdf2)

/** What Kafka demands of its users at least; fewer would let a false server guess the password. */
const minIterations = 4096
/** More is no broker's setting, but a way to keep this client busy. */
const maxIterations = 10_000_000
/** "n": no channel binding; the rest of the header is empty. RFC 5802 section 7. */
const gs2Header = 'n,,'

export type ScramHash = 'sha256' | 'sha512'

export interface ScramCredentials {
  readonly username: string
  readonly password: string
}

/**
 * The client's side of SCRAM (RFC 5802, with SHA-256 RFC 7677), without channel binding: two messages, and a check that
 * the server knows the password too. User and password are taken as UTF-8 without SASLprep, as Kafka takes them.
 */
export class ScramClient {
  readonly #hash: ScramHash
  readonly #credentials: ScramCredentials
  readonly #nonce: string
  #serverSignature: Buffer | undefined

  /** @param nonce fresh for each log-in: printable ASCII without commas */
  constructor(hash: ScramHash, credentials: ScramCredentials, nonce: string) {
    this.#hash = hash
    this.#credentials = credentials
    this.#nonce = nonce
  }

  firstMessage(): string {
    return gs2Header + this.#bareFirstMessage()
  }

  /**
   * The answer to the server's first message.
   * @throws Error where the message is none, or unsafe to answer
   */
  async finalMessage(serverFirst: string): Promise<string> {
    const { nonce, salt, iterations } = this.#readServerFirst(serverFirst)
    const withoutProof = `c=${Buffer.from(gs2Header).toString('base64')},r=${nonce}`
    const signed = `${this.#bareFirstMessage()},${serverFirst},${withoutProof}`
    const length = this.#hash === 'sha256' ? 32 : 64
    const saltedPassword = await derive(this.#credentials.password, salt, iterations, length, this.#hash)
    const clientKey = this.#hmac(saltedPassword, 'Client Key')
    const storedKey = createHash(this.#hash).update(clientKey).digest()
    const clientSignature = this.#hmac(storedKey, signed)
    this.#serverSignature = this.#hmac(this.#hmac(saltedPassword, 'Server Key'), signed)
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (clientSignature[index] as number)))
    return `${withoutProof},p=${proof.toString('base64')}`
  }

  /** @throws Error where the server refuses the client, or does not prove that it knows the password itself */
  checkServerFinal(serverFinal: string): void {
    const attributes = attributesOf(serverFinal)
    const refused = attributes.get('e')
    if (refused !== undefined) throw new Error(`SCRAM: the server refuses the log-in: ${refused}`)
    const signature = Buffer.from(attributes.get('v') ?? '', 'base64')
    const expected = this.#serverSignature
    if (expected === undefined || signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw new Error('SCRAM: the server does not prove that it knows the password: it is not the one it claims to be')
    }
  }

  #bareFirstMessage(): string {
    const name = this.#credentials.username.replaceAll('=', '=3D').replaceAll(',', '=2C')
    return `n=${name},r=${this.#nonce}`
  }

  #readServerFirst(message: string): { nonce: string; salt: Buffer; iterations: number } {
    const attributes = attributesOf(message)
    if (attributes.has('m')) throw new Error('SCRAM: the server asks for an extension that there is not')
    const [nonce, salt, count] = [attributes.get('r'), attributes.get('s'), attributes.get('i')]
    if (nonce === undefined || !salt || count === undefined) throw new Error('SCRAM: the first answer is none')
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw new Error("SCRAM: the server's nonce does not continue the client's")
    }
    const iterations = /^\d+$/.test(count) ? Number(count) : 0
    if (iterations < minIterations || iterations > maxIterations) {
      throw new Error(`SCRAM: ${count.slice(0, 20)} iterations, not ${minIterations} to ${maxIterations}`)
    }
    return { nonce, salt: Buffer.from(salt, 'base64'), iterations }
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest()
  }
}

function attributesOf(message: string): Map<string, string> {
  return new Map(message.split(',').map((part) => [part.slice(0, 1), part.startsWith('=', 1) ? part.slice(2) : '']))
}
