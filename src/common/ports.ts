/**
 * The injected edges: time, randomness and ids. Nothing of ours asks the operating system for these directly, so that
 * the simulator and the virtual-time tests can run the same code (DESIGN "decide, then act").
 */

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall clock, epoch milliseconds: what processing time means to a job. */
  now(): number
  /** Monotonic milliseconds with fraction: for durations, deadlines and timeouts. */
  monotonicMs(): number
  /** Runs `action` once, not before `delayMs` from now. */
  schedule(delayMs: number, action: () => void): Timer
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
}

export interface IdSource {
  /** A fresh nanoid (attempts, tokens, TaskManagers). */
  unique(): string
  /** 32 fresh lower-case hexadecimal digits (job ids). */
  hexadecimal(): string
}

export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly ids: IdSource
}
