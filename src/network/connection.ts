import type { Socket } from 'node:net'
import { type ErrorData, errorData, isMillraceError } from '../common/errors.ts'
import type { Clock, Timer } from '../common/ports.ts'
import { turn } from '../task/turn.ts'
import { FrameReader } from './frame-reader.ts'
import { FrameWriter } from './frame-writer.ts'
import { announceFrame, frameTypes, keyText, malformed, readAnnouncement, smallFrame } from './frames.ts'
import type { NetworkLimits } from './limits.ts'
import type { Link } from './link.ts'

export interface ConnectionOptions {
  /** Both ends have proved the secret on it. */
  readonly socket: Socket
  /** The TaskManager at the other end. */
  readonly peer: string
  readonly clock: Clock
  readonly limits: NetworkLimits
  /** Once: it is broken, or the other end has closed it. */
  lost(error: ErrorData): void
}

/** A connection between two TaskManagers: their links, and the heartbeats that tell whether the other is still there. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #writer: FrameWriter
  readonly #reader: FrameReader
  /** Links of this end, by the number that it has announced. */
  readonly #links = new Map<number, Link>()
  readonly #linksByKey = new Map<string, Link>()
  /** What the other end has announced: the key by its number, and the number by the key. */
  readonly #announced = new Map<number, string>()
  readonly #announcedByKey = new Map<string, number>()
  #heartbeat: Timer | undefined
  #heard = true
  #silentIntervals = 0
  #ended = false
  #failure: Error | undefined

  constructor(options: ConnectionOptions) {
    const { socket, limits } = options
    this.#options = options
    this.#writer = new FrameWriter(socket)
    this.#reader = new FrameReader(
      {
        room: (link, bytes) => this.#links.get(link)?.room(bytes),
        batch: (link, buffer, bytes) => this.#links.get(link)?.batch(buffer, bytes),
        frame: (type, link, payload) => this.#frame(type, link, payload),
      },
      limits,
    )
    socket.on('data', (bytes: Buffer) => this.receive(bytes))
    socket.on('error', (error) => {
      this.#failure ??= error
    })
    socket.on('end', () => this.#break('the other end has closed it'))
    socket.on('close', () => this.#break(this.#failure?.message ?? 'the other end has closed it'))
    this.#scheduleHeartbeat()
  }

  /** From now on the link is known to the other end. */
  add(link: Link): void {
    const text = keyText(link.key)
    this.#links.set(link.number, link)
    this.#linksByKey.set(text, link)
    this.#writer.urgent(announceFrame(link.number, link.key))
    const remoteNumber = this.#announcedByKey.get(text)
    if (remoteNumber !== undefined) link.join(this.#writer, remoteNumber)
  }

  /** The other end is told behind everything that the link has sent. */
  remove(link: Link): void {
    if (!this.#links.delete(link.number)) return
    this.#linksByKey.delete(keyText(link.key))
    this.#writer.ordered(smallFrame(frameTypes.withdraw, link.number, new Uint8Array(0)))
  }

  /** What has arrived; also what came in one piece with the handshake. */
  receive(bytes: Buffer): void {
    if (this.#ended) return
    this.#heard = true
    try {
      this.#reader.read(bytes)
    } catch (error) {
      // A bug of ours must not be taken for a fault of the peer.
      this.#break(isMillraceError(error) ? error.message : `${error instanceof Error ? error.stack : String(error)}`)
    }
  }

  /** Without `lost`. */
  close(): void {
    this.#ended = true
    this.#heartbeat?.cancel()
    this.#options.socket.destroy()
  }

  #break(reason: string): void {
    if (this.#ended) return
    this.close()
    const message = `the data connection to ${this.#options.peer} broke: ${reason}`
    this.#options.lost({ code: 'MR_TASK_MANAGER_LOST', message })
  }

  #frame(type: number, number: number, payload: Buffer): void {
    switch (type) {
      case frameTypes.heartbeat:
        return
      case frameTypes.announce:
        this.#announce(number, payload)
        return
      case frameTypes.withdraw:
        this.#withdraw(number)
        return
      case frameTypes.credits:
        this.#links.get(number)?.credits(payload)
        return
      case frameTypes.message:
        this.#links.get(number)?.message(payload)
        return
      default:
        throw malformed(`frame (of type ${type})`)
    }
  }

  #announce(number: number, payload: Buffer): void {
    const text = keyText(readAnnouncement(payload))
    const isNew = !this.#announced.has(number) && !this.#announcedByKey.has(text)
    if (!isNew || this.#announced.size >= this.#options.limits.maxAnnouncedLinks) throw malformed('announcement')
    this.#announced.set(number, text)
    this.#announcedByKey.set(text, number)
    this.#linksByKey.get(text)?.join(this.#writer, number)
  }

  /** The slot at the other end has closed its port: so is the one here. */
  #withdraw(number: number): void {
    const text = this.#announced.get(number)
    if (text === undefined) return
    this.#announced.delete(number)
    this.#announcedByKey.delete(text)
    this.#linksByKey.get(text)?.close()
  }

  // ---- heartbeats ----

  #scheduleHeartbeat(): void {
    const { clock, limits } = this.#options
    this.#heartbeat = clock.schedule(limits.heartbeatIntervalMs, () => this.#beat())
  }

  /** Counts turns of the timer, not time: while this process stood still, nobody could be heard (R26). */
  #beat(): void {
    if (this.#ended) return
    if (!this.#writer.active) this.#writer.urgent(smallFrame(frameTypes.heartbeat, 0, new Uint8Array(0)))
    this.#writer.active = false
    this.#silentIntervals = this.#heard ? 0 : this.#silentIntervals + 1
    this.#heard = false
    this.#scheduleHeartbeat()
    const { heartbeatIntervalMs, heartbeatTimeoutMs } = this.#options.limits
    if (this.#silentIntervals * heartbeatIntervalMs < heartbeatTimeoutMs) return
    // Due timers run before sockets are read: one more turn before it is believed (R26).
    void turn().then(() => {
      if (!this.#heard) this.#break(`nothing came over it for ${heartbeatTimeoutMs} ms (heartbeat.timeout)`)
    })
  }
}

/** For `lost` of connections that never were. */
export function neverConnected(peer: string, error: unknown): ErrorData {
  const { message } = errorData(error)
  return { code: 'MR_TASK_MANAGER_LOST', message: `there is no data connection to ${peer}: ${message}` }
}
