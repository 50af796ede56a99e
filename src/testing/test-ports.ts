import type { Clock, IdSource, Ports } from '../common/ports.ts'
import { SeededRandom } from '../common/seeded-random.ts'

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

/** Edges without chance: a run repeats another of the same seed. */
export function testPorts(clock: Clock, seed: number): Ports {
  return { clock, random: new SeededRandom(seed), ids: new CountingIds() }
}
