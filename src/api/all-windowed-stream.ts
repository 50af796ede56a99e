import type { Duration } from '../common/duration.ts'
import type { SingleOutputStreamOperator } from './data-stream.ts'
import { declaredSynchronousFunction } from './declaration.ts'
import type { Evictor } from './evictors.ts'
import type {
  AggregateFunction,
  Collector,
  OutputTag,
  ProcessAllWindowFunction,
  ProcessWindowFunction,
  ReduceFunction,
  TimeWindow,
} from './functions.ts'
import type { Trigger } from './triggers.ts'
import type { WindowedStream } from './windowed-stream.ts'

/** Options of a reduce or aggregate over all records of a window. */
export interface WithAllWindowOptions<Result, Out> {
  /** Makes the emitted record of result and window. */
  readonly withWindow: (result: Result, window: TimeWindow) => Out
}

type Then<Result, Out> = WithAllWindowOptions<Result, Out> | ProcessAllWindowFunction<Result, Out>

/** @internal The key of all records of a stream that is not keyed. */
export type NoKey = 0

/**
 * The records of a stream that is not keyed in windows, in one subtask: it works on all records of the job, whatever its
 * parallelism. Everything else is as in `WindowedStream`.
 */
export class AllWindowedStream<T> {
  readonly #windows: WindowedStream<T, NoKey>

  /** @internal Comes from `windowAll`. */
  constructor(windows: WindowedStream<T, NoKey>) {
    this.#windows = windows
  }

  /**
   * When windows give their results, in place of what is usual for them.
   * @throws MillraceError MR_JOB_DEFINITION for session windows, where the trigger has no `onMerge`
   */
  trigger(trigger: Trigger<T>): AllWindowedStream<T> {
    return new AllWindowedStream(this.#windows.trigger(trigger))
  }

  /** Removes records of a window when it fires. */
  evictor(evictor: Evictor<T>): AllWindowedStream<T> {
    return new AllWindowedStream(this.#windows.evictor(evictor))
  }

  /**
   * Keeps windows for this long after the watermark has passed their end. Default 0.
   * @throws MillraceError MR_JOB_DEFINITION where it is no duration
   */
  allowedLateness(lateness: Duration): AllWindowedStream<T> {
    return new AllWindowedStream(this.#windows.allowedLateness(lateness))
  }

  /** Records that come too late for every window go to this side output; without it they are counted and dropped. */
  sideOutputLateData(tag: OutputTag<T>): AllWindowedStream<T> {
    return new AllWindowedStream(this.#windows.sideOutputLateData(tag))
  }

  /** Combines the records of a window into one of the same type. */
  reduce(reduce: ReduceFunction<T>): SingleOutputStreamOperator<T>
  reduce<Out>(reduce: ReduceFunction<T>, then: WithAllWindowOptions<T, Out>): SingleOutputStreamOperator<Out>
  reduce<Out>(reduce: ReduceFunction<T>, then: ProcessAllWindowFunction<T, Out>): SingleOutputStreamOperator<Out>
  reduce(reduce: ReduceFunction<T>, then?: Then<T, unknown>): unknown {
    return then === undefined ? this.#windows.reduce(reduce) : this.#windows.reduce(reduce, keyed(then))
  }

  /**
   * Folds the records of a window into an accumulator.
   * @throws MillraceError MR_JOB_DEFINITION for session windows, where the aggregate has no `merge`
   */
  aggregate<Accumulator, Result>(
    aggregate: AggregateFunction<T, Accumulator, Result>,
  ): SingleOutputStreamOperator<Result>
  aggregate<Accumulator, Result, Out>(
    aggregate: AggregateFunction<T, Accumulator, Result>,
    then: WithAllWindowOptions<Result, Out>,
  ): SingleOutputStreamOperator<Out>
  aggregate<Accumulator, Result, Out>(
    aggregate: AggregateFunction<T, Accumulator, Result>,
    then: ProcessAllWindowFunction<Result, Out>,
  ): SingleOutputStreamOperator<Out>
  aggregate(aggregate: AggregateFunction<T, unknown, unknown>, then?: Then<unknown, unknown>): unknown {
    return then === undefined ? this.#windows.aggregate(aggregate) : this.#windows.aggregate(aggregate, keyed(then))
  }

  /** Keeps all records of a window, and hands them over together when it fires. */
  process<Out>(process: ProcessAllWindowFunction<T, Out>): SingleOutputStreamOperator<Out> {
    return this.#windows.process(keyed(process))
  }

  /** The same as a function. */
  apply<Out>(
    apply: (window: TimeWindow, elements: readonly T[], out: Collector<Out>) => void,
  ): SingleOutputStreamOperator<Out> {
    declaredSynchronousFunction(apply, 'apply', 'the window function')
    return this.#windows.apply((_key, window, elements, out) => apply(window, elements, out))
  }
}

function keyed<Result, Out>(then: Then<Result, Out>): ProcessWindowFunction<Result, Out, NoKey> {
  if (typeof then === 'object' && 'withWindow' in then) {
    const { withWindow } = then
    declaredSynchronousFunction(withWindow, 'windowAll', 'withWindow')
    return { process: (_key, { window }, [result], out) => out.collect(withWindow(result as Result, window)) }
  }
  declaredSynchronousFunction(then?.process, 'windowAll', 'process of the window function')
  const process: ProcessWindowFunction<Result, Out, NoKey> = {
    process: (_key, context, elements, out) => then.process(context, elements, out),
  }
  return then.clear === undefined ? process : { ...process, clear: (context) => then.clear?.(context) }
}
