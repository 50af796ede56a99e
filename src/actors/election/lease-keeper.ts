import { messageOf } from '../../common/errors.ts'
import type { Clock, Timer } from '../../common/ports.ts'
import { unreachable } from '../../coordinator/decision.ts'
import {
  decideLease,
  type FromLease,
  type LeaseEffect,
  type LeaseMessage,
  type LeaseSettings,
  newLease,
} from '../../coordinator/election/lease.ts'
import type { LeaseMemory } from './lease-memory.ts'
import type { RedlockLease } from './redlock-lease.ts'

export interface LeaseKeeperOptions {
  readonly settings: LeaseSettings
  readonly lease: RedlockLease
  readonly memory: LeaseMemory
  readonly clock: Clock
  readonly tell: (message: FromLease) => void
}

/** Performs what the thread of the lease decides. */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions
  #state
  #timer: Timer | undefined

  constructor(options: LeaseKeeperOptions) {
    this.#options = options
    this.#state = newLease(options.settings)
    this.#scheduleTick()
  }

  receive(message: LeaseMessage): void {
    const { state, effects } = decideLease(this.#state, message, this.#options.clock.monotonicMs())
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  close(): void {
    this.#timer?.cancel()
    this.#options.lease.close()
  }

  #scheduleTick(): void {
    this.#timer = this.#options.clock.schedule(this.#options.settings.leaseMs / 30, () => {
      this.receive({ type: 'tick', progress: this.#options.memory.progress })
      this.#scheduleTick()
    })
  }

  #perform(effect: LeaseEffect): void {
    const { lease, memory, clock, tell } = this.#options
    const sentAtMs = clock.monotonicMs()
    switch (effect.type) {
      case 'acquire':
        lease.acquire().then(
          (reason) => {
            if (reason !== undefined) this.receive({ type: 'refused', reason })
            else this.receive({ type: 'acquired', sentAtMs, progress: memory.progress })
          },
          (error: unknown) => this.receive({ type: 'refused', reason: messageOf(error) }),
        )
        return
      case 'renew':
        lease.renew().then(
          (outcome) => this.receive({ type: 'renewal', outcome, sentAtMs }),
          () => this.receive({ type: 'renewal', outcome: 'unknown', sentAtMs }),
        )
        return
      case 'release': {
        const released = (): void => this.receive({ type: 'released' })
        lease.release().then(released, released)
        return
      }
      case 'deadline':
        memory.deadlineMs = effect.deadlineMs
        return
      case 'tell':
        tell(effect.message)
        return
      default:
        unreachable(effect)
    }
  }
}
