/**
 * What the main thread and the thread of the lease see of each other at once, whatever either is busy with: how far the
 * main loop is (I13), and until when the lease lasts (I3).
 */
export class LeaseMemory {
  readonly buffer: SharedArrayBuffer
  readonly #words: BigInt64Array

  constructor(buffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer
    this.#words = new BigInt64Array(buffer)
  }

  /** The main loop has turned. */
  advance(): void {
    Atomics.add(this.#words, 0, 1n)
  }

  get progress(): number {
    return Number(Atomics.load(this.#words, 0))
  }

  /** Monotonic milliseconds of `threadsClock`; 0: no lease. */
  get deadlineMs(): number {
    return Number(Atomics.load(this.#words, 1)) / 1000
  }

  set deadlineMs(deadlineMs: number) {
    Atomics.store(this.#words, 1, BigInt(Math.floor(deadlineMs * 1000)))
  }
}
