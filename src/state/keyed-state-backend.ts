import type { Key } from '../api/functions.ts'
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
import type { KeyGroupRange } from '../common/key-groups.ts'
import type { AccumulatorOptions, AccumulatorState } from './accumulator-state.ts'
import type { CheckpointBarrier } from './checkpoint-record.ts'
import type { KeyedSnapshot } from './keyed-snapshot.ts'
import type { ManagedMemory } from './managed-memory.ts'
import type { PaneOptions, PaneState } from './pane-state.ts'

export interface KeyedStateBackendOptions {
  readonly keyGroups: KeyGroupRange
  readonly maxParallelism: number
  readonly memory: ManagedMemory
  readonly operatorName: string
  /** For tests: what state hands out is frozen, so that changing it without `update` throws (R6). */
  readonly freezeValues?: boolean
}

const unwritten = (): never => {
  throw new Error('unwritten')
}

/**
 * The keyed state of one operator in one subtask: tables by name, each by key group. Everything works on the current
 * key. One thread owns it.
 */
export class KeyedStateBackend {
  readonly options: KeyedStateBackendOptions

  constructor(options: KeyedStateBackendOptions) {
    this.options = options
  }

  get currentKey(): Key {
    return unwritten()
  }

  /** `hash` is hashKey(key). A key that is a tuple or bytes must not be changed while it is current. */
  setCurrentKey(_key: Key, _hash: number): void {
    unwritten()
  }

  /**
   * State objects of user functions: the same object for the same name.
   * @throws MillraceError MR_STATE_INCOMPATIBLE where the restored state of that name has another kind or type
   */
  valueState<T>(_descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return unwritten()
  }

  listState<T>(_descriptor: ListStateDescriptor<T>): ListState<T> {
    return unwritten()
  }

  mapState<K extends string | number | bigint | boolean, V>(_descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return unwritten()
  }

  reducingState<T>(_descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return unwritten()
  }

  aggregatingState<In, Accumulator, Out>(
    _descriptor: AggregatingStateDescriptor<In, Accumulator, Out>,
  ): AggregatingState<In, Out> {
    return unwritten()
  }

  /** For running reduce and aggregate. Names of engine state start with `$`, so that no user's state collides. */
  accumulators<A>(_name: string, _options: AccumulatorOptions<A>): AccumulatorState<A> {
    return unwritten()
  }

  /** For windows (namespace = window end) and timers (namespace = timestamp). */
  panes<A>(_name: string, _options: PaneOptions<A>): PaneState<A> {
    return unwritten()
  }

  /**
   * The synchronous part of a snapshot (R6): what is written is what is there now, however the state changes while the
   * snapshot drains. Cancels an undrained older one (R2).
   */
  snapshot(_barrier: CheckpointBarrier): KeyedSnapshot {
    return unwritten()
  }
}
