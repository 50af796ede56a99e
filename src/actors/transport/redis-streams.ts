import { isMillraceError, MillraceError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Clock, Timer } from '../../common/ports.ts'
import { defaultInboxCapacity } from './in-process.ts'
import { LocalInboxes } from './local-inboxes.ts'
import type { StreamClient, StreamEntry } from './stream-client.ts'
import type { Address, Connection, Envelope, Inbox, SendOutcome, Transport } from './transport.ts'
import { decodeEnvelope, encodeEnvelope } from './wire/envelope.ts'

export interface RedisStreamsTransportOptions {
  readonly client: StreamClient
  readonly clock: Clock
  readonly logger: Logger
  /** The stream that this process reads. */
  readonly stream: string
  /** The entry after which it reads; `0-0`: all of it. */
  readonly position: string
  /** The stream of the process that an address lives in. */
  streamOf(address: Address): string
  /** Put into every envelope: a leader's own token, or the newest one that a TaskManager obeys (I4). */
  leaderToken(): string | undefined
  /** False: the message is of an old leader, or for one; it is dropped (I4). */
  admits(envelope: Envelope): boolean
  /** This process leads no more: a write was refused because of its token (I1). */
  onFenced(): void
  /** Without news for this long the reader compares the stream with its position: three heartbeat intervals (R22). */
  readonly silenceMs: number
  /** Messages that one inbox of this process holds at most. */
  readonly inboxCapacity?: number
  /** What happens to a message on its way; for tests. */
  readonly fate?: (envelope: Envelope, to: Address) => 'deliver' | 'lose' | 'repeat'
}

/** Appends that wait for their answer; beyond it Redis is too slow or gone, and the sender is told. */
const appendsInFlightLimit = 10_000
const readWaitMs = 1000
const firstRetryMs = 50
const longestRetryMs = 1000

/**
 * Actors of several processes: one stream a process, read by plain XREAD from a position that the reader keeps. Groups,
 * MAXLEN and XAUTOCLAIM lose or double entries in ways that nobody is told of. Between actors of this process messages
 * are handed over at once. Nothing is sent twice: a broken connection loses what was under way, the receiver sees the gap
 * in the numbers at the next message, and asks for an inventory (R22).
 */
export class RedisStreamsTransport implements Transport {
  readonly #options: RedisStreamsTransportOptions
  readonly #inboxes: LocalInboxes
  #position: string
  readonly #appends = new Set<Promise<void>>()
  /** Who has sent messages that may not have been appended (R22). */
  readonly #unsure = new Set<Address>()
  #unsureToldAt = Number.NEGATIVE_INFINITY
  /** When something was read, or the stream was found to be as it should. */
  #newsAt: number
  #readAtMs: number
  #closed = false
  #reading: Promise<void> | undefined
  #pause: { readonly timer: Timer; readonly end: () => void } | undefined

  constructor(options: RedisStreamsTransportOptions) {
    this.#options = options
    this.#position = options.position
    this.#newsAt = options.clock.monotonicMs()
    this.#readAtMs = this.#newsAt
    this.#inboxes = new LocalInboxes(options.inboxCapacity ?? defaultInboxCapacity)
  }

  /** Begins to read; actors that are there before it miss nothing. */
  start(): void {
    this.#reading ??= this.#read()
  }

  /** Up to here everything has been handed to the inboxes: older entries may be trimmed. */
  get position(): string {
    return this.#position
  }

  /** When a read last returned, empty or not (monotonic): only time in which reads return counts against others (R26). */
  get readAtMs(): number {
    return this.#readAtMs
  }

  /** Everything that was sent has been answered by Redis, or is lost. */
  async idle(): Promise<void> {
    while (this.#appends.size > 0) await Promise.allSettled([...this.#appends])
  }

  /** Removes what the reader of a stream has handed on: everything before `lowestKept`. @throws MillraceError MR_FENCED */
  trim(stream: string, lowestKept: string): Promise<void> {
    return this.#options.client.trim(stream, lowestKept)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#pause?.end()
    this.#options.client.close()
    await this.#reading
  }

  open(address: Address, onArrival: () => void): Inbox {
    return this.#inboxes.open(address, onArrival)
  }

  connect(from: Address, token: string): Connection {
    const sequences = new Map<Address, number>()
    let numberedUnder: string | undefined
    return {
      send: (to, body) => {
        const leaderToken = this.#options.leaderToken()
        // Numbers start anew with each leader, which misses nothing that was told to the one before (R22).
        if (leaderToken !== numberedUnder) sequences.clear()
        numberedUnder = leaderToken
        const sequence = (sequences.get(to) ?? 0) + 1
        sequences.set(to, sequence)
        const envelope = { protocolVersion: 1, from, token, sequence, body } as const
        return this.#send(leaderToken === undefined ? envelope : { ...envelope, leaderToken }, to)
      },
    }
  }

  #send(envelope: Envelope, to: Address): SendOutcome {
    const fate = this.#options.fate?.(envelope, to) ?? 'deliver'
    if (fate === 'lose') return 'accepted'
    if (fate === 'repeat') this.#deliver(envelope, to)
    return this.#deliver(envelope, to)
  }

