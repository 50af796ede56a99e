import type { AccumulatorState } from './accumulator-state.ts'
import { deeplyFrozen, detached } from './detached.ts'
import type { ValueTable } from './value-table.ts'

/** One value a key, as state objects see it. Two implementations: entries of a Map, and columns off the heap. */
export interface ValueStore<T> {
  /** The value of the current key, or undefined. */
  read(): T | undefined
  /** What is combined with a new value: like `read`, but never what has expired, and it counts as no reading. */
  readToCombine(): T | undefined
  write(value: T): void
  remove(): void
  /** The current key's value has expired: it goes without a tombstone (R8). */
  expire(): void
  /** Whether `read` gives a fresh object each time, so that nothing it gives aliases state. */
  readonly readsFresh: boolean
}

export class MapValueStore<T> implements ValueStore<T> {
  readonly readsFresh = false
  readonly #table: ValueTable

  constructor(table: ValueTable) {
    this.#table = table
  }

  read(): T | undefined {
    const entry = this.#table.find()
    if (entry === undefined) return undefined
    this.#table.changes.beforeHandOut(entry, this.#table.currentKey.groupIndex)
    return entry.value as T
  }

  readToCombine(): T | undefined {
    return this.read()
  }

  write(value: T): void {
    const entry = this.#table.find()
    if (entry === undefined) {
      this.#table.insert(value)
      return
    }
    this.#table.changes.beforeChange(entry, this.#table.currentKey.groupIndex)
    entry.value = value
  }

  remove(): void {
    this.#table.remove()
  }

  expire(): void {
    const entry = this.#table.find()
    if (entry !== undefined) this.#table.expire(entry, this.#table.currentKey.groupIndex)
  }
}

/** What it hands out and takes in is frozen, for tests: changing a value without `update` throws (R6). */
export class FreezingValueStore<T> implements ValueStore<T> {
  readonly #store: ValueStore<T>

  constructor(store: ValueStore<T>) {
    this.#store = store
  }

  get readsFresh(): boolean {
    return this.#store.readsFresh
  }

  read(): T | undefined {
    return deeplyFrozen(this.#store.read())
  }

  readToCombine(): T | undefined {
    return this.#store.readToCombine()
  }

  write(value: T): void {
    this.#store.write(deeplyFrozen(value))
  }

  remove(): void {
    this.#store.remove()
  }

  expire(): void {
    this.#store.expire()
  }
}

export class MapAccumulatorState<A> implements AccumulatorState<A> {
  readonly #table: ValueTable
  readonly #create: () => A

  constructor(table: ValueTable, create: () => A) {
    this.#table = table
    this.#create = create
  }

  forUpdate(): A {
    const table = this.#table
    const entry = table.find()
    if (entry === undefined) return table.insert(this.#create()).value as A
    table.changes.beforeChange(entry, table.currentKey.groupIndex)
    return entry.value as A
  }

  set(accumulator: A): void {
    const table = this.#table
    const entry = table.find()
    if (entry === undefined) {
      table.insert(accumulator)
      return
    }
    table.changes.beforeChange(entry, table.currentKey.groupIndex)
    entry.value = accumulator
  }

  peek(): A | undefined {
    const table = this.#table
    const entry = table.find()
    if (entry === undefined) return undefined
    table.changes.beforeHandOut(entry, table.currentKey.groupIndex)
    return entry.value as A
  }

  copy(): A | undefined {
    return detached(this.#table.find()?.value as A | undefined)
  }

  remove(): void {
    this.#table.remove()
  }
}
