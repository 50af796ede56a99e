import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { AnswerReader, RequestWriter } from '../../../../src/connectors/kafka/wire-format.ts'

/** By API key: the newest versions, as far as the answers here have them. */
const servedVersions = new Map([
  [1, 11],
  [2, 2],
  [3, 4],
  [10, 2],
  [17, 1],
  [18, 2],
  [36, 1],
])

export interface FakeTarget {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface FakePartition {
  readonly errorCode?: number
  readonly highWatermark?: number
  readonly records?: Buffer
}

/** What a fetch is answered by: records by partition, or nothing at all. */
export type FakeFetchAnswer =
  | { readonly throttleMs?: number; partition(target: FakeTarget): FakePartition }
  | 'no answer'

/** The answers of a broker that does what the test says: for what a real one can not be made to do. */
export interface FakeScript {
  /** Node id of the leader of each partition of topic `ads`. */
  leaders(): readonly number[]
  /** Node ids and ports of all brokers. */
  nodes(): ReadonlyMap<number, number>
  fetch(targets: readonly FakeTarget[], count: number): FakeFetchAnswer | Promise<FakeFetchAnswer>
  readonly login?: FakeLogin
  readonly tls?: TlsOptions
}

export interface FakeLogin {
  readonly mechanisms: readonly string[]
  /** The answer to one message of the mechanism. */
  step(text: string):
    | {
        readonly answer?: string
        readonly errorCode?: number
        readonly errorText?: string
        readonly sessionLifetimeMs?: number
      }
    | 'no answer'
}

export class FakeBroker {
  readonly #server: Server
  readonly #script: FakeScript
  readonly #sockets = new Set<Socket>()
  fetches = 0
  /** Mechanisms and messages of log-ins, as they came. */
  readonly logins: string[] = []
  requestsBetweenLoginSteps = 0
  /** Added to the correlation of answers. */
  shiftCorrelation = 0
  #inLogin = false

  private constructor(script: FakeScript) {
    this.#script = script
    const serve = (socket: Socket): void => this.#serve(socket)
    this.#server = script.tls === undefined ? createServer(serve) : createTlsServer(script.tls, serve)
  }

  static async start(script: FakeScript): Promise<FakeBroker> {
    const broker = new FakeBroker(script)
    await new Promise<void>((resolve) => broker.#server.listen(0, '127.0.0.1', resolve))
    return broker
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    this.dropConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    let rest: Buffer = Buffer.alloc(0)
    socket.on('data', (data: Buffer) => {
      rest = Buffer.concat([rest, data])
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
        const size = rest.readInt32BE(0)
        this.#answer(socket, new AnswerReader(rest.subarray(4, 4 + size))).catch((error: unknown) =>
          socket.destroy(error as Error),
        )
        rest = rest.subarray(4 + size)
      }
    })
  }

  async #answer(socket: Socket, request: AnswerReader): Promise<void> {
    const [apiKey, version, correlationId] = [request.int16(), request.int16(), request.int32()]
    request.nullableString()
    const body = await this.#bodyOf(apiKey, version, request)
    if (body === undefined) return
    const frame = Buffer.alloc(8 + body.length)
    frame.writeInt32BE(4 + body.length, 0)
    frame.writeInt32BE(correlationId + this.shiftCorrelation, 4)
    body.copy(frame, 8)
    socket.write(frame)
  }

  async #bodyOf(apiKey: number, version: number, request: AnswerReader): Promise<Buffer | undefined> {
    if (this.#inLogin && apiKey !== 36) this.requestsBetweenLoginSteps++
    switch (apiKey) {
      case 17:
        return this.#handshake(request.string())
      case 36:
        return this.#authenticate(request.sizedBytes().toString('latin1'))
      case 1:
        return this.#fetch(request)
      case 3:
        return this.#metadata()
      case 18: {
        const writer = new RequestWriter().int16(0)
        writer.array([...servedVersions], ([key, highest]) => writer.int16(key).int16(0).int16(highest))
        return version > 0 ? writer.int32(0).bytes : writer.bytes
      }
      default:
        throw new Error(`the fake broker knows no API ${apiKey}`)
    }
  }

  #handshake(mechanism: string): Buffer {
    this.logins.push(mechanism)
    const mechanisms = this.#script.login?.mechanisms ?? []
    this.#inLogin = mechanisms.includes(mechanism)
    const writer = new RequestWriter().int16(this.#inLogin ? 0 : 33)
    return writer.array(mechanisms, (offered) => writer.string(offered)).bytes
  }

  #authenticate(text: string): Buffer | undefined {
    this.logins.push(text)
    const result = this.#script.login?.step(text) ?? {}
    if (result === 'no answer') return undefined
    const { answer, errorCode = 0, errorText = null, sessionLifetimeMs = 0 } = result
    this.#inLogin = false
    const bytes = Buffer.from(answer ?? '', 'latin1')
    return new RequestWriter().int16(errorCode).string(errorText).sizedBytes(bytes).int64(sessionLifetimeMs).bytes
  }

  #metadata(): Buffer {
    const writer = new RequestWriter().int32(0)
    writer.array([...this.#script.nodes()], ([nodeId, port]) => {
      writer.int32(nodeId).string('127.0.0.1').int32(port).string(null)
    })
    writer.string(null).int32(0).int32(1).int16(0).string('ads').int8(0)
    writer.array([...this.#script.leaders().entries()], ([partition, leader]) => {
      writer.int16(0).int32(partition).int32(leader).int32(0).int32(0)
    })
    return writer.bytes
  }

  async #fetch(request: AnswerReader): Promise<Buffer | undefined> {
    const targets = readTargets(request)
    const answer = await this.#script.fetch(targets, ++this.fetches)
    if (answer === 'no answer') return undefined
    const { throttleMs = 0 } = answer
    const parts = targets.map((target) => ({ target, part: answer.partition(target) }))
    const head = new RequestWriter().int32(throttleMs).int16(0).int32(0)
    if (throttleMs > 0) return head.int32(0).bytes
    head.int32(1).string('ads').int32(parts.length)
    const chunks: Buffer[] = [Buffer.from(head.bytes)]
    for (const { target, part } of parts) {
      const { errorCode = 0, highWatermark = 1000, records = Buffer.alloc(0) } = part
      const writer = new RequestWriter().int32(target.partition).int16(errorCode).int64(highWatermark)
      writer.int64(highWatermark).int64(0).int32(0).int32(-1).int32(records.length)
      chunks.push(Buffer.from(writer.bytes), records)
    }
    return Buffer.concat(chunks)
  }
}

function readTargets(request: AnswerReader): FakeTarget[] {
  request.skip(4 + 4 + 4 + 4 + 1 + 4 + 4)
  return request
    .array(() => {
      const topic = request.string()
      return request.array(() => {
        const partition = request.int32()
        request.int32()
        const offset = request.int64()
        request.skip(8 + 4)
        return { topic, partition, offset }
      })
    })
    .flat()
}
