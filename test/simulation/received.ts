import type { Mutation } from './rules.ts'

/** The last sequence number of each sender (I9). */
export class Received {
  readonly #last = new Map<string, number>()
  readonly #mutation: Mutation | undefined

  constructor(mutation: Mutation | undefined) {
    this.#mutation = mutation
  }

  verdict(sender: string, sequence: number): 'next' | 'repeated' | 'gap' {
    const last = this.#last.get(sender) ?? 0
    if (sequence <= last && this.#mutation !== 'I9 repeated messages are acted on') return 'repeated'
    this.#last.set(sender, Math.max(last, sequence))
    return sequence > last + 1 && this.#mutation !== 'I9 lost messages are not noticed' ? 'gap' : 'next'
  }
}
