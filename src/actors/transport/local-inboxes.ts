import { MillraceError } from '../../common/errors.ts'
import { SequenceCheck } from './sequence-check.ts'
import type { Address, Delivery, Envelope, Inbox, SendOutcome } from './transport.ts'

/** The inboxes that are open in this process. */
export class LocalInboxes {
  readonly #capacity: number
  readonly #inboxes = new Map<Address, LocalInbox>()

  /** `capacity`: messages that an inbox holds at most. */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  open(address: Address, onArrival: () => void): Inbox {
    if (this.#inboxes.has(address)) throw new MillraceError('MR_INTERNAL', `the address ${address} is taken`)
    const inbox = new LocalInbox(this.#capacity, onArrival, () => this.#inboxes.delete(address))
    this.#inboxes.set(address, inbox)
    return inbox
  }

  has(address: Address): boolean {
    return this.#inboxes.has(address)
  }

  put(envelope: Envelope, to: Address): SendOutcome {
    return this.#inboxes.get(to)?.put(envelope) ?? 'unknown'
  }

  /** One actor of the process is told so. */
  interruptOne(address: Address, reason: string): void {
    this.#inboxes.get(address)?.interrupt(reason)
  }

  /** Every actor of the process is told that messages to it may have been lost (R22). */
  interrupt(reason: string): void {
    for (const inbox of [...this.#inboxes.values()]) inbox.interrupt(reason)
  }
}

type Entry = Envelope | { readonly interruption: string }

class LocalInbox implements Inbox {
  readonly #capacity: number
  readonly #onArrival: () => void
  readonly #onClose: () => void
  readonly #check = new SequenceCheck()
  /** Read from `#next` on, so that taking is not linear in what waits. */
  #queue: Entry[] = []
  #next = 0

  constructor(capacity: number, onArrival: () => void, onClose: () => void) {
    this.#capacity = capacity
    this.#onArrival = onArrival
    this.#onClose = onClose
  }

  put(envelope: Envelope): SendOutcome {
    if (this.#queue.length - this.#next >= this.#capacity) return 'full'
    this.#queue.push(envelope)
    this.#onArrival()
    return 'accepted'
  }

  interrupt(reason: string): void {
    this.#queue.push({ interruption: reason })
    this.#onArrival()
  }

  take(): Delivery | undefined {
    const afterGap = this.#check.takeAfterGap()
    if (afterGap !== undefined) return afterGap
    while (this.#next < this.#queue.length) {
      const entry = this.#queue[this.#next++] as Entry
      if ('interruption' in entry) return { type: 'interrupted', reason: entry.interruption }
      const delivery = this.#check.check(entry)
      if (delivery !== undefined) return delivery
    }
    this.#queue = []
    this.#next = 0
    return undefined
  }

  close(): void {
    this.#queue = []
    this.#next = 0
    this.#onClose()
  }
}
