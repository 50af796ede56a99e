import type { Key } from '../api/functions.ts'
import { MillraceError } from '../common/errors.ts'
import { canonicalKeyBytes, decodeKey, type MapKey, mapKeyOf } from '../common/key.ts'
import { type KeyGroupRange, keyGroupOf } from '../common/key-groups.ts'

/** The key that all tables of a backend work on. */
export class CurrentKey {
  hash = 0
  /** Counted from the first key group of the range. */
  groupIndex = 0
  /** What Maps tell it apart by: the key itself where that is a primitive. */
  mapKey: MapKey = ''
  /** The key where it is no primitive. Storing one reference a record instead of two is measurable. */
  #objectKey: Key | undefined
  readonly #from: number
  readonly #groups: number
  readonly #maxParallelism: number

  constructor(keyGroups: KeyGroupRange, maxParallelism: number) {
    this.#from = keyGroups.from
    this.#groups = keyGroups.to - keyGroups.from
    this.#maxParallelism = maxParallelism
  }

  get key(): Key {
    return this.#objectKey ?? this.mapKey
  }

  set(key: Key, hash: number): void {
    const groupIndex = keyGroupOf(hash, this.#maxParallelism) - this.#from
    if (groupIndex >>> 0 >= this.#groups) throw this.#misplaced(groupIndex)
    this.hash = hash
    this.groupIndex = groupIndex
    if (typeof key === 'object') {
      this.mapKey = mapKeyOf(key)
      this.#objectKey = key
      return
    }
    this.mapKey = key
    if (this.#objectKey !== undefined) this.#objectKey = undefined
  }

  #misplaced(groupIndex: number): MillraceError {
    const first = this.#from
    return new MillraceError(
      'MR_INTERNAL',
      `A record of key group ${groupIndex + first} came to the subtask of key groups ${first} to ${first + this.#groups - 1}.`,
    )
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

/** A key of state that is shown to functions of the job: what they do with it changes no state (R7). */
export function detachedKey(key: Key): Key {
  return typeof key === 'object' ? ownedKey(key) : key
}
