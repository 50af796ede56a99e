import type {
  Collector,
  Key,
  KeyedProcessContext,
  KeyedRuntimeContext,
  OnTimerContext,
  ProcessContext,
  RuntimeContext,
} from './functions.ts'

/** Gives one record for each record of two streams. */
export interface CoMapFunction<First, Second, Out> {
  map1(value: First): Out
  map2(value: Second): Out
}

/** Gives any number of records for each record of two streams. */
export interface CoFlatMapFunction<First, Second, Out> {
  flatMap1(value: First): Iterable<Out>
  flatMap2(value: Second): Iterable<Out>
}

/** A function over two streams, with side outputs and operator state; see `ConnectedStreams.process`. */
export interface CoProcessFunction<First, Second, Out> {
  /** Called once before the first record, with the restored state. */
  open?(context: RuntimeContext): void
  /** A record of the first stream. Which stream's records come first is not defined. */
  processElement1(value: First, context: ProcessContext, out: Collector<Out>): void
  /** A record of the second stream. */
  processElement2(value: Second, context: ProcessContext, out: Collector<Out>): void
  /** Called at the end of both inputs, after the last watermark; not where the subtask fails or is stopped. */
  close?(): void
}

/** A function over two streams of the same keys: both share keyed state and timers; see `KeyedConnectedStreams.process`. */
export interface KeyedCoProcessFunction<K extends Key, First, Second, Out> {
  /** Called once before the first record; keyed state is asked for here. */
  open?(context: KeyedRuntimeContext): void
  /** A record of the first stream. Which stream's records come first is not defined. */
  processElement1(value: First, context: KeyedProcessContext<K>, out: Collector<Out>): void
  /** A record of the second stream. */
  processElement2(value: Second, context: KeyedProcessContext<K>, out: Collector<Out>): void
  /** Event time is the lower watermark of both streams. What it emits carries the timer's time. */
  onTimer?(timestamp: number, context: OnTimerContext<K>, out: Collector<Out>): void
  /** Called at the end of both inputs, after the last watermark and its timers; not where the subtask fails or is stopped. */
  close?(): void
}

/** What is made of each pair of a window join. */
export type JoinFunction<Left, Right, Out> = (left: Left, right: Right) => Out

/** What is made of each pair of a window join, where it may be no record or several. */
export interface FlatJoinFunction<Left, Right, Out> {
  join(left: Left, right: Right, out: Collector<Out>): void
}

/** Gets all records that a key has in a window, of both streams; either list may be empty, not both. */
export interface CoGroupFunction<Left, Right, Out> {
  coGroup(left: readonly Left[], right: readonly Right[], out: Collector<Out>): void
}

/** What an interval join tells of a pair. Times are epoch milliseconds. */
export interface ProcessJoinContext extends Pick<ProcessContext, 'output' | 'currentWatermark'> {
  readonly leftTimestamp: number
  readonly rightTimestamp: number
  /** The later of both: that of what is emitted. */
  readonly timestamp: number
}

/** Gets each pair of an interval join, as soon as both records are there. */
export interface ProcessJoinFunction<Left, Right, Out> {
  processElement(left: Left, right: Right, context: ProcessJoinContext, out: Collector<Out>): void
}
