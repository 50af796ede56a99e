import type { DataType } from '../formats/data-type.ts'
import type { AggregateFunction, ReduceFunction } from './functions.ts'
import type { StateTtlConfig } from './state-ttl.ts'

/** A value that came out of state: to change it, make a new one and `update` (R6). */
export type Stored<T> = T extends (infer Item)[]
  ? readonly Stored<Item>[]
  : T extends Uint8Array | Date
    ? T
    : T extends ReadonlyMap<infer Key, infer Item>
      ? ReadonlyMap<Key, Stored<Item>>
      : T extends ReadonlySet<infer Item>
        ? ReadonlySet<Item>
        : T extends object
          ? { readonly [Name in keyof T]: Stored<T[Name]> }
          : T

/** One value a key. */
export interface ValueState<T> {
  /** The value of the current key, or undefined. Do not change it in place. */
  value(): Stored<T> | undefined
  update(value: T): void
  clear(): void
}

/** A list a key. */
export interface ListState<T> {
  /** In the order in which they were added; empty where there is nothing. */
  get(): readonly Stored<T>[]
  add(value: T): void
  addAll(values: Iterable<T>): void
  update(values: Iterable<T>): void
  clear(): void
}

/** A map a key. Map keys follow the rules of keys (R36), without tuples. */
export interface MapState<K extends string | number | bigint | boolean, V> {
  get(key: K): Stored<V> | undefined
  has(key: K): boolean
  put(key: K, value: V): void
  remove(key: K): void
  entries(): Iterable<readonly [K, Stored<V>]>
  keys(): Iterable<K>
  values(): Iterable<Stored<V>>
  isEmpty(): boolean
  clear(): void
}

/** Like a value, but `add` combines with what is there. */
export interface ReducingState<T> {
  get(): Stored<T> | undefined
  add(value: T): void
  clear(): void
}

/** An accumulator a key: `add` folds a value in, `get` gives the aggregate's result; undefined before the first value. */
export interface AggregatingState<In, Out> {
  get(): Out | undefined
  add(value: In): void
  clear(): void
}

interface Descriptor<Kind extends string> {
  readonly kind: Kind
  /** Unique within the operator; names the state in checkpoints. */
  readonly name: string
  /** How long its values live; undefined: until they are cleared. */
  readonly ttl?: StateTtlConfig
}

/** Names a value state and its type; made by `valueStateDescriptor`. */
export interface ValueStateDescriptor<T> extends Descriptor<'value'> {
  readonly type: DataType<T>
}
/** Names a list state and the type of its items; made by `listStateDescriptor`. */
export interface ListStateDescriptor<T> extends Descriptor<'list'> {
  readonly type: DataType<T>
}
/** Names a map state and the type of its values; made by `mapStateDescriptor`. */
export interface MapStateDescriptor<K extends string | number | bigint | boolean, V> extends Descriptor<'map'> {
  readonly type: DataType<V>
  /** Only for inference. */
  readonly keyType?: K
}
/** Names a reducing state, its type and its function; made by `reducingStateDescriptor`. */
export interface ReducingStateDescriptor<T> extends Descriptor<'reducing'> {
  readonly type: DataType<T>
  readonly reduce: ReduceFunction<T>
}
/** Names an aggregating state and its aggregate; made by `aggregatingStateDescriptor`. */
export interface AggregatingStateDescriptor<In, Accumulator, Out> extends Descriptor<'aggregating'> {
  readonly aggregate: AggregateFunction<In, Accumulator, Out>
}

/** Operator state: a list that is redistributed when the parallelism changes. */
export interface OperatorListStateDescriptor<T> {
  readonly name: string
  readonly type: DataType<T>
  /** `even-split`: the items are dealt out. `union`: every subtask gets all of them. */
  readonly redistribution: 'even-split' | 'union'
}
/** The list of one subtask. */
export interface OperatorListState<T> {
  get(): readonly T[]
  add(value: T): void
  update(values: Iterable<T>): void
  clear(): void
}
