import type { Duration } from '../common/duration.ts'
import type { DataType } from '../formats/data-type.ts'
import { untyped } from '../formats/types.ts'
import { isMerging, type WindowComputation, type WindowSpec } from '../graph/operator-spec.ts'
import { max, min, sum } from './aggregates.ts'
import {
  type AggregateRecord,
  type Aggregates,
  declaredAggregate,
  isAggregateFunction,
  type WindowRecord,
  windowRecordFunction,
  windowRecordType,
} from './column-operators.ts'
import type { SingleOutputStreamOperator } from './data-stream.ts'
import { declaredDurationMs, declaredSynchronousFunction, definitionError } from './declaration.ts'
import { checkedEvictor, type Evictor } from './evictors.ts'
import {
  type ByOptions,
  type Comparable,
  extremeOf,
  type FieldsOfType,
  recordBy,
  type Summable,
  summedBy,
} from './field-aggregates.ts'
import type {
  AggregateFunction,
  Collector,
  Key,
  OutputTag,
  ProcessWindowFunction,
  ReduceFunction,
  TimeWindow,
} from './functions.ts'
import type { KeyedInput } from './keyed-stream.ts'
import { checkedTrigger, type Trigger } from './triggers.ts'
import { firingOf, triggerOf, windowName } from './window-settings.ts'

/** Options of a window's reduce or aggregate. */
export interface WithWindowOptions<K extends Key, Result, Out> {
  /** Makes the emitted record of key, result and window. */
  readonly withKey: (key: K, result: Result, window: TimeWindow) => Out
}

/** Sees all elements of a window. */
export type WindowFunction<In, Out, K extends Key> = (
  key: K,
  window: TimeWindow,
  elements: readonly In[],
  out: Collector<Out>,
) => void

/** @internal What was said of windows before what is computed of them. */
export type WindowSettings = Omit<WindowSpec, 'kind' | 'compute'>
type ErasedWindowFunction = ProcessWindowFunction<unknown, unknown, Key>

/**
 * The records of a keyed stream in windows. The result of an event-time window is emitted when the watermark passes its
 * end, within the allowed lateness again for each late record; that of a processing-time window when the clock does;
 * that of any window whenever its trigger says so. It carries the timestamp end − 1 ms, that of a global window none.
 */
export class WindowedStream<T, K extends Key, KeyFields extends string = never> {
  readonly #input: KeyedInput
  readonly #settings: WindowSettings
  /** Carries the type of the key. */
  declare protected readonly keyType: readonly [K, KeyFields]

  /** @internal Comes from `window`. */
  constructor(input: KeyedInput, settings: WindowSettings) {
    this.#input = input
    this.#settings = settings
  }

