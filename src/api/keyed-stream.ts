import type { DataType } from '../formats/data-type.ts'
import { untyped } from '../formats/types.ts'
import type { OperatorSpec, WindowAssigner } from '../graph/operator-spec.ts'
import { max, min, sum } from './aggregates.ts'
import type { NoKey } from './all-windowed-stream.ts'
import { BroadcastStream, KeyedBroadcastConnectedStream } from './broadcast-stream.ts'
import {
  type AggregateRecord,
  type Aggregates,
  aggregateType,
  declaredAggregate,
  isAggregateFunction,
} from './column-operators.ts'
import { KeyedConnectedStreams } from './connected-streams.ts'
import type { SingleOutputStreamOperator } from './data-stream.ts'
import { declaredInteger, declaredProcessFunction, declaredSynchronousFunction } from './declaration.ts'
import { CountEvictor } from './evictors.ts'
import {
  type ByOptions,
  type Comparable,
  extremeOf,
  type FieldsOfType,
  recordBy,
  type Summable,
  summedBy,
} from './field-aggregates.ts'
import type { AggregateFunction, Key, KeyedProcessFunction, ReduceFunction } from './functions.ts'
import { IntervalJoin } from './interval-join.ts'
import type { StreamInput } from './stream-input.ts'
import { CountTrigger, PurgingTrigger } from './triggers.ts'
import { checkAggregate, WindowedStream, type WindowSettings } from './windowed-stream.ts'
import { GlobalWindows } from './windows.ts'

/** @internal What a keyed stream is made of. */
export type KeyedInput = StreamInput

/** Options of a running aggregate. */
export interface WithKeyOptions<K extends Key, Result, Out> {
  /** Makes the emitted record of key and result. */
  readonly withKey: (key: K, result: Result) => Out
}

/** A stream partitioned by key; `KeyFields` are the names of the fields of the key, where it was given by names. */
export class KeyedStream<T, K extends Key, KeyFields extends string = never> {
  readonly #input: KeyedInput
  /** Carries the type of the key. */
  declare protected readonly keyType: readonly [K, KeyFields]

  /** @internal Comes from `keyBy`. */
  constructor(input: KeyedInput) {
    this.#input = input
  }

  /** @internal */
  get input(): StreamInput {
    return this.#input
  }

