import type { BroadcastStateDescriptor } from '../graph/operator-spec.ts'
import type { BroadcastProcessFunction, KeyedBroadcastProcessFunction } from './broadcast-functions.ts'
import type { SingleOutputStreamOperator } from './data-stream.ts'
import { declaredFunctions, definitionError } from './declaration.ts'
import type { Key } from './functions.ts'
import { checkSameJob, type StreamInput } from './stream-input.ts'

/**
 * A stream whose records all go to every subtask of the operator that it is connected to, and the broadcast states that
 * they make there. Made by `broadcast(descriptor…)`.
 */
export class BroadcastStream<T> {
  /** @internal */
  readonly input: StreamInput
  /** @internal */
  readonly states: readonly BroadcastStateDescriptor[]
  /** Carries the type of the records. */
  declare protected readonly recordType: T

  /** @internal Comes from `broadcast`. */
  constructor(input: StreamInput, states: readonly BroadcastStateDescriptor[]) {
    const names = states.map(({ name }) => name)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) throw definitionError('broadcast', `two broadcast states are named '${twice}'`)
    this.input = input
    this.states = states
  }
}

/** A stream with a broadcast one. */
export class BroadcastConnectedStream<In, Broadcast> {
  readonly #first: StreamInput
  readonly #broadcast: BroadcastStream<Broadcast>
  /** Carries the type of the records. */
  declare protected readonly recordType: In

  /** @internal Comes from `connect`. */
  constructor(first: StreamInput, broadcast: BroadcastStream<Broadcast>) {
    checkSameJob(first, broadcast.input, 'connect')
    this.#first = first
    this.#broadcast = broadcast
  }

  /** A function that reads broadcast state with each record of the stream, and changes it with each broadcast one. */
  process<Out>(process: BroadcastProcessFunction<In, Broadcast, Out>): SingleOutputStreamOperator<Out> {
    declaredFunctions(process, 'process', { needed, others: ['open', 'close'] })
    return this.#first.addWith(
      this.#broadcast.input,
      {
        kind: 'broadcastProcess',
        process: process as BroadcastProcessFunction<unknown, unknown, unknown>,
        states: this.#broadcast.states,
      },
      'Broadcast Process',
    )
  }
}

/** A keyed stream with a broadcast one. */
export class KeyedBroadcastConnectedStream<In, Broadcast, K extends Key> {
  readonly #first: StreamInput
  readonly #broadcast: BroadcastStream<Broadcast>
  /** Carries the types of the records and the key. */
  declare protected readonly types: [In, K]

  /** @internal Comes from `connect`. */
  constructor(first: StreamInput, broadcast: BroadcastStream<Broadcast>) {
    checkSameJob(first, broadcast.input, 'connect')
    this.#first = first
    this.#broadcast = broadcast
  }

  /**
   * A function with keyed state and timers that reads broadcast state with each record of the keyed stream, and changes
   * it with each broadcast one.
   */
  process<Out>(process: KeyedBroadcastProcessFunction<K, In, Broadcast, Out>): SingleOutputStreamOperator<Out> {
    declaredFunctions(process, 'process', { needed, others: ['open', 'onTimer', 'close'] })
    return this.#first.addWith(
      this.#broadcast.input,
      {
        kind: 'keyedBroadcastProcess',
        process: process as unknown as KeyedBroadcastProcessFunction<Key, unknown, unknown, unknown>,
        states: this.#broadcast.states,
      },
      'Keyed Broadcast Process',
    )
  }
}

const needed = ['processElement', 'processBroadcastElement']
