import type { Key } from '../api/functions.ts'
import { MillraceError } from '../common/errors.ts'
import { canonicalKeyBytes, decodeKey, type MapKey, mapKeyOf } from '../common/key.ts'
import type { KeyGroupRange } from '../common/key-groups.ts'

/** The key that all tables of a backend work on. */
export class CurrentKey {
  key: Key = ''
  hash = 0
  /** Counted from the first key group of the range. */
  groupIndex = 0
  /** What Maps tell it apart by. */
  mapKey: MapKey = ''
  readonly #from: number
  readonly #groups: number
  readonly #maxParallelism: number

  constructor(keyGroups: KeyGroupRange, maxParallelism: number) {
    this.#from = keyGroups.from
    this.#groups = keyGroups.to - keyGroups.from
    this.#maxParallelism = maxParallelism
  }

  set(key: Key, hash: number): void {
    const groupIndex = ((hash >>> 0) % this.#maxParallelism) - this.#from
    if (groupIndex < 0 || groupIndex >= this.#groups) {
      throw new MillraceError(
        'MR_INTERNAL',
        `A record of key group ${groupIndex + this.#from} came to the subtask of key groups ${this.#from} to ${this.#from + this.#groups - 1}.`,
      )
    }
    this.key = key
    this.hash = hash
    this.groupIndex = groupIndex
    this.mapKey = typeof key === 'object' ? mapKeyOf(key) : key
  }
}

/** A short string is never a slice of another one in V8. */
const shortString = 12

/**
 * The key to be kept: aliases neither the record it was taken from, nor (a string cut out of a decoded batch) the
 * whole batch.
 */
export function ownedKey(key: Key): Key {
  switch (typeof key) {
    case 'string':
      return key.length <= shortString ? key : decodeKey(canonicalKeyBytes(key))
    case 'number':
      return key + 0
    case 'bigint':
    case 'boolean':
      return key
    default:
      return decodeKey(canonicalKeyBytes(key))
  }
}
