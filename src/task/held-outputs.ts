import type { Receiver } from './operator.ts'

interface Held {
  readonly receiver: Receiver
  readonly value: unknown
  readonly timestamp: number
}

/** Outputs of one operator that can be held back until it is known whether they count. */
export class HeldOutputs {
  #isHolding = false
  #held: Held[] = []

  /** Stands before one of the outputs. */
  receiver(receiver: Receiver): Receiver {
    return {
      processElement: (value, timestamp) => {
        if (this.#isHolding) this.#held.push({ receiver, value, timestamp })
        else receiver.processElement(value, timestamp)
      },
    }
  }

  hold(): void {
    this.#isHolding = true
  }

  /** What was held goes out, in its order, and what follows goes out at once. */
  release(): void {
    this.#isHolding = false
    if (this.#held.length === 0) return
    const held = this.#held
    this.#held = []
    for (const { receiver, value, timestamp } of held) receiver.processElement(value, timestamp)
  }

  drop(): void {
    this.#isHolding = false
    this.#held = []
  }
}
