import { processSeed } from '../common/system-ports.ts'

/**
 * Odd, and another one in each thread and process: whoever chooses keys can choose their hashes, and would else know
 * where they lie in a table. Multiplying by a random odd number and taking the topmost bits is universal (Dietzfelbinger
 * et al., A Reliable Randomized Algorithm for the Closest-Pair Problem, 1997): hashes that differ are as good as random,
 * whatever they are. Nothing that is written or sent, and no order of results, depends on it.
 */
const multiplier = processSeed | 1

/** The hash as a table uses it. The low bits of a hash say the key group: all hashes of one table may share them. */
export function mixedHash(hash: number): number {
  return Math.imul(hash, multiplier)
}

/** Where the search for a hash begins: the topmost bits of the mixed hash. */
export function homeSlot(hash: number, mask: number): number {
  return Math.imul(hash, multiplier) >>> Math.clz32(mask)
}
