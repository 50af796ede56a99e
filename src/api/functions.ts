import type { DataType } from '../formats/data-type.ts'
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
} from './state.ts'

/** What can be a key (R36): −0 equals 0; NaN, objects and lone surrogates are refused. */
export type Key = string | number | bigint | boolean | Uint8Array | readonly Key[]

/**
 * Gives one record for one. Functions of a job are synchronous, may be called again for the same record after a restart,
 * and do not change what they are given. What they throw fails the job's region, with the operator's name and the record's
 * place (MR_USER_FUNCTION).
 */
export type MapFunction<In, Out> = (value: In) => Out
/** True for records that are kept. */
export type FilterFunction<T> = (value: T) => boolean
/** Gives any number of records for one. */
export type FlatMapFunction<In, Out> = (value: In) => Iterable<Out>
/** The key of a record; the same each time that it is called with it. */
export type KeySelector<T, K extends Key> = (value: T) => K
/** Combines two values of a key into one. May change and return `left`; the engine emits a copy (R7). */
export type ReduceFunction<T> = (left: T, right: T) => T

/** Folds values into an accumulator. Flink's AggregateFunction; `add` may change the accumulator in place and return it. */
export interface AggregateFunction<In, Accumulator, Out> {
  createAccumulator(): Accumulator
  add(accumulator: Accumulator, value: In): Accumulator
  /** A fresh value: nothing emitted may alias the accumulator (R7). */
  getResult(accumulator: Accumulator): Out
  /** Needed for session windows. May change and return `left` only (R35). */
  merge?(left: Accumulator, right: Accumulator): Accumulator
  /**
   * Says that `merge` is associative and that adding a record equals merging the accumulator of that record alone. Windows
   * then combine records before they are sent to the task of their key, and sliding windows share the slices that they
   * have in common (R34, R35). The built-in aggregates are. Sums of fractions may then differ in their last digits (R41).
   */
  readonly combinable?: boolean
  /** Declared, the accumulator is kept off the heap where its fields allow it; undeclared, as an untyped object. */
  readonly accumulatorType?: DataType<Accumulator>
  readonly resultType?: DataType<Out>
}

/** Where a function puts its results. Valid only during the call that it is given to. */
export interface Collector<T> {
  /** Emits a record with the timestamp of the one that is processed; it must not be changed any more. */
  collect(value: T): void
}

/** Names a side output and its type. */
export interface OutputTag<T> {
  readonly id: string
  readonly type: DataType<T>
}

/** What a function may ask for when it is opened. */
export interface RuntimeContext {
  readonly operatorName: string
  /** From 0 to `parallelism` − 1. */
  readonly subtaskIndex: number
  readonly parallelism: number
  /** The number of key groups. */
  readonly maxParallelism: number
  /**
   * Operator state of this subtask. Only in `open`.
   * @throws MillraceError MR_STATE_INCOMPATIBLE where the restored state has another type or redistribution
   */
  operatorListState<T>(descriptor: OperatorListStateDescriptor<T>): OperatorListState<T>
}

/**
 * Where keyed state is asked for. All throw MillraceError MR_STATE_INCOMPATIBLE where the restored state of that name is
 * of another kind or type.
 */
export interface KeyedStateStore {
  valueState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>
  listState<T>(descriptor: ListStateDescriptor<T>): ListState<T>
  mapState<K extends string | number | bigint | boolean, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>
  reducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>
  aggregatingState<In, Accumulator, Out>(
    descriptor: AggregatingStateDescriptor<In, Accumulator, Out>,
  ): AggregatingState<In, Out>
}

/** Keyed state is asked for in `open`, once for each descriptor; what is got there is always that of the current key. */
export interface KeyedRuntimeContext extends RuntimeContext, KeyedStateStore {}

/** What every process function sees of the record and the time. */
export interface ProcessContext {
  /** Event timestamp of the record, epoch milliseconds; `noTimestamp` where it has none. */
  readonly timestamp: number
  /** The task's event-time watermark, epoch milliseconds; −Infinity before the first one. */
  readonly currentWatermark: number
  /** The wall clock, epoch milliseconds. */
  readonly currentProcessingTime: number
  /** Emits a record to a side output; dropped where nothing reads it. */
  output<T>(tag: OutputTag<T>, value: T): void
}

