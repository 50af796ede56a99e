import type { Clock, Timer } from '../common/ports.ts'

const ticksPerTimeout = 5

/** A command that waits for its answer. */
export interface AwaitedAnswer {
  readonly sentAt: number
  readonly limitTicks: number
}

/**
 * Notices that a server has gone silent. Time is counted in ticks of the observer's own event loop: after a pause of this
 * process one tick has passed, and what came meanwhile is read before the next (R26).
 */
export class ResponseWatch {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #silent: (waitedMs: number) => void
  readonly #awaited = new Set<AwaitedAnswer>()
  #tick = 0
  #lastAnswerTick = 0
  #timer: Timer | undefined

  constructor(clock: Clock, timeoutMs: number, silent: (waitedMs: number) => void) {
    this.#clock = clock
    this.#tickMs = Math.max(1, timeoutMs / ticksPerTimeout)
    this.#silent = silent
  }

  /** `extraMs`: how long the command may hold its answer back by itself. */
  sent(extraMs: number): AwaitedAnswer {
    const awaited = { sentAt: this.#tick, limitTicks: ticksPerTimeout + Math.ceil(extraMs / this.#tickMs) }
    this.#awaited.add(awaited)
    this.#timer ??= this.#clock.schedule(this.#tickMs, () => this.#next())
    return awaited
  }

  /** `inOrder`: all that was sent is answered in its order, so that each answer is a sign of life for all. */
  answered(awaited: AwaitedAnswer, inOrder: boolean): void {
    this.#awaited.delete(awaited)
    if (inOrder) this.#lastAnswerTick = this.#tick
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#awaited.clear()
  }

  #next(): void {
    this.#timer = undefined
    if (this.#awaited.size === 0) return
    this.#tick++
    for (const { sentAt, limitTicks } of this.#awaited) {
      const waitedTicks = this.#tick - Math.max(sentAt, this.#lastAnswerTick)
      if (waitedTicks <= limitTicks) continue
      this.#silent(waitedTicks * this.#tickMs)
      return
    }
    this.#timer = this.#clock.schedule(this.#tickMs, () => this.#next())
  }
}
