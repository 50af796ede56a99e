import type { CoFlatMapFunction, CoMapFunction, CoProcessFunction, KeyedCoProcessFunction } from './co-functions.ts'
import type { DataStream, SingleOutputStreamOperator } from './data-stream.ts'
import { declaredFunctions } from './declaration.ts'
import type { Key, KeySelector } from './functions.ts'
import { checkBothKeyed, checkSameJob, type StreamInput } from './stream-input.ts'

/** Two streams, of different types where need be, that one operator reads. Its watermark is the lower one of both. */
export class ConnectedStreams<First, Second> {
  readonly #first: DataStream<First>
  readonly #second: DataStream<Second>

  /** @internal Comes from `connect`. */
  constructor(first: DataStream<First>, second: DataStream<Second>) {
    checkSameJob(first.input, second.input, 'connect')
    checkBothKeyed(first.input, second.input, 'connect')
    this.#first = first
    this.#second = second
  }

  /**
   * Partitions both streams by key: records of one key of both come to one subtask, and share its state.
   * @example
   * ```ts
   * import { job, type KeyedCoProcessFunction, type Sink, type ValueState, valueStateDescriptor } from 'millrace'
   *
   * interface Order {
   *   readonly user: string
   *   readonly cents: number
   * }
   * interface Account {
   *   readonly user: string
   *   readonly name: string
   * }
   *
   * // Names the user of each order as his account does at that moment.
   * function named(): KeyedCoProcessFunction<string, Order, Account, string> {
   *   let name: ValueState<string>
   *   return {
   *     open(context) {
   *       name = context.valueState(valueStateDescriptor<string>('name'))
   *     },
   *     processElement1(order, context, out) {
   *       out.collect(`${name.value() ?? context.key}: ${order.cents}`)
   *     },
   *     processElement2(account) {
   *       name.update(account.name)
   *     },
   *   }
   * }
   *
   * declare const sink: Sink<string>
   * export default job('orders', (env) => {
   *   const orders = env.fromCollection<Order>([{ user: 'ada', cents: 250 }]).name('orders')
   *   const accounts = env.fromCollection<Account>([{ user: 'ada', name: 'Ada L.' }]).name('accounts')
   *   orders
   *     .connect(accounts)
   *     .keyBy((order) => order.user, (account) => account.user)
   *     .process(named())
   *     .sinkTo(sink)
   * })
   * ```
   */
  keyBy<const K extends Key>(
    firstKey: KeySelector<First, K>,
    secondKey: KeySelector<Second, K>,
  ): KeyedConnectedStreams<First, Second, K> {
    return new KeyedConnectedStreams(this.#first.keyBy(firstKey).input, this.#second.keyBy(secondKey).input)
  }

  /** One record for each record of both streams. */
  map<Out>(functions: CoMapFunction<First, Second, Out>): SingleOutputStreamOperator<Out> {
    return coMap(this.#first.input, this.#second.input, functions)
  }

  /** Any number of records for each record of both streams. */
  flatMap<Out>(functions: CoFlatMapFunction<First, Second, Out>): SingleOutputStreamOperator<Out> {
    return coFlatMap(this.#first.input, this.#second.input, functions)
  }

  /** A function with time, side outputs and operator state. */
  process<Out>(process: CoProcessFunction<First, Second, Out>): SingleOutputStreamOperator<Out> {
    declaredFunctions(process, 'process', { needed: ['processElement1', 'processElement2'], others: ['open', 'close'] })
    const erased = process as CoProcessFunction<unknown, unknown, unknown>
    return this.#first.input.addWith(this.#second.input, { kind: 'coProcess', process: erased }, 'Co-Process')
  }
}

/** Two streams partitioned by the same keys. */
export class KeyedConnectedStreams<First, Second, K extends Key> {
  readonly #first: StreamInput
  readonly #second: StreamInput
  /** Carries the types of the records and the key. */
  declare protected readonly types: [First, Second, K]

  /** @internal Comes from `connect`. */
  constructor(first: StreamInput, second: StreamInput) {
    checkSameJob(first, second, 'connect')
    checkBothKeyed(first, second, 'connect')
    this.#first = first
    this.#second = second
  }

  /** One record for each record of both streams. */
  map<Out>(functions: CoMapFunction<First, Second, Out>): SingleOutputStreamOperator<Out> {
    return coMap(this.#first, this.#second, functions)
  }

  /** Any number of records for each record of both streams. */
  flatMap<Out>(functions: CoFlatMapFunction<First, Second, Out>): SingleOutputStreamOperator<Out> {
    return coFlatMap(this.#first, this.#second, functions)
  }

  /** A function with keyed state and timers, which both streams share. */
  process<Out>(process: KeyedCoProcessFunction<K, First, Second, Out>): SingleOutputStreamOperator<Out> {
    const others = ['open', 'onTimer', 'close']
    declaredFunctions(process, 'process', { needed: ['processElement1', 'processElement2'], others })
    return this.#first.addWith(
      this.#second,
      {
        kind: 'keyedCoProcess',
        process: process as unknown as KeyedCoProcessFunction<Key, unknown, unknown, unknown>,
        secondKeySelector: this.#second.keySelector as KeySelector<unknown, Key>,
      },
      'Co-Keyed-Process',
    )
  }
}

function coMap<First, Second, Out>(
  first: StreamInput,
  second: StreamInput,
  functions: CoMapFunction<First, Second, Out>,
): SingleOutputStreamOperator<Out> {
  declaredFunctions(functions, 'map', { needed: ['map1', 'map2'], others: [] })
  const erased = functions as CoMapFunction<unknown, unknown, unknown>
  return first.addWith(second, { kind: 'coMap', functions: erased }, 'Co-Map')
}

function coFlatMap<First, Second, Out>(
  first: StreamInput,
  second: StreamInput,
  functions: CoFlatMapFunction<First, Second, Out>,
): SingleOutputStreamOperator<Out> {
  declaredFunctions(functions, 'flatMap', { needed: ['flatMap1', 'flatMap2'], others: [] })
  const erased = functions as CoFlatMapFunction<unknown, unknown, unknown>
  return first.addWith(second, { kind: 'coFlatMap', functions: erased }, 'Co-Flat Map')
}
