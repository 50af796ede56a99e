import { createHmac, timingSafeEqual } from 'node:crypto'
import { endianness } from 'node:os'
import { MillraceError } from '../common/errors.ts'

/*
 * How two TaskManagers prove to each other that they know the secret of the cluster (R28). The one that accepts begins:
 *
 * | sent by  | bytes                                                                                |
 * |----------|--------------------------------------------------------------------------------------|
 * | accepter | header, nonce                                                                        |
 * | dialler  | header, nonce, its id, the id of whom it means to reach, HMAC of all this            |
 * | accepter | header, HMAC of what both have sent so far                                           |
 *
 * A header is the magic number, the version, and the byte order of the machine. Each HMAC covers both nonces, both ids and
 * the role of its sender, so neither a recorded handshake nor a reflected one proves anything; and a stranger gets no HMAC to
 * guess the secret from. What follows are frames (frames.ts).
 */
export const protocolVersion = 1
const magic = 0x4d_52_44_4e // MRDN
const headerLength = 8
const nonceLength = 32
const proofLength = 32
const challengeLength = headerLength + nonceLength
const answerLength = headerLength + proofLength
const longestId = 255
/** Frames hold numbers as they lie in memory. */
const ownByteOrder = endianness() === 'LE' ? 1 : 2

export interface HandshakeOptions {
  /** Of the TaskManager that shakes hands. */
  readonly taskManager: string
  /** `security.cluster-secret` */
  readonly secret: string
  /** 32 bytes that were never used before. */
  readonly nonce: Buffer
}

export type HandshakeStep =
  /** Undecided; `send`: what the other is to get first. */
  | { readonly type: 'waiting'; readonly send: Buffer | undefined }
  /** Both have proved it. `rest`: what came behind the handshake. */
  | { readonly type: 'proved'; readonly peer: string; readonly send: Buffer | undefined; readonly rest: Buffer }

/** One end of a handshake. A pure function of what arrives, but for what it collects. */
export interface Handshake {
  /** What is sent before anything has arrived. */
  readonly greeting: Buffer | undefined
  /** @throws MillraceError MR_DATA_CONNECTION where the other end does not know the secret, or speaks another language */
  receive(bytes: Buffer): HandshakeStep
}

export function acceptHandshake(options: HandshakeOptions): Handshake {
  const challenge = Buffer.concat([header(), options.nonce])
  let arrived = Buffer.alloc(0)
  return {
    greeting: challenge,
    receive(bytes) {
      arrived = Buffer.concat([arrived, bytes])
      const hello = readHello(arrived)
      if (hello === undefined) return { type: 'waiting', send: undefined }
      if (hello.reached !== options.taskManager) {
        throw refused(`it was dialled as ${shown(hello.reached)}, but is ${options.taskManager}`)
      }
      const secret = { ...options, challenge, hello: hello.signed }
      if (!timingSafeEqual(hello.proof, proofOf('dialler', secret))) throw refused(wrongSecret)
      const send = Buffer.concat([header(), proofOf('accepter', secret)])
      return { type: 'proved', peer: hello.dialler, send, rest: arrived.subarray(hello.length) }
    },
  }
}

/** `reached`: the TaskManager that is dialled. */
export function dialHandshake(options: HandshakeOptions, reached: string): Handshake {
  const hello = Buffer.concat([header(), options.nonce, text(options.taskManager), text(reached)])
  let challenge: Buffer | undefined
  let arrived = Buffer.alloc(0)
  return {
    greeting: undefined,
    receive(bytes) {
      arrived = Buffer.concat([arrived, bytes])
      let send: Buffer | undefined
      checkHeader(arrived)
      if (challenge === undefined && arrived.length >= challengeLength) {
        challenge = arrived.subarray(0, challengeLength)
        arrived = arrived.subarray(challengeLength)
        send = Buffer.concat([hello, proofOf('dialler', { ...options, challenge, hello })])
        checkHeader(arrived)
      }
      if (challenge === undefined || arrived.length < answerLength) return { type: 'waiting', send }
      const proof = arrived.subarray(headerLength, answerLength)
      if (!timingSafeEqual(proof, proofOf('accepter', { ...options, challenge, hello }))) throw refused(wrongSecret)
      return { type: 'proved', peer: reached, send, rest: arrived.subarray(answerLength) }
    },
  }
}

const wrongSecret = 'it does not know security.cluster-secret'

interface Signed {
  readonly secret: string
  readonly challenge: Buffer
  readonly hello: Buffer
}

function proofOf(role: 'dialler' | 'accepter', { secret, challenge, hello }: Signed): Buffer {
  return createHmac('sha256', secret).update(`millrace data ${role}\n`).update(challenge).update(hello).digest()
}

interface Hello {
  readonly dialler: string
  readonly reached: string
  readonly signed: Buffer
  readonly proof: Buffer
  readonly length: number
}

/** undefined: not all of it is here. */
function readHello(bytes: Buffer): Hello | undefined {
  checkHeader(bytes)
  const dialler = readText(bytes, challengeLength)
  const reached = dialler === undefined ? undefined : readText(bytes, dialler.end)
  if (dialler === undefined || reached === undefined || bytes.length < reached.end + proofLength) return undefined
  return {
    dialler: dialler.text,
    reached: reached.text,
    signed: bytes.subarray(0, reached.end),
    proof: bytes.subarray(reached.end, reached.end + proofLength),
    length: reached.end + proofLength,
  }
}

function readText(bytes: Buffer, at: number): { readonly text: string; readonly end: number } | undefined {
  const length = bytes[at]
  if (length === undefined) return undefined
  const end = at + 1 + length
  return bytes.length < end ? undefined : { text: bytes.toString('utf8', at + 1, end), end }
}

function text(id: string): Buffer {
  const bytes = Buffer.from(id, 'utf8')
  if (bytes.length > longestId) throw refused(`its id has ${bytes.length} bytes`)
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

function header(): Buffer {
  const bytes = Buffer.alloc(headerLength)
  bytes.writeUInt32BE(magic, 0)
  bytes.writeUInt16BE(protocolVersion, 4)
  bytes[6] = ownByteOrder
  return bytes
}

/** As far as it is here. */
function checkHeader(bytes: Buffer): void {
  if (bytes.length >= 4 && bytes.readUInt32BE(0) !== magic) throw refused('it is no TaskManager')
  if (bytes.length < headerLength) return
  const version = bytes.readUInt16BE(4)
  if (version !== protocolVersion) throw refused(`it speaks version ${version}, this one ${protocolVersion}`)
  if (bytes[6] !== ownByteOrder) throw refused('its machine has the other byte order')
  if (bytes[7] !== 0) throw refused('it is no TaskManager')
}

function shown(id: string): string {
  return JSON.stringify(id)
}

function refused(reason: string): MillraceError {
  return new MillraceError('MR_DATA_CONNECTION', `the other end of a data connection is refused: ${reason}`)
}
