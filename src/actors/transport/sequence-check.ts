import type { Delivery, Envelope } from './transport.ts'

/**
 * The receiving side of R22: what has been handled of each sender's token, under each leader: a new leader misses nothing
 * that was told to the one before. A repeated message is dropped, since acting
 * twice on one equals once only here (I9); a gap is reported before the message that showed it.
 */
export class SequenceCheck {
  readonly #handled = new Map<string, number>()
  #afterGap: Envelope | undefined

  /** The delivery of a message that has arrived; undefined: a repeat. */
  check(envelope: Envelope): Delivery | undefined {
    const sender = `${envelope.from} ${envelope.token} ${envelope.leaderToken ?? ''}`
    const expected = (this.#handled.get(sender) ?? 0) + 1
    if (envelope.sequence < expected) return undefined
    this.#handled.set(sender, envelope.sequence)
    if (envelope.sequence === expected) return { type: 'message', envelope }
    this.#afterGap = envelope
    const { from, token, sequence: received } = envelope
    return { type: 'gap', from, token, expected, received }
  }

  /** The message behind a gap that was just reported. */
  takeAfterGap(): Delivery | undefined {
    const envelope = this.#afterGap
    this.#afterGap = undefined
    return envelope === undefined ? undefined : { type: 'message', envelope }
  }
}
