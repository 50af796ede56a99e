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

type HandedOut = <State extends object>(state: State, name: string) => State

/** The same for functions on keyed streams; `handedOut` gives what they get in place of a state. */
export class KeyedOpeningContext extends OpeningContext implements KeyedRuntimeContext {
  readonly #keyedState: KeyedStateBackend
  readonly #handedOut: HandedOut

  constructor(context: OperatorContext, keyedState: KeyedStateBackend, handedOut: HandedOut = (state) => state) {
    super(context)
    this.#keyedState = keyedState
    this.#handedOut = handedOut
  }

  valueState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    this.assertOpening(descriptor.name)
    return this.#handedOut(this.#keyedState.valueState(descriptor), descriptor.name)
  }

  listState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    this.assertOpening(descriptor.name)
    return this.#handedOut(this.#keyedState.listState(descriptor), descriptor.name)
  }

  mapState<K extends string | number | bigint | boolean, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    this.assertOpening(descriptor.name)
    return this.#handedOut(this.#keyedState.mapState(descriptor), descriptor.name)
  }

  reducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    this.assertOpening(descriptor.name)
    return this.#handedOut(this.#keyedState.reducingState(descriptor), descriptor.name)
  }

  aggregatingState<In, Accumulator, Out>(
    descriptor: AggregatingStateDescriptor<In, Accumulator, Out>,
  ): AggregatingState<In, Out> {
    this.assertOpening(descriptor.name)
    return this.#handedOut(this.#keyedState.aggregatingState(descriptor), descriptor.name)
  }
}
