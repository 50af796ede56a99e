import type {
  Collector,
  Key,
  KeyedProcessContext,
  KeyedRuntimeContext,
  OnTimerContext,
  ProcessContext,
  RuntimeContext,
} from './functions.ts'
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  Stored,
  ValueState,
  ValueStateDescriptor,
} from './state.ts'

/** What can be a key of broadcast state, as of every map state. */
export type BroadcastStateKey = string | number | bigint | boolean

/** Broadcast state where it can only be read: the same in every subtask. */
export interface ReadOnlyBroadcastState<K extends BroadcastStateKey, V> {
  get(key: K): Stored<V> | undefined
  has(key: K): boolean
  /** In the order in which keys were first put. */
  entries(): Iterable<readonly [K, Stored<V>]>
  keys(): Iterable<K>
  values(): Iterable<Stored<V>>
  isEmpty(): boolean
}

/** Broadcast state on the side of the broadcast stream. */
export interface BroadcastState<K extends BroadcastStateKey, V> extends ReadOnlyBroadcastState<K, V> {
  put(key: K, value: V): void
  remove(key: K): void
  clear(): void
}

interface ReadsBroadcastState {
  /** @throws Error where the descriptor was not given to `broadcast(…)` */
  broadcastState<K extends BroadcastStateKey, V>(descriptor: MapStateDescriptor<K, V>): ReadOnlyBroadcastState<K, V>
}

/** What a record of the other stream sees. */
export interface ReadOnlyBroadcastContext extends ProcessContext, ReadsBroadcastState {}

/** What a record of the broadcast stream sees. */
export interface BroadcastContext extends ProcessContext {
  /** @throws Error where the descriptor was not given to `broadcast(…)` */
  broadcastState<K extends BroadcastStateKey, V>(descriptor: MapStateDescriptor<K, V>): BroadcastState<K, V>
}

/** What a record of the other stream sees, where that is keyed. */
export interface KeyedReadOnlyBroadcastContext<K extends Key> extends KeyedProcessContext<K>, ReadsBroadcastState {}

/** The same when a timer fires. */
export interface KeyedBroadcastOnTimerContext<K extends Key> extends OnTimerContext<K>, ReadsBroadcastState {}

/** The state that a descriptor describes. */
export type StateOf<Descriptor> =
  Descriptor extends ValueStateDescriptor<infer T>
    ? ValueState<T>
    : Descriptor extends ListStateDescriptor<infer T>
      ? ListState<T>
      : Descriptor extends MapStateDescriptor<infer K, infer V>
        ? MapState<K, V>
        : Descriptor extends ReducingStateDescriptor<infer T>
          ? ReducingState<T>
          : Descriptor extends AggregatingStateDescriptor<infer In, infer _Accumulator, infer Out>
            ? AggregatingState<In, Out>
            : never

/** Describes keyed state of some kind. */
export interface KeyedStateDescriptor {
  readonly kind: 'value' | 'list' | 'map' | 'reducing' | 'aggregating'
  readonly name: string
}

/** What a record of the broadcast stream sees, where the other stream is keyed. There is no current key. */
export interface KeyedBroadcastContext<K extends Key> extends BroadcastContext {
  /**
   * Calls a function for each key of this subtask that has something in that keyed state, in no order. The state is that
   * of the key at hand, and may be changed.
   */
  applyToKeyedState<Descriptor extends KeyedStateDescriptor>(
    descriptor: Descriptor,
    apply: (key: K, state: StateOf<Descriptor>) => void,
  ): void
}

/** A function over a stream and a broadcast one; see `BroadcastConnectedStream.process`. */
export interface BroadcastProcessFunction<In, Broadcast, Out> {
  /** Called once before the first record, with the restored state. */
  open?(context: RuntimeContext): void
  processElement(value: In, context: ReadOnlyBroadcastContext, out: Collector<Out>): void
  /**
   * A record of the broadcast stream: every subtask gets all of them, and has to change the broadcast state alike, so
   * that it stays the same everywhere. Their order may differ between subtasks where that stream has several senders.
   */
  processBroadcastElement(value: Broadcast, context: BroadcastContext, out: Collector<Out>): void
  /** Called at the end of both inputs, after the last watermark; not where the subtask fails or is stopped. */
  close?(): void
}

/** The same with a keyed stream: with keyed state and timers; see `KeyedBroadcastConnectedStream.process`. */
export interface KeyedBroadcastProcessFunction<K extends Key, In, Broadcast, Out> {
  /** Called once before the first record; keyed state is asked for here. */
  open?(context: KeyedRuntimeContext): void
  processElement(value: In, context: KeyedReadOnlyBroadcastContext<K>, out: Collector<Out>): void
  /** As in BroadcastProcessFunction. Keyed state is reached by `context.applyToKeyedState` alone: else MR_NO_CURRENT_KEY. */
  processBroadcastElement(value: Broadcast, context: KeyedBroadcastContext<K>, out: Collector<Out>): void
  onTimer?(timestamp: number, context: KeyedBroadcastOnTimerContext<K>, out: Collector<Out>): void
  /** Called at the end of both inputs, after the last watermark and its timers; not where the subtask fails or is stopped. */
  close?(): void
}
