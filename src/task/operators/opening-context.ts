import type { KeyedRuntimeContext, RuntimeContext } from '../../api/functions.ts'
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  OperatorListState,
  OperatorListStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../../api/state.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { OperatorContext } from '../operator.ts'

/** What a function may ask for in its `open`, and not later. */
export class OpeningContext implements RuntimeContext {
  readonly operatorName: string
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly #context: OperatorContext
  #open = true

  constructor(context: OperatorContext) {
    this.#context = context
    this.operatorName = context.operatorName
    this.subtaskIndex = context.subtaskIndex
    this.parallelism = context.parallelism
    this.maxParallelism = context.maxParallelism
  }

  operatorListState<T>(descriptor: OperatorListStateDescriptor<T>): OperatorListState<T> {
    this.assertOpening(descriptor.name)
    return this.#context.operatorState.listState(descriptor)
  }

  /** After this, asking for state is an error: a state that appears late would have been lost in a restore. */
  close(): void {
    this.#open = false
  }

  protected assertOpening(stateName: string): void {
    if (!this.#open) throw new Error(`state "${stateName}" was asked for outside of open()`)
    if (stateName.startsWith('$')) throw new Error(`state "${stateName}": names that begin with $ are the engine's own`)
  }
}

/** The same for functions on keyed streams. */
export class KeyedOpeningContext extends OpeningContext implements KeyedRuntimeContext {
  readonly #keyedState: KeyedStateBackend

  constructor(context: OperatorContext, keyedState: KeyedStateBackend) {
    super(context)
    this.#keyedState = keyedState
  }

  valueState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    this.assertOpening(descriptor.name)
    return this.#keyedState.valueState(descriptor)
  }

  listState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    this.assertOpening(descriptor.name)
    return this.#keyedState.listState(descriptor)
  }

  mapState<K extends string | number | bigint | boolean, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    this.assertOpening(descriptor.name)
    return this.#keyedState.mapState(descriptor)
  }

  reducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    this.assertOpening(descriptor.name)
    return this.#keyedState.reducingState(descriptor)
  }

  aggregatingState<In, Accumulator, Out>(
    descriptor: AggregatingStateDescriptor<In, Accumulator, Out>,
  ): AggregatingState<In, Out> {
    this.assertOpening(descriptor.name)
    return this.#keyedState.aggregatingState(descriptor)
  }
}