  /**
   * When windows give their results, in place of what is usual for them.
   * @throws MillraceError MR_JOB_DEFINITION for session windows, where the trigger has no `onMerge`
   */
  trigger(trigger: Trigger<T>): WindowedStream<T, K, KeyFields> {
    const name = windowName(this.#settings.assigner)
    const checked = checkedTrigger(trigger, name) as Trigger<unknown>
    if (isMerging(this.#settings.assigner) && checked.onMerge === undefined) {
      throw definitionError(name, 'sessions grow together, so their trigger needs onMerge(window, context)')
    }
    return new WindowedStream(this.#input, { ...this.#settings, trigger: checked })
  }

  /** Removes records of a window when it fires. All records are kept then, also for `reduce` and `aggregate`. */
  evictor(evictor: Evictor<T>): WindowedStream<T, K, KeyFields> {
    const checked = checkedEvictor(evictor, windowName(this.#settings.assigner)) as Evictor<unknown>
    return new WindowedStream(this.#input, { ...this.#settings, evictor: checked })
  }

  /**
   * Keeps windows for this long after the watermark has passed their end. Default 0; of no effect on others than event-time windows.
   * @throws MillraceError MR_JOB_DEFINITION where it is no duration
   */
  allowedLateness(lateness: Duration): WindowedStream<T, K, KeyFields> {
    const allowedLatenessMs = declaredDurationMs(lateness, 'allowedLateness', 'the lateness', 0)
    return new WindowedStream(this.#input, { ...this.#settings, allowedLatenessMs })
  }

  /** Records that come too late for every window go to this side output; without it they are counted and dropped. */
  sideOutputLateData(tag: OutputTag<T>): WindowedStream<T, K, KeyFields> {
    return new WindowedStream(this.#input, { ...this.#settings, lateTag: tag })
  }

  /**
   * Combines the records of a window into one of the same type.
   * @param then what is made of it: a function of key, result and window, or a ProcessWindowFunction, whose `elements` is
   *   the one result
   */
  reduce(reduce: ReduceFunction<T>): SingleOutputStreamOperator<T>
  reduce<Out>(reduce: ReduceFunction<T>, then: WithWindowOptions<K, T, Out>): SingleOutputStreamOperator<Out>
  reduce<Out>(reduce: ReduceFunction<T>, then: ProcessWindowFunction<T, Out, K>): SingleOutputStreamOperator<Out>
  reduce(reduce: ReduceFunction<T>, then?: Then<T, K>): unknown {
    declaredSynchronousFunction(reduce, 'reduce', 'the function')
    const type = this.#input.type()
    const process = then === undefined ? undefined : windowFunction(then)
    return this.#add({ kind: 'reduce', reduce: reduce as ReduceFunction<unknown>, type, process }, type)
  }

  /**
   * Folds the records of a window into an accumulator.
   * @param then what is made of the result: a function of key, result and window, or a ProcessWindowFunction, whose
   *   `elements` is the one result
   * @throws MillraceError MR_JOB_DEFINITION for session windows, where the aggregate has no `merge`
   * @example
   * ```ts
   * import { count, EventTimeSessionWindows, job, type Sink, WatermarkStrategy } from 'millrace'
   *
   * declare const sink: Sink<{ user: string; clicks: number; from: number }>
   * export default job('sessions', (env) => {
   *   env
   *     .fromCollection([{ user: 'ada', at: 1_000 }])
   *     .assignTimestampsAndWatermarks(WatermarkStrategy.forMonotonousTimestamps().withTimestamps((click) => click.at))
   *     .keyBy((click) => click.user)
   *     .window(EventTimeSessionWindows.withGap('30min'))
   *     .aggregate(count(), { withKey: (user, clicks, window) => ({ user, clicks, from: window.start }) })
   *     .sinkTo(sink)
   * })
   * ```
   */
  aggregate<Accumulator, Result>(
    aggregate: AggregateFunction<T, Accumulator, Result>,
  ): SingleOutputStreamOperator<Result>
  /**
   * Several aggregates by field names and expressions, of a stream that is keyed by field names: a record of the key's
   * fields, the results, `windowStart` and `windowEnd`.
   */
  aggregate<const Results extends Aggregates<T>>(
    results: Results,
  ): SingleOutputStreamOperator<WindowRecord<AggregateRecord<T, KeyFields, Results>>>
  aggregate<Accumulator, Result, Out>(
    aggregate: AggregateFunction<T, Accumulator, Result>,
    then: WithWindowOptions<K, Result, Out>,
  ): SingleOutputStreamOperator<Out>
  aggregate<Accumulator, Result, Out>(
    aggregate: AggregateFunction<T, Accumulator, Result>,
    then: ProcessWindowFunction<Result, Out, K>,
  ): SingleOutputStreamOperator<Out>
  aggregate(aggregate: AggregateFunction<T, unknown, unknown> | Aggregates<T>, then?: Then<unknown, K>): unknown {
    if (!isAggregateFunction(aggregate)) return this.#aggregateRecord(aggregate)
    checkAggregate(aggregate, 'aggregate')
    const { assigner, evictor } = this.#settings
    if (isMerging(assigner) && evictor === undefined && aggregate.merge === undefined) {
      throw definitionError(windowName(assigner), 'sessions grow together, so their aggregate needs merge(left, right)')
    }
    const process = then === undefined ? undefined : windowFunction(then)
    const erased = aggregate as AggregateFunction<unknown, unknown, unknown>
    return this.#add({ kind: 'aggregate', aggregate: erased, process }, aggregate.resultType ?? untyped())
  }

  #aggregateRecord(results: Aggregates<T>): unknown {
    const { assigner } = this.#settings
    const name = windowName(assigner)
    if (assigner.kind === 'global') throw definitionError(name, 'they have no windowStart and windowEnd to name')
    const { keyFields } = this.#input
    const declared = declaredAggregate(name, results, { type: this.#input.type(), keyFields })
    const aggregate = declared.function as AggregateFunction<unknown, unknown, unknown>
    const process = windowRecordFunction(declared)
    const compute: WindowComputation = { kind: 'aggregate', aggregate, process, columns: declared.aggregate }
    return this.#declare(compute, windowRecordType(name, declared))
  }

  /**
   * The sum of a field: the first record of the window, with the sum in that field. A function
   * gives the sum of its numbers alone.
   */
  sum(field: FieldsOfType<T, Summable>): SingleOutputStreamOperator<T>
  sum(selector: (value: T) => number): SingleOutputStreamOperator<number>
  sum(selected: string | ((value: T) => number)): unknown {
    if (typeof selected !== 'string') return this.aggregate(sum(selected))
    return this.reduce(summedBy(selected))
  }

  /**
   * The lowest value of a field: the first record of the window, with that value in the field. A function gives the lowest of its numbers alone. For the record that has it there is `minBy`.
   */
  min(field: FieldsOfType<T, Comparable>): SingleOutputStreamOperator<T>
  min(selector: (value: T) => number): SingleOutputStreamOperator<number>
  min(selected: string | ((value: T) => number)): unknown {
    if (typeof selected !== 'string') return this.aggregate(min(selected))
    return this.reduce(extremeOf(selected, 'min'))
  }

  /** As `min`, with the highest value. */
  max(field: FieldsOfType<T, Comparable>): SingleOutputStreamOperator<T>
  max(selector: (value: T) => number): SingleOutputStreamOperator<number>
  max(selected: string | ((value: T) => number)): unknown {
    if (typeof selected !== 'string') return this.aggregate(max(selected))
    return this.reduce(extremeOf(selected, 'max'))
  }

  /** The record of the window that has the lowest value; of several the first, unless `{ ties: 'last' }` is said. */
  minBy(
    selected: FieldsOfType<T, Comparable> | ((value: T) => Comparable),
    options: ByOptions = {},
  ): SingleOutputStreamOperator<T> {
    return this.reduce(recordBy<T>(selected, 'min', options))
  }

  /** As `minBy`, with the highest value. */
  maxBy(
    selected: FieldsOfType<T, Comparable> | ((value: T) => Comparable),
    options: ByOptions = {},
  ): SingleOutputStreamOperator<T> {
    return this.reduce(recordBy<T>(selected, 'max', options))
  }

  /** Keeps all records of a window, and hands them over together when it ends. */
  process<Out>(process: ProcessWindowFunction<T, Out, K>): SingleOutputStreamOperator<Out> {
    return this.#add({ kind: 'process', type: this.#input.type(), process: windowFunction(process) }, untyped())
  }

  /** The same as a function. */
  apply<Out>(apply: WindowFunction<T, Out, K>): SingleOutputStreamOperator<Out> {
    declaredSynchronousFunction(apply, 'apply', 'the window function')
    return this.process<Out>({ process: (key, { window }, elements, out) => apply(key, window, elements, out) })
  }

  #add<Out>(compute: WindowComputation, resultType: DataType<unknown>): SingleOutputStreamOperator<Out> {
    return this.#declare(compute, compute.process === undefined ? resultType : untyped())
  }

  #declare<Out>(compute: WindowComputation, outputType: DataType<unknown>): SingleOutputStreamOperator<Out> {
    const trigger = triggerOf(this.#settings, compute)
    const fires = firingOf(this.#settings)
    const spec: WindowSpec = { kind: 'window', ...this.#settings, trigger, compute, ...(fires && { fires }) }
    return this.#input.add(spec, windowName(this.#settings.assigner), outputType)
  }
}

type Then<Result, K extends Key> = WithWindowOptions<K, Result, unknown> | ProcessWindowFunction<Result, unknown, K>

function windowFunction<Result, K extends Key>(then: Then<Result, K>): ErasedWindowFunction {
  if (typeof then !== 'object' || !('withKey' in then)) {
    declaredSynchronousFunction(then?.process, 'window', 'process of the window function')
    if (then.clear !== undefined) declaredSynchronousFunction(then.clear, 'window', 'clear of the window function')
    return then as unknown as ErasedWindowFunction
  }
  declaredSynchronousFunction(then.withKey, 'window', 'withKey')
  const withKey = then.withKey as (key: Key, result: unknown, window: TimeWindow) => unknown
  return {
    process(key, context, elements, out) {
      // An evictor may leave nothing to reduce.
      if (elements.length > 0) out.collect(withKey(key, elements[0], context.window))
    },
  }
}

/** @internal Refuses what is no aggregate function, in bundles that no type checker has seen. */
export function checkAggregate<T>(aggregate: AggregateFunction<T, unknown, unknown>, subject: string): void {
  declaredSynchronousFunction(aggregate?.createAccumulator, subject, 'createAccumulator')
  declaredSynchronousFunction(aggregate.add, subject, 'add')
  declaredSynchronousFunction(aggregate.getResult, subject, 'getResult')
}
