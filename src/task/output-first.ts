import type { Clock } from '../common/ports.ts'
import type { FromSlot } from './slot-protocol.ts'

/** A stream of the thread: what is written goes through the main thread, which takes it when it finds the time. */
export interface ThreadOutput {
  readonly writableLength: number
  write(text: string, written: () => void): unknown
}

/** A reader that has stopped reading must not keep the end of an attempt back. */
const limitMs = 5000

/**
 * Tells the end of an attempt only when what the job's functions have printed has left the thread: it may be ended
 * right afterwards, and with it the lines that a person needs to see. Messages keep their order.
 */
export class OutputFirst {
  readonly #send: (message: FromSlot) => void
  readonly #outputs: readonly ThreadOutput[]
  readonly #clock: Clock
  #held: FromSlot[] | undefined

  constructor(send: (message: FromSlot) => void, outputs: readonly ThreadOutput[], clock: Clock) {
    this.#send = send
    this.#outputs = outputs
    this.#clock = clock
  }

  send(message: FromSlot): void {
    if (this.#held !== undefined) this.#held.push(message)
    else if (!tellsAnEnd(message) || this.#isEmpty()) this.#send(message)
    else {
      this.#held = [message]
      void this.written().then(() => this.#release())
    }
  }

  /** Resolves when everything that was printed has left the thread, or after five seconds. */
  async written(): Promise<void> {
    if (this.#isEmpty()) return
    const { promise: tooLong, resolve } = Promise.withResolvers<void>()
    const timer = this.#clock.schedule(limitMs, resolve)
    const all = this.#outputs.map((output) => new Promise<void>((done) => output.write('', done)))
    await Promise.race([Promise.all(all), tooLong])
    timer.cancel()
  }

  #isEmpty(): boolean {
    return this.#outputs.every(({ writableLength }) => writableLength === 0)
  }

  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const message of held) this.#send(message)
  }
}

function tellsAnEnd({ type }: FromSlot): boolean {
  return type === 'finished' || type === 'failed' || type === 'canceled' || type === 'slotFailed'
}
