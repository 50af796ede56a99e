/** Answers below this are not worth keeping. */
const smallest = 64 * 1024
/** Two answers wait, one is decoded and one is on its way. */
const kept = 4

/**
 * The buffers that fetch answers are read into. They are used again where nothing can point into them any more, which
 * saves the kernel's work on fresh pages; `reuse: false` where records are views on them, such as with `bytes()`.
 */
export class FetchBuffers {
  readonly #reuse: boolean
  readonly #free: Buffer[] = []

  constructor(options: { readonly reuse: boolean }) {
    this.#reuse = options.reuse
  }

  /** A buffer of exactly `length` bytes, with any contents. */
  take(length: number): Buffer {
    if (!this.#reuse || length < smallest) return Buffer.allocUnsafeSlow(length)
    const at = this.#free.findIndex((buffer) => buffer.length >= length)
    const [found] = at < 0 ? [] : this.#free.splice(at, 1)
    // Rounded up, so that the next answer, which is about as large, fits as well.
    return (found ?? Buffer.allocUnsafeSlow(roundedUp(length))).subarray(0, length)
  }

  /** Nothing points into `answer`, a part of a buffer that `take` gave, any more. */
  release(answer: Buffer): void {
    if (!this.#reuse || answer.length < smallest / 2) return
    const whole = Buffer.from(answer.buffer)
    if (whole.length < smallest) return
    this.#free.push(whole)
    if (this.#free.length > kept) this.#free.shift()
  }
}

function roundedUp(length: number): number {
  const step = 256 * 1024
  return Math.ceil(length / step) * step
}
