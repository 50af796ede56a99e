import type { Key, KeyedStateStore } from '../api/functions.ts'
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../api/state.ts'
import type { StateTtlConfig } from '../api/state-ttl.ts'
import { MillraceError } from '../common/errors.ts'
import type { DataType, DeclaredType } from '../formats/data-type.ts'
import type { KeyedStateBackend } from './keyed-state-backend.ts'
import type { MapEntryTable } from './map-entry-table.ts'
import { ScopedListState, ScopedMapState, ScopedValueStore } from './scoped-value-store.ts'
import { StoredAggregatingState, StoredReducingState, StoredValueState } from './state-objects.ts'
import { FreezingValueStore, type ValueStore } from './value-store.ts'

/** State whose parts can be combined when the windows that they belong to are. */
export type MergingDescriptor<In, Accumulator, Out> =
  | ListStateDescriptor<In>
  | ReducingStateDescriptor<In>
  | AggregatingStateDescriptor<In, Accumulator, Out>

const scopedKinds = ['value', 'list', 'map', 'reducing', 'aggregating'] as const
type ScopedKind = (typeof scopedKinds)[number]

const untyped: DataType<unknown> = { kind: 'untyped' }

/**
 * State of the current key and of one scope, the window that `scopeTo` names. It is asked for where it is used: a
 * descriptor that was seen before costs one lookup.
 */
export class ScopedStateStore implements KeyedStateStore {
  readonly #keyedState: KeyedStateBackend
  readonly #prefix: string
  readonly #scope: { key: Key } = { key: 0 }
  readonly #known = new WeakMap<object, unknown>()
  readonly #tables = new WeakMap<object, MapEntryTable>()

  /** @param prefix tells its state from that of other stores of the operator */
  constructor(keyedState: KeyedStateBackend, prefix: string) {
    this.#keyedState = keyedState
    this.#prefix = prefix
  }

  scopeTo(key: Key): void {
    this.#scope.key = key
  }

  valueState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.#once(descriptor, () => {
      const store = new ScopedValueStore<T>(this.#table(descriptor, descriptor.type), this.#scope)
      return new StoredValueState<T>(this.#keyedState.freezesValues ? new FreezingValueStore(store) : store)
    })
  }

  listState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#once(descriptor, () => {
      const store = new ScopedValueStore<T[]>(this.#table(descriptor, listTypeOf(descriptor)), this.#scope)
      return new ScopedListState<T>(store, this.#keyedState.freezesValues)
    })
  }

  mapState<K extends string | number | bigint | boolean, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return this.#once(descriptor, () => {
      const table = this.#table(descriptor, descriptor.type)
      return new ScopedMapState<K, V>(table, this.#scope, this.#keyedState.freezesValues)
    })
  }

  reducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return this.#once(descriptor, () => {
      const store = new ScopedValueStore<T>(this.#table(descriptor, descriptor.type), this.#scope)
      return new StoredReducingState<T>(store, descriptor.reduce, this.#keyedState.freezesValues)
    })
  }

  aggregatingState<In, Accumulator, Out>(
    descriptor: AggregatingStateDescriptor<In, Accumulator, Out>,
  ): AggregatingState<In, Out> {
    return this.#once(descriptor, () => {
      const { aggregate } = descriptor
      const table = this.#table(descriptor, aggregate.accumulatorType ?? untyped)
      return new StoredAggregatingState<In, Accumulator, Out>(new ScopedValueStore(table, this.#scope), aggregate)
    })
  }

  /** Combines the state of `from` into that of `into`; the scopes are different ones. */
  merge<In, Accumulator, Out>(
    descriptor: MergingDescriptor<In, Accumulator, Out>,
    into: Key,
    from: readonly Key[],
  ): void {
    const { table, combine } = this.#merging(descriptor)
    const scope = { key: into }
    const store: ValueStore<unknown> = new ScopedValueStore(table, scope)
    for (const source of from) {
      scope.key = source
      const value = store.read()
      if (value === undefined) continue
      store.remove()
      scope.key = into
      const merged = store.read()
      store.write(merged === undefined ? value : combine(merged, value))
    }
  }

  #merging<In, Accumulator, Out>(descriptor: MergingDescriptor<In, Accumulator, Out>): Merging {
    switch (descriptor.kind) {
      case 'list':
        return {
          table: this.#table(descriptor, listTypeOf(descriptor)),
          combine: (left, right) => [...(left as readonly unknown[]), ...(right as readonly unknown[])],
        }
      case 'reducing':
        return { table: this.#table(descriptor, descriptor.type), combine: descriptor.reduce as Merging['combine'] }
      case 'aggregating': {
        const { aggregate, name } = descriptor
        const combine = (left: unknown, right: unknown): unknown => {
          if (aggregate.merge === undefined) throw new TypeError(`the aggregate of state "${name}" has no merge()`)
          return aggregate.merge(left as Accumulator, right as Accumulator)
        }
        return { table: this.#table(descriptor, aggregate.accumulatorType ?? untyped), combine }
      }
      default: {
        const never: never = descriptor
        throw new MillraceError('MR_INTERNAL', `unknown state ${String(never)}`)
      }
    }
  }

  #once<State>(descriptor: object, build: () => State): State {
    const known = this.#known.get(descriptor)
    if (known !== undefined) return known as State
    const state = build()
    this.#known.set(descriptor, state)
    return state
  }

  #table(descriptor: ScopedDescriptor, type: DataType<unknown>): MapEntryTable {
    const known = this.#tables.get(descriptor)
    if (known !== undefined) return known
    const table = this.#newTable(descriptor, type)
    this.#tables.set(descriptor, table)
    return table
  }

  #newTable({ kind, name, ttl }: ScopedDescriptor, type: DataType<unknown>): MapEntryTable {
    if (ttl !== undefined) {
      throw new MillraceError(
        'MR_JOB_DEFINITION',
        `State "${name}" of windows has a time to live: it ends with its window, or where a trigger clears it.`,
      )
    }
    for (const other of scopedKinds) {
      if (other === kind || !this.#keyedState.has(this.#nameOf(other, name))) continue
      throw new MillraceError('MR_STATE_INCOMPATIBLE', `State "${name}" of windows is ${other} and ${kind} state.`)
    }
    return this.#keyedState.entries(this.#nameOf(kind, name), type)
  }

  #nameOf(kind: ScopedKind, name: string): string {
    return `${this.#prefix}-${kind}:${name}`
  }
}

interface ScopedDescriptor {
  readonly kind: ScopedKind
  readonly name: string
  readonly ttl?: StateTtlConfig
}

interface Merging {
  readonly table: MapEntryTable
  combine(left: unknown, right: unknown): unknown
}

function listTypeOf<T>({ type }: ListStateDescriptor<T>): DataType<unknown> {
  return type.kind === 'untyped' ? untyped : { kind: 'array', items: type as DeclaredType<unknown> }
}
