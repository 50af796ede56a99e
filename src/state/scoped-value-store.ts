import type { Key } from '../api/functions.ts'
import type { ListState, MapState, Stored } from '../api/state.ts'
import { mapKeyOf } from '../common/key.ts'
import { deeplyFrozen } from './detached.ts'
import type { Entry } from './entry.ts'
import type { MapEntryTable } from './map-entry-table.ts'
import type { ValueStore } from './value-store.ts'

/** What state belongs to besides the key: a window. Changes from call to call. */
export interface Scope {
  key: Key
}

/** One value a key and scope. */
export class ScopedValueStore<T> implements ValueStore<T> {
  readonly readsFresh = false
  readonly #table: MapEntryTable
  readonly #scope: Scope

  constructor(table: MapEntryTable, scope: Scope) {
    this.#table = table
    this.#scope = scope
  }

  read(): T | undefined {
    const entry = this.#table.find(this.#scope.key)
    if (entry === undefined) return undefined
    this.#table.changes.beforeHandOut(entry, this.#table.currentKey.groupIndex)
    return entry.value as T
  }

  readToCombine(): T | undefined {
    return this.read()
  }

  write(value: T): void {
    this.#table.put(this.#scope.key, value)
  }

  remove(): void {
    this.#table.remove(this.#scope.key)
  }

  expire(): void {
    this.remove()
  }
}

/** A list a key and scope. */
export class ScopedListState<T> implements ListState<T> {
  readonly #store: ScopedValueStore<T[]>
  readonly #freezes: boolean

  constructor(store: ScopedValueStore<T[]>, freezes: boolean) {
    this.#store = store
    this.#freezes = freezes
  }

  /** A fresh array: adding while it is walked through is harmless. */
  get(): readonly Stored<T>[] {
    const items = (this.#store.read()?.slice() ?? []) as Stored<T>[]
    return this.#freezes ? deeplyFrozen(items) : items
  }

  add(value: T): void {
    this.addAll([value])
  }

  addAll(values: Iterable<T>): void {
    const added = [...values]
    if (added.length === 0) return
    const items = this.#store.read()
    if (items === undefined) {
      this.#store.write(added)
      return
    }
    for (const value of added) items.push(value)
    this.#store.write(items)
  }

  update(values: Iterable<T>): void {
    const items = [...values]
    if (items.length === 0) this.#store.remove()
    else this.#store.write(items)
  }

  clear(): void {
    this.#store.remove()
  }
}

type MapStateKey = string | number | bigint | boolean

/** A map a key and scope: each of its entries is an entry of the table, under the scope and its own key. */
export class ScopedMapState<K extends MapStateKey, V> implements MapState<K, V> {
  readonly #table: MapEntryTable
  readonly #scope: Scope
  readonly #freezes: boolean

  constructor(table: MapEntryTable, scope: Scope, freezes: boolean) {
    this.#table = table
    this.#scope = scope
    this.#freezes = freezes
  }

  get(key: K): Stored<V> | undefined {
    const entry = this.#table.find(this.#placeOf(key))
    return entry === undefined ? undefined : this.#handOut(entry, this.#table.currentKey.groupIndex)
  }

  has(key: K): boolean {
    return this.#table.find(this.#placeOf(key)) !== undefined
  }

  put(key: K, value: V): void {
    this.#table.put(this.#placeOf(key), value)
  }

  remove(key: K): void {
    this.#table.remove(this.#placeOf(key))
  }

  entries(): Iterable<readonly [K, Stored<V>]> {
    return this.#walk((entry, groupIndex) => [userKeyOf<K>(entry), this.#handOut(entry, groupIndex)] as const)
  }

  keys(): Iterable<K> {
    return this.#walk(userKeyOf<K>)
  }

  values(): Iterable<Stored<V>> {
    return this.#walk((entry, groupIndex) => this.#handOut(entry, groupIndex))
  }

  isEmpty(): boolean {
    return this.#mine().length === 0
  }

  clear(): void {
    for (const entry of this.#mine()) this.#table.remove(entry.place as Key)
  }

  #placeOf(key: K): Key {
    return [this.#scope.key, key]
  }

  /** Those of the current key and scope, as they are now. */
  #mine(): readonly Entry[] {
    const scope = mapKeyOf(this.#scope.key)
    return [...(this.#table.all()?.values() ?? [])].filter(
      ({ place }) => mapKeyOf((place as readonly Key[])[0] as Key) === scope,
    )
  }

  #walk<Item>(itemOf: (entry: Entry, groupIndex: number) => Item): Iterable<Item> {
    const { groupIndex } = this.#table.currentKey
    const entries = this.#mine()
    return {
      *[Symbol.iterator]() {
        for (const entry of entries) yield itemOf(entry, groupIndex)
      },
    }
  }

  #handOut(entry: Entry, groupIndex: number): Stored<V> {
    this.#table.changes.beforeHandOut(entry, groupIndex)
    return (this.#freezes ? deeplyFrozen(entry.value) : entry.value) as Stored<V>
  }
}

function userKeyOf<K extends MapStateKey>(entry: Entry): K {
  return (entry.place as readonly Key[])[1] as K
}
