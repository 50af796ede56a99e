import type { Key } from '../api/functions.ts'

/** A value in a Map-backed table. */
export class Entry {
  readonly key: Key
  readonly hash: number
  /** Pane of a pane table, user key of a map table. */
  readonly place: unknown
  value: unknown
  /** StateVersion says how it is read. */
  stamp: number

  constructor(key: Key, hash: number, place: unknown, value: unknown) {
    this.key = key
    this.hash = hash
    this.place = place
    this.value = value
    this.stamp = 0
  }
}
