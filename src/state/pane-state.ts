import type { Key } from '../api/functions.ts'
import type { DataType } from '../formats/data-type.ts'

export interface PaneOptions<A> {
  /** Type of the values, undefined or untyped: anything plain. */
  readonly type: DataType<A> | undefined
  /** Keeps the namespaces of each key in memory, for `namespacesOfKey` (sessions). */
  readonly indexByKey?: boolean
}

const unwritten = (): never => {
  throw new Error('unwritten')
}

/** Values by namespace (a number: a window's end, a timer's timestamp) and key. Works on the backend's current key. */
export class PaneState<A> {
  /** Of the current key and namespace. May be changed in place only if `set` follows at once. */
  get(_namespace: number): A | undefined {
    return unwritten()
  }

  /** Marks it changed. */
  set(_namespace: number, _value: A): void {
    unwritten()
  }

  /** The current key's entry of that namespace: a tombstone of that entry (R8). False: there was none. */
  removeEntry(_namespace: number): boolean {
    return unwritten()
  }

  /** Over all key groups; Infinity: there is no entry. */
  lowestNamespace(): number {
    return unwritten()
  }

  /**
   * The lowest namespace above `after`, over all key groups; Infinity: there is none. For windows with allowed lateness:
   * their fired panes stay below the ones that have still to fire.
   */
  nextNamespace(_after: number): number {
    return unwritten()
  }

  /** Namespaces of the current key, ascending; a fresh array. Only with `indexByKey`. */
  namespacesOfKey(): readonly number[] {
    return unwritten()
  }

  /** Visits the entries of a namespace, resumably, for firing in slices (R33). */
  cursor(_namespace: number): PaneCursor<A> {
    return unwritten()
  }

  /** All keys: one tombstone a key group (R8). A snapshot that drains still writes them. */
  dropNamespace(_namespace: number): void {
    unwritten()
  }
}

/**
 * Entries of one namespace. Between two calls of `next` entries may be removed, added or changed: removed ones are not
 * visited, added ones may be. Whoever removes entries as it goes looks at `lowestNamespace` again afterwards.
 */
export class PaneCursor<A> {
  /** Goes to the next entry and makes its key the backend's current key; false: at the end. */
  next(): boolean {
    return unwritten()
  }

  get key(): Key {
    return unwritten()
  }

  get value(): A {
    return unwritten()
  }
}