/**
 * A function with side outputs and operator state; see `DataStream.process`.
 * @example
 * ```ts
 * import { job, outputTag, type Sink } from 'millrace'
 *
 * declare const sink: Sink<number>
 * declare const errors: Sink<string>
 * export default job('numbers', (env) => {
 *   const broken = outputTag<string>('broken')
 *   const numbers = env.fromCollection(['1', 'two', '3']).process<number>({
 *     processElement(text, context, out) {
 *       const value = Number(text)
 *       if (Number.isNaN(value)) context.output(broken, text)
 *       else out.collect(value)
 *     },
 *   })
 *   numbers.sinkTo(sink)
 *   numbers.getSideOutput(broken).sinkTo(errors)
 * })
 * ```
 */
export interface ProcessFunction<In, Out> {
  /** Called once before the first record, with the restored state. */
  open?(context: RuntimeContext): void
  processElement(value: In, context: ProcessContext, out: Collector<Out>): void
  /** Called at the end of the input, after the last watermark; not where the subtask fails or is stopped. */
  close?(): void
}

/**
 * Timers of the current key, at whole epoch milliseconds. A key has one timer at a time, however often it is registered;
 * they are part of every checkpoint. Others throw RangeError.
 */
export interface TimerService {
  /** Fires when the watermark reaches `timestamp`; where it has passed it, with the next watermark. */
  registerEventTimeTimer(timestamp: number): void
  /** Does nothing where there is no such timer. */
  deleteEventTimeTimer(timestamp: number): void
  /** Fires when the wall clock reaches `timestamp`. The end of a bounded input does not wait for it. */
  registerProcessingTimeTimer(timestamp: number): void
  /** Does nothing where there is no such timer. */
  deleteProcessingTimeTimer(timestamp: number): void
}

/** What a process function on a keyed stream sees besides. */
export interface KeyedProcessContext<K extends Key> extends ProcessContext {
  readonly key: K
  readonly timers: TimerService
}

/** The same when a timer fires; `timestamp` is the timer's. */
export interface OnTimerContext<K extends Key> extends KeyedProcessContext<K> {
  readonly timeDomain: 'event-time' | 'processing-time'
}

/** A function with keyed state and timers; see `KeyedStream.process` and `valueStateDescriptor`. */
export interface KeyedProcessFunction<K extends Key, In, Out> {
  /** Called once before the first record; keyed state is asked for here. */
  open?(context: KeyedRuntimeContext): void
  processElement(value: In, context: KeyedProcessContext<K>, out: Collector<Out>): void
  /** What it emits carries the timer's time; that of processing-time timers no timestamp. */
  onTimer?(timestamp: number, context: OnTimerContext<K>, out: Collector<Out>): void
  /** Called at the end of the input, after the last watermark and its timers; not where the subtask fails or is stopped. */
  close?(): void
}

/**
 * A window [start, end), epoch milliseconds, by event time or by the wall clock. A global window is from −Infinity to
 * Infinity.
 */
export interface TimeWindow {
  readonly start: number
  readonly end: number
}

/** What a window function sees of its window and the time. Valid only during the call that it is given to. */
export interface ProcessWindowContext {
  readonly window: TimeWindow
  /** Epoch milliseconds; Infinity at the end of the input. */
  readonly currentWatermark: number
  /** The wall clock, epoch milliseconds. */
  readonly currentProcessingTime: number
  /**
   * State of the current key and window; what is kept there has to be cleared by `clear` of the function.
   * @throws MillraceError MR_USER_FUNCTION for session windows, which grow together: use `globalState`
   */
  readonly windowState: KeyedStateStore
  /** State of the current key, over all of its windows. */
  readonly globalState: KeyedStateStore
  /** Emits a record to a side output, with the window's last millisecond as timestamp; that of a global window has none. */
  output<T>(tag: OutputTag<T>, value: T): void
}

/** Sees all elements of a window, or the one pre-aggregated result. */
export interface ProcessWindowFunction<In, Out, K extends Key> {
  process(key: K, context: ProcessWindowContext, elements: readonly In[], out: Collector<Out>): void
  /** Called when the window is over, to clear its `windowState`. Windows with it go through the general operator. */
  clear?(context: ProcessWindowContext): void
}

/** The same for windows of a stream that is not keyed. */
export interface ProcessAllWindowFunction<In, Out> {
  process(context: ProcessWindowContext, elements: readonly In[], out: Collector<Out>): void
  /** Called when the window is over, to clear its `windowState`. */
  clear?(context: ProcessWindowContext): void
}