  #deliver(envelope: Envelope, to: Address): SendOutcome {
    if (this.#inboxes.has(to)) return this.#inboxes.put(envelope, to)
    const stream = this.#options.streamOf(to)
    if (this.#closed || stream === this.#options.stream) return 'unknown'
    if (this.#appends.size >= appendsInFlightLimit) {
      this.#unsure.add(envelope.from)
      return 'full'
    }
    const appended = this.#append(stream, { from: envelope.from, to }, encodeEnvelope({ to, envelope })).finally(() =>
      this.#appends.delete(appended),
    )
    this.#appends.add(appended)
    return 'accepted'
  }

  async #append(
    stream: string,
    { from, to }: { readonly from: Address; readonly to: Address },
    bytes: Buffer,
  ): Promise<void> {
    const { client, logger, onFenced } = this.#options
    try {
      const outcome = await client.append(stream, bytes)
      if (outcome === 'fenced') onFenced()
      if (outcome === 'full') this.#unsure.add(from)
      if (outcome === 'full' || outcome === 'missing') logger.debug({ stream, to, outcome }, 'message not delivered')
    } catch (error) {
      // Lost or not: the receiver knows by the numbers of the next message, if there is one; so the sender is told too.
      this.#unsure.add(from)
      if (!this.#closed) logger.debug({ stream, to }, `message not delivered: ${messageOf(error)}`)
    }
  }

  // ---- reading ----

  async #read(): Promise<void> {
    let retryMs = firstRetryMs
    let broken = false
    while (!this.#closed) {
      try {
        await this.#readOnce()
        if (broken) this.#inboxes.interrupt('the connection to Redis was broken for a time')
        broken = false
        retryMs = firstRetryMs
      } catch (error) {
        if (this.#closed) return
        if (!broken) this.#options.logger.warn({}, `messages can not be read: ${messageOf(error)}`)
        broken = true
        await this.#wait(retryMs)
        retryMs = Math.min(longestRetryMs, retryMs * 2)
      }
    }
  }

  async #readOnce(): Promise<void> {
    const { client, stream, clock, silenceMs } = this.#options
    const entries = await client.read(stream, this.#position, readWaitMs)
    for (const entry of entries) this.#accept(entry)
    const now = clock.monotonicMs()
    this.#readAtMs = now
    if (entries.length > 0) this.#newsAt = now
    this.#tellUnsure(now)
    if (now - this.#newsAt < silenceMs) return
    await this.#compare()
    this.#newsAt = clock.monotonicMs()
  }

  /** Only when Redis answers again, and now and then: what they send then may fail too. */
  #tellUnsure(now: number): void {
    if (this.#unsure.size === 0 || now - this.#unsureToldAt < readWaitMs) return
    this.#unsureToldAt = now
    const senders = [...this.#unsure]
    this.#unsure.clear()
    for (const sender of senders) this.#inboxes.interruptOne(sender, 'a message of it may be lost')
  }

  #accept({ id, bytes }: StreamEntry): void {
    this.#position = id
    if (bytes === undefined) return
    try {
      const { to, envelope } = decodeEnvelope(bytes)
      if (this.#options.admits(envelope)) this.#inboxes.put(envelope, to)
    } catch (error) {
      if (!isMillraceError(error)) throw error
      // Whoever wrote it numbers on: actors see the gap.
      this.#options.logger.error({ stream: this.#options.stream, id }, error.message)
    }
  }

  /** After data loss a stream's ids may go back, and a reader behind its old position would get nothing for ever. */
  async #compare(): Promise<void> {
    const { client, stream } = this.#options
    const last = await client.lastId(stream)
    if (last !== undefined && compareIds(last, this.#position) >= 0) return
    if (last === undefined && this.#position === '0-0') return
    this.#position = last ?? '0-0'
    this.#inboxes.interrupt(`the stream ${stream} is not what it was: Redis has lost data, or somebody has deleted it`)
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.schedule(delayMs, resolve)
      this.#pause = {
        timer,
        end: () => {
          timer.cancel()
          resolve()
        },
      }
    })
  }
}

/** Stream ids are `<milliseconds>-<sequence>`. @throws MillraceError MR_INTERNAL for anything else */
export function compareIds(left: string, right: string): number {
  const [leftMs, leftSequence] = partsOf(left)
  const [rightMs, rightSequence] = partsOf(right)
  return leftMs - rightMs || leftSequence - rightSequence
}

function partsOf(id: string): readonly [number, number] {
  const match = /^(\d+)-(\d+)$/.exec(id)
  if (match === null) throw new MillraceError('MR_INTERNAL', `'${id}' is no id of a stream entry`)
  return [Number(match[1]), Number(match[2])]
}
