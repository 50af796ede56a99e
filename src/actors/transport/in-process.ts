import { MillraceError } from '../../common/errors.ts'
import { SequenceCheck } from './sequence-check.ts'
import type { Address, Connection, Delivery, Envelope, Inbox, SendOutcome, Transport } from './transport.ts'

export interface InProcessTransportOptions {
  /** Messages that an inbox holds at most. */
  readonly inboxCapacity?: number
  /** Copies each message as another process would get it: tests prove by it that messages are plain data. */
  readonly clone?: boolean
  /** What happens to a message on its way; for tests and the simulator. */
  readonly fate?: (envelope: Envelope, to: Address) => 'deliver' | 'lose' | 'repeat'
}

/** A job runs this deep behind only if a handler never returns. */
const defaultInboxCapacity = 100_000

/** Actors of one process: messages are handed over at once, in order. */
export class InProcessTransport implements Transport {
  readonly #options: InProcessTransportOptions
  readonly #inboxes = new Map<Address, InProcessInbox>()

  constructor(options: InProcessTransportOptions = {}) {
    this.#options = options
  }

  open(address: Address, onArrival: () => void): Inbox {
    if (this.#inboxes.has(address)) throw new MillraceError('MR_INTERNAL', `the address ${address} is taken`)
    const capacity = this.#options.inboxCapacity ?? defaultInboxCapacity
    const inbox = new InProcessInbox(capacity, onArrival, () => this.#inboxes.delete(address))
    this.#inboxes.set(address, inbox)
    return inbox
  }

  connect(from: Address, token: string): Connection {
    const sequences = new Map<Address, number>()
    return {
      send: (to, body) => {
        const sequence = (sequences.get(to) ?? 0) + 1
        sequences.set(to, sequence)
        const sent = this.#options.clone === true ? structuredClone(body) : body
        return this.#deliver({ protocolVersion: 1, from, token, sequence, body: sent }, to)
      },
    }
  }

  #deliver(envelope: Envelope, to: Address): SendOutcome {
    const inbox = this.#inboxes.get(to)
    if (inbox === undefined) return 'unknown'
    const fate = this.#options.fate?.(envelope, to) ?? 'deliver'
    if (fate === 'lose') return 'accepted'
    if (fate === 'repeat') inbox.put(envelope)
    return inbox.put(envelope)
  }
}

class InProcessInbox implements Inbox {
  readonly #capacity: number
  readonly #onArrival: () => void
  readonly #onClose: () => void
  readonly #check = new SequenceCheck()
  /** Read from `#next` on, so that taking is not linear in what waits. */
  #queue: Envelope[] = []
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

  take(): Delivery | undefined {
    const afterGap = this.#check.takeAfterGap()
    if (afterGap !== undefined) return afterGap
    while (this.#next < this.#queue.length) {
      const envelope = this.#queue[this.#next++] as Envelope
      const delivery = this.#check.check(envelope)
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
