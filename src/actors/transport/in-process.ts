import { LocalInboxes } from './local-inboxes.ts'
import type { Address, Connection, Envelope, Inbox, SendOutcome, Transport } from './transport.ts'

export interface InProcessTransportOptions {
  /** Messages that an inbox holds at most. */
  readonly inboxCapacity?: number
  /** Copies each message as another process would get it: tests prove by it that messages are plain data. */
  readonly clone?: boolean
  /** What happens to a message on its way; for tests and the simulator. */
  readonly fate?: (envelope: Envelope, to: Address) => 'deliver' | 'lose' | 'repeat'
}

/** A job runs this deep behind only if a handler never returns. */
export const defaultInboxCapacity = 100_000

/** Actors of one process: messages are handed over at once, in order. */
export class InProcessTransport implements Transport {
  readonly #options: InProcessTransportOptions
  readonly #inboxes: LocalInboxes

  constructor(options: InProcessTransportOptions = {}) {
    this.#options = options
    this.#inboxes = new LocalInboxes(options.inboxCapacity ?? defaultInboxCapacity)
  }

  open(address: Address, onArrival: () => void): Inbox {
    return this.#inboxes.open(address, onArrival)
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
    if (!this.#inboxes.has(to)) return 'unknown'
    const fate = this.#options.fate?.(envelope, to) ?? 'deliver'
    if (fate === 'lose') return 'accepted'
    if (fate === 'repeat') this.#inboxes.put(envelope, to)
    return this.#inboxes.put(envelope, to)
  }
}
