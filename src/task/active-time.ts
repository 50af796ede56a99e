import type { Clock } from '../common/ports.ts'

/**
 * Time in which a subtask could have read its input: idleness counts only this (R19). It stands still while the subtask
 * is backpressured, aligning or busy firing, and a stall of the whole thread counts as little more than one step.
 */
export class ActiveTime {
  readonly #clock: Clock
  readonly #longestStepMs: number
  #last: number
  #elapsed = 0
  #running = false

  /** `longestStepMs`: the most that the time between two calls counts. */
  constructor(clock: Clock, longestStepMs: number) {
    this.#clock = clock
    this.#longestStepMs = longestStepMs
    this.#last = clock.monotonicMs()
  }

  /** Active milliseconds so far. `reading`: whether the time from now on counts. */
  advance(reading: boolean): number {
    const now = this.#clock.monotonicMs()
    if (this.#running) this.#elapsed += Math.min(now - this.#last, this.#longestStepMs)
    this.#last = now
    this.#running = reading
    return this.#elapsed
  }
}