  /** One operator reads this stream and another of the same keys, or a broadcast one. */
  connect<Second, Fields extends string>(other: KeyedStream<Second, K, Fields>): KeyedConnectedStreams<T, Second, K>
  connect<Broadcast>(other: BroadcastStream<Broadcast>): KeyedBroadcastConnectedStream<T, Broadcast, K>
  connect<Second, Fields extends string>(
    other: KeyedStream<Second, K, Fields> | BroadcastStream<Second>,
  ): KeyedConnectedStreams<T, Second, K> | KeyedBroadcastConnectedStream<T, Second, K> {
    if (other instanceof BroadcastStream) return new KeyedBroadcastConnectedStream(this.#input, other)
    return new KeyedConnectedStreams(this.#input, other.input)
  }

  /** Joins records with those of another stream of the same keys that are near in event time. */
  intervalJoin<Right, Fields extends string>(right: KeyedStream<Right, K, Fields>): IntervalJoin<T, Right, K> {
    return new IntervalJoin(this.#input, right.input)
  }

  /** A running reduction: for each record, the combination of all records of its key so far. */
  reduce(reduce: ReduceFunction<T>): SingleOutputStreamOperator<T> {
    declaredSynchronousFunction(reduce, 'reduce', 'the function')
    const type = this.#input.type()
    return this.#input.add({ kind: 'reduce', reduce: reduce as ReduceFunction<unknown>, type }, 'Keyed Reduce', type)
  }

  /**
   * A running aggregate: for each record, the result over all records of its key so far.
   * @param options.withKey makes the emitted record of key and result; left out, the result itself is emitted
   * @example
   * ```ts
   * import { job, type Sink, sum } from 'millrace'
   *
   * declare const sink: Sink<{ user: string; total: number }>
   * export default job('totals', (env) => {
   *   env
   *     .fromCollection([{ user: 'ada', value: 2 }, { user: 'ada', value: 3 }])
   *     .keyBy((order) => order.user)
   *     .aggregate(sum('value'), { withKey: (user, total) => ({ user, total }) })
   *     .sinkTo(sink)
   * })
   * ```
   */
  aggregate<Accumulator, Result>(
    aggregate: AggregateFunction<T, Accumulator, Result>,
  ): SingleOutputStreamOperator<Result>
  /**
   * Several running aggregates by field names and expressions, of a stream that is keyed by field names: for each record
   * a record of the key's fields and the results so far, such as `aggregate({ n: count(), total: sum('price') })`.
   */
  aggregate<const Results extends Aggregates<T>>(
    results: Results,
  ): SingleOutputStreamOperator<AggregateRecord<T, KeyFields, Results>>
  aggregate<Accumulator, Result, Out>(
    aggregate: AggregateFunction<T, Accumulator, Result>,
    options: WithKeyOptions<K, Result, Out>,
  ): SingleOutputStreamOperator<Out>
  aggregate(
    aggregate: AggregateFunction<T, unknown, unknown> | Aggregates<T>,
    options?: WithKeyOptions<K, unknown, unknown>,
  ): unknown {
    if (!isAggregateFunction(aggregate)) return this.#aggregateRecord(aggregate)
    checkAggregate(aggregate, 'aggregate')
    const withKey = options?.withKey as ((key: Key, result: unknown) => unknown) | undefined
    const spec: OperatorSpec = {
      kind: 'aggregate',
      aggregate: aggregate as AggregateFunction<unknown, unknown, unknown>,
      withKey,
    }
    const resultType = withKey === undefined ? aggregate.resultType : undefined
    return this.#input.add(spec, 'Keyed Aggregate', resultType ?? untyped())
  }

  #aggregateRecord(results: Aggregates<T>): unknown {
    const { keyFields } = this.#input
    const declared = declaredAggregate('Keyed Aggregate', results, { type: this.#input.type(), keyFields })
    const spec: OperatorSpec = {
      kind: 'aggregate',
      aggregate: declared.function as AggregateFunction<unknown, unknown, unknown>,
      withKey: declared.withKey,
      columns: declared.aggregate,
    }
    return this.#input.add(spec, 'Keyed Aggregate', aggregateType(declared.fields))
  }

  /**
   * A running sum of a field: for each record the first one of its key, with the sum so far in that field. A function
   * gives the sum of its numbers alone.
   */
  sum(field: FieldsOfType<T, Summable>): SingleOutputStreamOperator<T>
  sum(selector: (value: T) => number): SingleOutputStreamOperator<number>
  sum(selected: string | ((value: T) => number)): unknown {
    if (typeof selected !== 'string') return this.aggregate(sum(selected)).name('Keyed Aggregation')
    return this.reduce(summedBy(selected)).name('Keyed Aggregation')
  }

  /**
   * A running minimum of a field: for each record the first one of its key, with the lowest value so far in that field.
   * A function gives the lowest of its numbers alone. For the record that has it there is `minBy`.
   */
  min(field: FieldsOfType<T, Comparable>): SingleOutputStreamOperator<T>
  min(selector: (value: T) => number): SingleOutputStreamOperator<number>
  min(selected: string | ((value: T) => number)): unknown {
    if (typeof selected !== 'string') return this.aggregate(min(selected)).name('Keyed Aggregation')
    return this.reduce(extremeOf(selected, 'min')).name('Keyed Aggregation')
  }

  /** As `min`, with the highest value. */
  max(field: FieldsOfType<T, Comparable>): SingleOutputStreamOperator<T>
  max(selector: (value: T) => number): SingleOutputStreamOperator<number>
  max(selected: string | ((value: T) => number)): unknown {
    if (typeof selected !== 'string') return this.aggregate(max(selected)).name('Keyed Aggregation')
    return this.reduce(extremeOf(selected, 'max')).name('Keyed Aggregation')
  }

  /**
   * For each record the one of its key that has had the lowest value so far; of several the first, unless
   * `{ ties: 'last' }` is said.
   */
  minBy(
    selected: FieldsOfType<T, Comparable> | ((value: T) => Comparable),
    options: ByOptions = {},
  ): SingleOutputStreamOperator<T> {
    return this.reduce(recordBy<T>(selected, 'min', options)).name('Keyed Aggregation')
  }

  /** As `minBy`, with the highest value. */
  maxBy(
    selected: FieldsOfType<T, Comparable> | ((value: T) => Comparable),
    options: ByOptions = {},
  ): SingleOutputStreamOperator<T> {
    return this.reduce(recordBy<T>(selected, 'max', options)).name('Keyed Aggregation')
  }

  /** A function with keyed state and timers. The type of its results is given, or inferred from an annotated collector. */
  process<Out>(process: KeyedProcessFunction<K, T, Out>): SingleOutputStreamOperator<Out> {
    declaredProcessFunction(process, 'process')
    const spec: OperatorSpec = {
      kind: 'keyedProcess',
      process: process as unknown as KeyedProcessFunction<Key, unknown, unknown>,
    }
    return this.#input.add(spec, 'Keyed Process', untyped())
  }

  /** Collects the records of each key in windows. */
  window(assigner: WindowAssigner<T>): WindowedStream<T, K, KeyFields> {
    return new WindowedStream(this.#input, windowSettings(assigner))
  }

  /**
   * Windows of a number of records of a key. At the end of a bounded input those that are not full give no result.
   * @param size how many records a window has, 1 at least
   * @param slide gives a result after this many records, over the last `size` of them; left out, each record is in one
   * @throws MillraceError MR_JOB_DEFINITION where a number is not whole, or below 1
   */
  countWindow(size: number, slide?: number): WindowedStream<T, K, KeyFields> {
    return countWindows(this.window(GlobalWindows.create()), size, slide)
  }
}

/** @internal Before anything else is said of them. */
export function windowSettings<T>(assigner: WindowAssigner<T>): WindowSettings {
  return { assigner: assigner as WindowAssigner, allowedLatenessMs: 0, lateTag: undefined }
}

/** @internal Windows of all records, in one subtask. */
export function allWindows<T>(input: KeyedInput, assigner: WindowAssigner<T>): WindowedStream<T, NoKey> {
  const single: KeyedInput = {
    ...input,
    add: <Out>(spec: OperatorSpec, name: string, outputType: DataType<unknown>) =>
      input.add<Out>(spec, name, outputType).setParallelism(1),
  }
  return new WindowedStream(single, { ...windowSettings(assigner), ofAll: true })
}

/** @internal As in Flink: global windows with a counting trigger. */
export function countWindows<T, K extends Key, KeyFields extends string>(
  windows: WindowedStream<T, K, KeyFields>,
  size: number,
  slide: number | undefined,
): WindowedStream<T, K, KeyFields> {
  declaredInteger(size, 'countWindow', 'size', 1)
  if (slide === undefined) return windows.trigger(PurgingTrigger.of(CountTrigger.of(size)))
  declaredInteger(slide, 'countWindow', 'slide', 1)
  return windows.evictor(CountEvictor.of(size)).trigger(CountTrigger.of(slide))
}
