import type { ProducerIdentity } from './produce-protocol.ts'

/** One producer id and epoch: in exactly-once sinks the bearer of one transaction (R15), else of all that a writer writes. */
export class ProducerSession {
  /** null: no transactions. */
  readonly transactionalId: string | null
  /** undefined until it is there; null: a sink that promises nothing has none. */
  identity: ProducerIdentity | null | undefined
  /** Monotonic milliseconds before the first partition was added: since then the broker counts the timeout. */
  beganMs: number | undefined
  readonly #sequences = new Map<string, number>()
  readonly #partitions = new Set<string>()
  readonly #adding = new Set<string>()

  constructor(transactionalId: string | null, identity?: ProducerIdentity | null) {
    this.transactionalId = transactionalId
    this.identity = identity
  }

  /** Records of this partition may be sent. */
  isReadyFor(partitionKey: string): boolean {
    if (this.identity === undefined) return false
    return this.transactionalId === null || this.#partitions.has(partitionKey)
  }

  /** True: the caller has to add the partition to the transaction now. */
  claim(partitionKey: string): boolean {
    if (this.identity === undefined || this.#partitions.has(partitionKey) || this.#adding.has(partitionKey))
      return false
    this.#adding.add(partitionKey)
    return true
  }

  added(partitionKey: string): void {
    this.#adding.delete(partitionKey)
    this.#partitions.add(partitionKey)
  }

  /** The number of the first of `count` records that go to a partition next; wraps after 2^31. */
  takeSequence(partitionKey: string, count: number): number {
    const sequence = this.#sequences.get(partitionKey) ?? 0
    this.#sequences.set(partitionKey, (sequence + count) & 0x7fff_ffff)
    return sequence
  }
}
