import type { Clock, Timer } from '../../common/ports.ts'

const tickMs = 250

interface Waiting {
  ticksLeft: number
  readonly expired: () => void
}

/**
 * Deadlines of requests that count ticks of a timer, not time: a thread that was busy for a minute has not waited for
 * the broker, and after each tick sockets are read once more before a deadline is believed (R26).
 */
export class RequestDeadlines {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiting>()
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Gives what `answer` gives; calls `expired`, which has to end it, when it took longer than `limitMs`. */
  async guard<Answer>(answer: Promise<Answer>, limitMs: number, expired: () => void): Promise<Answer> {
    const waiting = { ticksLeft: Math.ceil(limitMs / tickMs) + 1, expired }
    this.#waiting.add(waiting)
    this.#timer ??= this.#clock.schedule(tickMs, () => this.#tick())
    try {
      return await answer
    } finally {
      this.#waiting.delete(waiting)
      if (this.#waiting.size === 0) this.#stop()
    }
  }

  #tick(): void {
    this.#timer = this.#clock.schedule(tickMs, () => this.#tick())
    for (const waiting of this.#waiting) {
      waiting.ticksLeft--
      if (waiting.ticksLeft <= 0) {
        this.#waiting.delete(waiting)
        waiting.expired()
      }
    }
    if (this.#waiting.size === 0) this.#stop()
  }

  #stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
