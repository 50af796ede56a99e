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

export type MapFunction<In, Out> = (value: In) => Out
export type FilterFunction<T> = (value: T) => boolean
/** Gives any number of records for one. */
export type FlatMapFunction<In, Out> = (value: In) => Iterable<Out>
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
  /** Declared, the accumulator is kept off the heap where its fields allow it; undeclared, as an untyped object. */
  readonly accumulatorType?: DataType<Accumulator>
  readonly resultType?: DataType<Out>
}

export interface Collector<T> {
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
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  /** Operator state of this subtask. Only in `open`. */
  operatorListState<T>(descriptor: OperatorListStateDescriptor<T>): OperatorListState<T>
}

/** Keyed state is asked for in `open`, once for each descriptor. */
export interface KeyedRuntimeContext extends RuntimeContext {
  valueState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>
  listState<T>(descriptor: ListStateDescriptor<T>): ListState<T>
  mapState<K extends string | number | bigint | boolean, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>
  reducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>
  aggregatingState<In, Accumulator, Out>(
    descriptor: AggregatingStateDescriptor<In, Accumulator, Out>,
  ): AggregatingState<In, Out>
}

/** What every process function sees of the record and the time. */
export interface ProcessContext {
  /** Event timestamp of the record, epoch milliseconds; `noTimestamp` where it has none. */
  readonly timestamp: number
  /** The task's event-time watermark. */
  readonly currentWatermark: number
  /** The wall clock, epoch milliseconds. */
  readonly currentProcessingTime: number
  output<T>(tag: OutputTag<T>, value: T): void
}

export interface ProcessFunction<In, Out> {
  open?(context: RuntimeContext): void
  processElement(value: In, context: ProcessContext, out: Collector<Out>): void
  /** Called with the last watermark gone by, before the subtask ends. */
  close?(): void
}

export interface TimerService {
  registerEventTimeTimer(timestamp: number): void
  deleteEventTimeTimer(timestamp: number): void
  registerProcessingTimeTimer(timestamp: number): void
  deleteProcessingTimeTimer(timestamp: number): void
}

export interface KeyedProcessContext<K extends Key> extends ProcessContext {
  readonly key: K
  readonly timers: TimerService
}

export interface OnTimerContext<K extends Key> extends KeyedProcessContext<K> {
  readonly timeDomain: 'event-time' | 'processing-time'
}

export interface KeyedProcessFunction<K extends Key, In, Out> {
  open?(context: KeyedRuntimeContext): void
  processElement(value: In, context: KeyedProcessContext<K>, out: Collector<Out>): void
  onTimer?(timestamp: number, context: OnTimerContext<K>, out: Collector<Out>): void
  close?(): void
}

/** A window [start, end) in event time, epoch milliseconds. */
export interface TimeWindow {
  readonly start: number
  readonly end: number
}

export interface ProcessWindowContext {
  readonly window: TimeWindow
  readonly currentWatermark: number
  output<T>(tag: OutputTag<T>, value: T): void
}

/** Sees all elements of a window, or the one pre-aggregated result. */
export interface ProcessWindowFunction<In, Out, K extends Key> {
  process(key: K, context: ProcessWindowContext, elements: readonly In[], out: Collector<Out>): void
}
