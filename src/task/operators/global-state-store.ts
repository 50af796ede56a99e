import type { KeyedStateStore } from '../../api/functions.ts'
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
} from '../../api/state.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'

/** State of the current key that is asked for where it is used: a descriptor that was seen before costs one lookup. */
export class GlobalStateStore implements KeyedStateStore {
  readonly #keyedState: KeyedStateBackend
  readonly #known = new WeakMap<object, unknown>()

  constructor(keyedState: KeyedStateBackend) {
    this.#keyedState = keyedState
  }

  valueState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.#once(descriptor, () => this.#keyedState.valueState(descriptor))
  }

  listState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    return this.#once(descriptor, () => this.#keyedState.listState(descriptor))
  }

  mapState<K extends string | number | bigint | boolean, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return this.#once(descriptor, () => this.#keyedState.mapState(descriptor))
  }

  reducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return this.#once(descriptor, () => this.#keyedState.reducingState(descriptor))
  }

  aggregatingState<In, Accumulator, Out>(
    descriptor: AggregatingStateDescriptor<In, Accumulator, Out>,
  ): AggregatingState<In, Out> {
    return this.#once(descriptor, () => this.#keyedState.aggregatingState(descriptor))
  }

  #once<State>(descriptor: { readonly name: string }, build: () => State): State {
    const known = this.#known.get(descriptor)
    if (known !== undefined) return known as State
    const { name } = descriptor
    if (name.startsWith('$')) throw new Error(`state "${name}": names that begin with $ are the engine's own`)
    const state = build()
    this.#known.set(descriptor, state)
    return state
  }
}
