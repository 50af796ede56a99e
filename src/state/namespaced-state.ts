import type { Key } from '../api/functions.ts'
import type { MapEntryTable } from './map-entry-table.ts'

/** Values by key and namespace, a window; works on the backend's current key. */
export class NamespacedState<A> {
  readonly #table: MapEntryTable

  constructor(table: MapEntryTable) {
    this.#table = table
  }

  /** May be changed in place only if `set` follows at once. */
  get(namespace: Key): A | undefined {
    const entry = this.#table.find(namespace)
    if (entry === undefined) return undefined
    this.#table.changes.beforeHandOut(entry, this.#table.currentKey.groupIndex)
    return entry.value as A
  }

  /** Marks it changed. */
  set(namespace: Key, value: A): void {
    this.#table.put(namespace, value)
  }

  /** A tombstone of the entry, where a checkpoint may hold it (R8). */
  remove(namespace: Key): void {
    this.#table.remove(namespace)
  }
}
