import type { AggregateFunction, ReduceFunction } from '../api/functions.ts'
import type { AggregatingState, ListState, MapState, ReducingState, Stored, ValueState } from '../api/state.ts'
import { deeplyFrozen, detached } from './detached.ts'
import type { Entry } from './entry.ts'
import type { MapEntryTable } from './map-entry-table.ts'
import type { ValueStore } from './value-store.ts'
import type { ValueTable } from './value-table.ts'

/** What users' functions see of the tables. `freezes`: what is handed out is frozen, for tests (R6). */

export class StoredValueState<T> implements ValueState<T> {
  readonly #store: ValueStore<T>

  constructor(store: ValueStore<T>) {
    this.#store = store
  }

  value(): Stored<T> | undefined {
    return this.#store.read() as Stored<T> | undefined
  }

  update(value: T): void {
    this.#store.write(value)
  }

  clear(): void {
    this.#store.remove()
  }
}

export class StoredListState<T> implements ListState<T> {
  readonly #table: ValueTable
  readonly #freezes: boolean

  constructor(table: ValueTable, freezes: boolean) {
    this.#table = table
    this.#freezes = freezes
  }

  /** A fresh array: adding while it is walked through is harmless. */
  get(): readonly Stored<T>[] {
    const entry = this.#table.find()
    if (entry === undefined) return []
    this.#table.changes.beforeHandOut(entry, this.#table.currentKey.groupIndex)
    const items = (entry.value as T[]).slice() as Stored<T>[]
    return this.#freezes ? deeplyFrozen(items) : items
  }

  add(value: T): void {
    this.addAll([value])
  }

  addAll(values: Iterable<T>): void {
    const added = [...values]
    if (added.length === 0) return
    const entry = this.#table.find()
    if (entry === undefined) {
      this.#table.insert(added)
      return
    }
    this.#table.changes.beforeChange(entry, this.#table.currentKey.groupIndex)
    const items = entry.value as T[]
    for (const value of added) items.push(value)
  }

  update(values: Iterable<T>): void {
    const items = [...values]
    const entry = this.#table.find()
    if (items.length === 0) this.#table.remove()
    else if (entry === undefined) this.#table.insert(items)
    else {
      this.#table.changes.beforeChange(entry, this.#table.currentKey.groupIndex)
      entry.value = items
    }
  }

  clear(): void {
    this.#table.remove()
  }
}

type MapStateKey = string | number | bigint | boolean

export class StoredMapState<K extends MapStateKey, V> implements MapState<K, V> {
  readonly #table: MapEntryTable
  readonly #freezes: boolean

  constructor(table: MapEntryTable, freezes: boolean) {
    this.#table = table
    this.#freezes = freezes
  }

  get(key: K): Stored<V> | undefined {
    const entry = this.#table.find(key)
    return entry === undefined ? undefined : this.#handOut(entry, this.#table.currentKey.groupIndex)
  }

  has(key: K): boolean {
    return this.#table.find(key) !== undefined
  }

  put(key: K, value: V): void {
    this.#table.put(key, value)
  }

  remove(key: K): void {
    this.#table.remove(key)
  }

  entries(): Iterable<readonly [K, Stored<V>]> {
    return this.#walk((entry, groupIndex) => [entry.place as K, this.#handOut(entry, groupIndex)] as const)
  }

  keys(): Iterable<K> {
    return this.#walk((entry) => entry.place as K)
  }

  values(): Iterable<Stored<V>> {
    return this.#walk((entry, groupIndex) => this.#handOut(entry, groupIndex))
  }

  isEmpty(): boolean {
    return this.#table.all() === undefined
  }

  clear(): void {
    this.#table.clear()
  }

  /** Bound to the key that is current now; may be walked through more than once. */
  #walk<Item>(itemOf: (entry: Entry, groupIndex: number) => Item): Iterable<Item> {
    const entries = this.#table.all()
    const { groupIndex } = this.#table.currentKey
    return {
      *[Symbol.iterator]() {
        for (const entry of entries?.values() ?? []) yield itemOf(entry, groupIndex)
      },
    }
  }

  #handOut(entry: Entry, groupIndex: number): Stored<V> {
    this.#table.changes.beforeHandOut(entry, groupIndex)
    return (this.#freezes ? deeplyFrozen(entry.value) : entry.value) as Stored<V>
  }
}

export class StoredReducingState<T> implements ReducingState<T> {
  readonly #store: ValueStore<T>
  readonly #reduce: ReduceFunction<T>
  readonly #freezes: boolean

  constructor(store: ValueStore<T>, reduce: ReduceFunction<T>, freezes: boolean) {
    this.#store = store
    this.#reduce = reduce
    this.#freezes = freezes
  }

  /** A copy, since `reduce` may change what is stored in place (R7). */
  get(): Stored<T> | undefined {
    const value = this.#store.read()
    const copy = this.#store.readsFresh ? value : detached(value)
    return (this.#freezes ? deeplyFrozen(copy) : copy) as Stored<T> | undefined
  }

  add(value: T): void {
    const stored = this.#store.readToCombine()
    const next = stored === undefined ? value : this.#reduce(stored, value)
    // `reduce` may change the stored value: it must not be the record that was added.
    this.#store.write(next === value && !this.#store.readsFresh ? detached(next) : next)
  }

  clear(): void {
    this.#store.remove()
  }
}

export class StoredAggregatingState<In, Accumulator, Out> implements AggregatingState<In, Out> {
  readonly #store: ValueStore<Accumulator>
  readonly #aggregate: AggregateFunction<In, Accumulator, Out>

  constructor(store: ValueStore<Accumulator>, aggregate: AggregateFunction<In, Accumulator, Out>) {
    this.#store = store
    this.#aggregate = aggregate
  }

  get(): Out | undefined {
    const accumulator = this.#store.read()
    if (accumulator === undefined) return undefined
    const result = this.#aggregate.getResult(accumulator)
    return (result as unknown) === accumulator ? detached(result) : result
  }

  add(value: In): void {
    const accumulator = this.#store.readToCombine() ?? this.#aggregate.createAccumulator()
    this.#store.write(this.#aggregate.add(accumulator, value))
  }

  clear(): void {
    this.#store.remove()
  }
}
