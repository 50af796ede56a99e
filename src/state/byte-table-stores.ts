import type { AccumulatorState } from './accumulator-state.ts'
import type { ByteTable } from './byte-table.ts'
import type { NumericView } from './numeric-layout.ts'
import type { ValueStore } from './value-store.ts'

/** Values in columns: reading gives a fresh object. */
export class ByteValueStore<T> implements ValueStore<T> {
  readonly readsFresh = true
  readonly #table: ByteTable

  constructor(table: ByteTable) {
    this.#table = table
  }

  read(): T | undefined {
    return readAt(this.#table, this.#table.find())
  }

  readToCombine(): T | undefined {
    return this.read()
  }

  write(value: T): void {
    writeTo(this.#table, value)
  }

  remove(): void {
    this.#table.remove()
  }

  expire(): void {
    const entry = this.#table.find()
    if (entry >= 0) this.#table.expireFound(entry)
  }
}

/** Accumulators in columns, changed through one view that moves from key to key. */
export class ByteAccumulatorState<A> implements AccumulatorState<A> {
  readonly #table: ByteTable
  readonly #create: () => A
  readonly #view: NumericView | undefined
  readonly #width: number

  constructor(table: ByteTable, create: () => A) {
    this.#table = table
    this.#create = create
    this.#view = table.layout.createView()
    this.#width = table.layout.width
  }

  forUpdate(): A {
    const table = this.#table
    let entry = table.find()
    if (entry < 0) {
      // `create` is a user's function: it may ask for other keys.
      writeTo(table, this.#create())
      entry = table.find()
    } else {
      table.beforeChange(entry)
    }
    return this.#at(entry)
  }

  set(accumulator: A): void {
    if (accumulator === this.#view?.record) return
    writeTo(this.#table, accumulator)
  }

  peek(): A | undefined {
    const entry = this.#table.find()
    return entry < 0 ? undefined : this.#at(entry)
  }

  copy(): A | undefined {
    return readAt(this.#table, this.#table.find())
  }

  remove(): void {
    this.#table.remove()
  }

  #at(entry: number): A {
    const { columns, layout } = this.#table
    const base = entry * this.#width
    if (this.#view === undefined) return layout.read(columns, base) as A
    this.#view.move(columns, base)
    return this.#view.record as A
  }
}

function readAt<T>(table: ByteTable, entry: number): T | undefined {
  return entry < 0 ? undefined : (table.layout.read(table.columns, entry * table.layout.width) as T)
}

function writeTo(table: ByteTable, value: unknown): void {
  const { layout } = table
  let entry = table.find()
  if (entry < 0) {
    // A value that does not fit must leave no entry behind.
    layout.write(new Float64Array(layout.width), 0, value)
    entry = table.insert()
  } else {
    table.beforeChange(entry)
  }
  layout.write(table.columns, entry * layout.width, value)
}
