import type { Timer } from '../common/ports.ts'

/** Timers by what they are for: setting one again replaces it. */
export class KeyedTimers<T> {
  readonly #timers = new Map<string, Timer>()
  readonly #schedule: (delayMs: number, timer: T) => Timer

  constructor(schedule: (delayMs: number, timer: T) => Timer) {
    this.#schedule = schedule
  }

  set(timer: T, delayMs: number): void {
    this.cancel(timer)
    this.#timers.set(keyOf(timer), this.#schedule(delayMs, timer))
  }

  cancel(timer: T): void {
    const key = keyOf(timer)
    this.#timers.get(key)?.cancel()
    this.#timers.delete(key)
  }

  cancelAll(): void {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }
}

/** Timers are small plain objects, always written with their fields in one order. */
function keyOf(timer: unknown): string {
  return JSON.stringify(timer)
}
