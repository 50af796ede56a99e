import type { Redis } from 'ioredis'
import Redlock, { type Lock } from 'redlock'
import type { Clock } from '../../common/ports.ts'
import type { RenewalOutcome } from '../../coordinator/election/lease.ts'
import type { RedisOptions } from '../../redis/redis-options.ts'
import { LockNode } from './lock-node.ts'

export interface RedlockLeaseOptions {
  readonly nodes: readonly RedisOptions[]
  readonly resource: string
  readonly leaseMs: number
  readonly clock: Clock
}

/**
 * The lease on the lock nodes. All that is particular to the redlock package is here: it has no time limit of its own,
 * calculates with the wall clock (F9), hands out locks that are too old, and takes a lost lock for contention
 * (docs/protocol.md). So it tries once, its expiry is never asked, and who voted how is read from the nodes.
 */
export class RedlockLease {
  readonly #nodes: readonly LockNode[]
  readonly #redlock: Redlock
  readonly #options: RedlockLeaseOptions
  #lock: Lock | undefined

  constructor(options: RedlockLeaseOptions) {
    this.#options = options
    // Counted in turns, a silent node is given up after at most 1.4 times this: less than a quarter of the lease.
    const commandTimeoutMs = Math.max(10, Math.floor(options.leaseMs / 6))
    this.#nodes = options.nodes.map(
      (node) => new LockNode({ ...node, commandTimeoutMs, connectTimeoutMs: commandTimeoutMs }, options.clock),
    )
    // Of a client redlock calls evalsha and eval alone.
    this.#redlock = new Redlock(this.#nodes as unknown as Redis[], { retryCount: 0 })
  }

  /** undefined: it is ours; else why not. */
  async acquire(): Promise<string | undefined> {
    this.#begin()
    try {
      this.#lock = await this.#redlock.acquire([this.#options.resource], this.#options.leaseMs)
      return undefined
    } catch {
      return this.#reason()
    }
  }

  async renew(): Promise<RenewalOutcome> {
    const lock = this.#lock
    if (lock === undefined) return 'lost'
    // Whether it has ended is decided by monotonic time before this is called.
    lock.expiration = Number.MAX_SAFE_INTEGER
    this.#begin()
    try {
      this.#lock = await this.#redlock.extend(lock, this.#options.leaseMs)
      return 'renewed'
    } catch {
      const refused = this.#nodes.filter(({ vote }) => vote === 'no').length
      return refused > this.#nodes.length - this.#quorum ? 'lost' : 'unknown'
    }
  }

  /** As far as the nodes can be reached: else it ends by itself. */
  async release(): Promise<void> {
    const lock = this.#lock
    this.#lock = undefined
    if (lock === undefined) return
    this.#begin()
    await this.#redlock.release(lock).catch(() => {})
  }

  close(): void {
    for (const node of this.#nodes) node.close()
  }

  get #quorum(): number {
    return Math.floor(this.#nodes.length / 2) + 1
  }

  #begin(): void {
    for (const node of this.#nodes) node.begin()
  }

  #reason(): string {
    const silent = this.#nodes.filter(({ vote }) => vote === 'none')
    if (this.#nodes.length - silent.length >= this.#quorum) return 'another one holds the lease'
    const troubles = [...new Set(silent.map(({ trouble }) => trouble))].join('; ')
    return `${silent.length} of ${this.#nodes.length} lock servers can not be asked: ${troubles}`
  }
}
