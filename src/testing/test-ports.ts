import type { Clock, IdSource, Ports, Random } from '../common/ports.ts'

/** Ids that count up: two runs of a test use the same ones. */
class CountingIds implements IdSource {
  #last = 0

  unique(): string {
    this.#last++
    return `test-${this.#last}`
  }

  hexadecimal(): string {
    this.#last++
    return this.#last.toString(16).padStart(32, '0')
  }
}

/** Mulberry32: small, and good enough for jitter. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Edges without chance: a run repeats another of the same seed. */
export function testPorts(clock: Clock, seed: number): Ports {
  return { clock, random: new SeededRandom(seed), ids: new CountingIds() }
}
