import { type ErrorData, errorOf, MillraceError } from '../../common/errors.ts'
import type { Clock, Timer } from '../../common/ports.ts'

interface PendingAsk {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: MillraceError) => void
  readonly timer: Timer
}

/** The questions of one actor that wait for their answers; nothing waits without a time limit (I11). */
export class PendingAsks {
  readonly #clock: Clock
  readonly #pending = new Map<number, PendingAsk>()
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  open(what: string, timeoutMs: number): { readonly id: number; readonly answer: Promise<unknown> } {
    const id = ++this.#lastId
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = this.#clock.schedule(timeoutMs, () => {
        this.#pending.delete(id)
        reject(new MillraceError('MR_INTERNAL', `${what} did not answer within ${timeoutMs} ms`))
      })
      this.#pending.set(id, { resolve, reject, timer })
    })
    return { id, answer }
  }

  answered(id: number, value: unknown): void {
    this.#take(id)?.resolve(value)
  }

  failed(id: number, error: ErrorData): void {
    this.#take(id)?.reject(errorOf(error))
  }

  failAll(reason: string): void {
    for (const id of [...this.#pending.keys()]) this.failed(id, { code: 'MR_INTERNAL', message: reason })
  }

  #take(id: number): PendingAsk | undefined {
    const ask = this.#pending.get(id)
    this.#pending.delete(id)
    ask?.timer.cancel()
    return ask
  }
}
