import type { Clock, Timer } from '../common/ports.ts'

interface Scheduled {
  readonly dueMs: number
  readonly action: () => void
}

/** A clock that stands still until it is moved. Wall clock and monotonic clock move together. */
export class VirtualClock implements Clock {
  readonly #startMs: number
  #nowMs: number
  readonly #scheduled = new Set<Scheduled>()

  /** `startMs`: the wall clock at the beginning, epoch milliseconds. */
  constructor(startMs = 0) {
    this.#startMs = startMs
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs
  }

  schedule(delayMs: number, action: () => void): Timer {
    const scheduled = { dueMs: this.#nowMs + Math.max(0, delayMs), action }
    this.#scheduled.add(scheduled)
    return { cancel: () => this.#scheduled.delete(scheduled) }
  }

  /** When the next scheduled action is due; Infinity: none. */
  get nextDueMs(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { dueMs } of this.#scheduled) next = Math.min(next, dueMs)
    return next
  }

  /** Moves to `nowMs` and runs what is due on the way, in order of time, then of scheduling. Never moves back. */
  advanceTo(nowMs: number): void {
    for (let due = this.nextDueMs; due <= nowMs; due = this.nextDueMs) {
      const next = [...this.#scheduled].find(({ dueMs }) => dueMs === due)
      if (next === undefined) break
      this.#scheduled.delete(next)
      this.#nowMs = Math.max(this.#nowMs, due)
      next.action()
    }
    this.#nowMs = Math.max(this.#nowMs, nowMs)
  }
}
