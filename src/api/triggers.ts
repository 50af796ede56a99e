import type { Duration } from '../common/duration.ts'
import type { DataType } from '../formats/data-type.ts'
import { long } from '../formats/types.ts'
import { declaredDurationMs, declaredInteger, declaredSynchronousFunction, definitionError } from './declaration.ts'
import { reducingStateDescriptor, valueStateDescriptor } from './descriptors.ts'
import type { KeyedStateStore, TimerService, TimeWindow } from './functions.ts'
import type { AggregatingStateDescriptor, ListStateDescriptor, ReducingStateDescriptor, Stored } from './state.ts'

/**
 * What a trigger says about its window. `FIRE`: its result is emitted. `PURGE`: its records are forgotten, the window
 * and the trigger's state stay.
 */
export type TriggerResult = 'CONTINUE' | 'FIRE' | 'PURGE' | 'FIRE_AND_PURGE'

/** What a trigger sees and may use. State and timers are those of the current key and window. */
export interface TriggerContext extends TimerService {
  /** Epoch milliseconds; −Infinity before the first one, Infinity at the end of the input. */
  readonly currentWatermark: number
  /** The wall clock, epoch milliseconds. */
  readonly currentProcessingTime: number
  /** What is kept there has to be cleared by the trigger's `clear`. */
  readonly partitionedState: KeyedStateStore
}

/** The same while windows grow together. */
export interface OnMergeContext extends TriggerContext {
  /** Moves the state of the windows that went into the merged one over to it, and combines it. */
  mergePartitionedState<In, Accumulator, Out>(
    descriptor:
      | ListStateDescriptor<In>
      | ReducingStateDescriptor<In>
      | AggregatingStateDescriptor<In, Accumulator, Out>,
  ): void
}

/**
 * Decides when a window gives its result. One object serves all keys and windows of a subtask, so what it remembers has to
 * be in `partitionedState`. Errors of its methods fail the job's region (MR_USER_FUNCTION).
 * @example
 * ```ts
 * import { type Trigger, valueStateDescriptor } from 'millrace'
 *
 * // Fires for each order above 1000, and at the end of the window.
 * const largeOrders: Trigger<{ cents: number }> = {
 *   onElement(order, _timestamp, window, context) {
 *     context.registerEventTimeTimer(window.end - 1)
 *     return order.cents > 1000 ? 'FIRE' : 'CONTINUE'
 *   },
 *   onEventTime: (time, window) => (time === window.end - 1 ? 'FIRE_AND_PURGE' : 'CONTINUE'),
 *   onProcessingTime: () => 'CONTINUE',
 *   clear: (window, context) => context.deleteEventTimeTimer(window.end - 1),
 * }
 * ```
 */
export interface Trigger<T> {
  /** For each record, after it was added to the window. `timestamp`: `noTimestamp` where it has none. */
  onElement(element: T, timestamp: number, window: TimeWindow, context: TriggerContext): TriggerResult
  /** When an event-time timer of the trigger fires, also where the window is over by then. */
  onEventTime(time: number, window: TimeWindow, context: TriggerContext): TriggerResult
  /** When a processing-time timer of the trigger fires. */
  onProcessingTime(time: number, window: TimeWindow, context: TriggerContext): TriggerResult
  /** Windows have grown together to `window`: moves state and timers there. Session windows need it. */
  onMerge?(window: TimeWindow, context: OnMergeContext): void
  /** The window is over, or went into another one: deletes timers and state. */
  clear(window: TimeWindow, context: TriggerContext): void
}

const eventTimeTrigger: Trigger<unknown> = {
  onElement(_element, _timestamp, window, context) {
    if (lastTime(window) <= context.currentWatermark) return 'FIRE'
    context.registerEventTimeTimer(lastTime(window))
    return 'CONTINUE'
  },
  onEventTime: (time, window) => (time === lastTime(window) ? 'FIRE' : 'CONTINUE'),
  onProcessingTime: () => 'CONTINUE',
  onMerge(window, context) {
    if (lastTime(window) > context.currentWatermark) context.registerEventTimeTimer(lastTime(window))
  },
  clear: (window, context) => context.deleteEventTimeTimer(lastTime(window)),
}

/** Fires when the watermark passes the end of the window: the default of event-time windows. */
export const EventTimeTrigger = {
  /** On global windows it fires at the end of the input. */
  create(): Trigger<unknown> {
    return eventTimeTrigger
  },
}

const processingTimeTrigger: Trigger<unknown> = {
  onElement(_element, _timestamp, window, context) {
    context.registerProcessingTimeTimer(lastTime(window))
    return 'CONTINUE'
  },
  onEventTime: () => 'CONTINUE',
  onProcessingTime: () => 'FIRE',
  onMerge(window, context) {
    if (lastTime(window) > context.currentProcessingTime) context.registerProcessingTimeTimer(lastTime(window))
  },
  clear: (window, context) => context.deleteProcessingTimeTimer(lastTime(window)),
}

/** Fires when the wall clock passes the end of the window: the default of processing-time windows. */
export const ProcessingTimeTrigger = {
  create(): Trigger<unknown> {
    return processingTimeTrigger
  },
}

const neverTrigger: Trigger<unknown> = {
  onElement: () => 'CONTINUE',
  onEventTime: () => 'CONTINUE',
  onProcessingTime: () => 'CONTINUE',
  onMerge() {
    // Nothing is kept.
  },
  clear() {
    // Nothing is kept.
  },
}

/** Never fires: the default of global windows, which give nothing without another trigger. */
export const NeverTrigger = {
  create(): Trigger<unknown> {
    return neverTrigger
  },
}

/** Fires whenever a window has got a number of records. */
export const CountTrigger = {
  /**
   * @param maxCount 1 at least; counting starts again after each firing, while the window keeps its records
   * @throws MillraceError MR_JOB_DEFINITION where it is no whole number, or below 1
   */
  of(maxCount: number): Trigger<unknown> {
    declaredInteger(maxCount, 'CountTrigger.of', 'maxCount', 1)
    const countState = reducingStateDescriptor<number>('count', (left, right) => left + right, long())
    return {
      onElement(_element, _timestamp, _window, context) {
        const count = context.partitionedState.reducingState(countState)
        count.add(1)
        if ((count.get() ?? 0) < maxCount) return 'CONTINUE'
        count.clear()
        return 'FIRE'
      },
      onEventTime: () => 'CONTINUE',
      onProcessingTime: () => 'CONTINUE',
      onMerge: (_window, context) => context.mergePartitionedState(countState),
      clear: (_window, context) => context.partitionedState.reducingState(countState).clear(),
    }
  },
}

/** When a continuous trigger fires next, the earliest of windows that grow together. */
const nextFireState = reducingStateDescriptor<number>('fire-time', (left, right) => Math.min(left, right), long())

/** Fires at every multiple of an interval that the watermark passes, and at the end of the window. */
export const ContinuousEventTimeTrigger = {
  /**
   * @param interval of event time, 1 ms at least; counted from the epoch
   * @throws MillraceError MR_JOB_DEFINITION where it is no duration
   */
  of(interval: Duration): Trigger<unknown> {
    const intervalMs = declaredDurationMs(interval, 'ContinuousEventTimeTrigger.of', 'interval', 1)
    const schedule = (after: number, window: TimeWindow, context: TriggerContext): void => {
      const next = Math.min(after + intervalMs, lastTime(window))
      // The input has ended and the window never does: it fires once more, at the end of time, and not for ever.
      if (lastTime(window) === Number.POSITIVE_INFINITY && context.currentWatermark === lastTime(window)) return
      context.partitionedState.reducingState(nextFireState).add(next)
      context.registerEventTimeTimer(next)
    }
    return {
      onElement(_element, timestamp, window, context) {
        if (lastTime(window) <= context.currentWatermark) return 'FIRE'
        context.registerEventTimeTimer(lastTime(window))
        const isScheduled = context.partitionedState.reducingState(nextFireState).get() !== undefined
        if (!isScheduled) schedule(floored(timestamp, intervalMs), window, context)
        return 'CONTINUE'
      },
      onEventTime(time, window, context) {
        const next = context.partitionedState.reducingState(nextFireState)
        const isScheduled = next.get() === time
        if (isScheduled) next.clear()
        if (time === lastTime(window)) return 'FIRE'
        if (!isScheduled) return 'CONTINUE'
        schedule(time, window, context)
        return 'FIRE'
      },
      onProcessingTime: () => 'CONTINUE',
      onMerge(window, context) {
        context.mergePartitionedState(nextFireState)
        const next = context.partitionedState.reducingState(nextFireState).get()
        if (next !== undefined) context.registerEventTimeTimer(next)
        if (lastTime(window) > context.currentWatermark) context.registerEventTimeTimer(lastTime(window))
      },
      clear(window, context) {
        const next = context.partitionedState.reducingState(nextFireState)
        const time = next.get()
        if (time !== undefined) context.deleteEventTimeTimer(time)
        next.clear()
        context.deleteEventTimeTimer(lastTime(window))
      },
    }
  },
}

/** Fires at every multiple of an interval that the wall clock passes; on processing-time windows also at their end. */
export const ContinuousProcessingTimeTrigger = {
  /**
   * @param interval of the wall clock, 1 ms at least; counted from the epoch
   * @throws MillraceError MR_JOB_DEFINITION where it is no duration
   */
  of(interval: Duration): Trigger<unknown> {
    const intervalMs = declaredDurationMs(interval, 'ContinuousProcessingTimeTrigger.of', 'interval', 1)
    const schedule = (after: number, window: TimeWindow, context: TriggerContext): void => {
      // An event-time window may have ended before the clock's now: its last time would fire again and again.
      const isAhead = lastTime(window) > context.currentProcessingTime
      const next = isAhead ? Math.min(after + intervalMs, lastTime(window)) : after + intervalMs
      context.partitionedState.reducingState(nextFireState).add(next)
      context.registerProcessingTimeTimer(next)
    }
    return {
      onElement(_element, _timestamp, window, context) {
        const isScheduled = context.partitionedState.reducingState(nextFireState).get() !== undefined
        if (!isScheduled) schedule(floored(context.currentProcessingTime, intervalMs), window, context)
        return 'CONTINUE'
      },
      onEventTime: () => 'CONTINUE',
      onProcessingTime(time, window, context) {
        const next = context.partitionedState.reducingState(nextFireState)
        if (next.get() !== time) return 'CONTINUE'
        next.clear()
        schedule(time, window, context)
        return 'FIRE'
      },
      onMerge(_window, context) {
        context.mergePartitionedState(nextFireState)
        const next = context.partitionedState.reducingState(nextFireState).get()
        if (next !== undefined) context.registerProcessingTimeTimer(next)
      },
      clear(_window, context) {
        const next = context.partitionedState.reducingState(nextFireState)
        const time = next.get()
        if (time !== undefined) context.deleteProcessingTimeTimer(time)
        next.clear()
      },
    }
  },
}

/** Fires when a record is far enough from the one that fired last; the first record of a window is where it starts. */
export const DeltaTrigger = {
  /**
   * @param threshold fires where `deltaFunction(last, record)` is above it
   * @param type of the records, which it keeps one of; left out, untyped
   * @throws MillraceError MR_JOB_DEFINITION where the threshold is no number
   */
  of<T>(
    threshold: number,
    deltaFunction: (oldRecord: Stored<T>, newRecord: T) => number,
    type?: DataType<T>,
  ): Trigger<T> {
    if (Number.isNaN(threshold) || typeof threshold !== 'number') {
      throw definitionError('DeltaTrigger.of', `threshold is ${String(threshold)}; it has to be a number`)
    }
    declaredSynchronousFunction(deltaFunction, 'DeltaTrigger.of', 'the delta function')
    const lastState = valueStateDescriptor<T>('last-record', type)
    return {
      onElement(element, _timestamp, _window, context) {
        const last = context.partitionedState.valueState(lastState)
        const kept = last.value()
        if (kept !== undefined && !(deltaFunction(kept, element) > threshold)) return 'CONTINUE'
        last.update(element)
        return kept === undefined ? 'CONTINUE' : 'FIRE'
      },
      onEventTime: () => 'CONTINUE',
      onProcessingTime: () => 'CONTINUE',
      clear: (_window, context) => context.partitionedState.valueState(lastState).clear(),
    }
  },
}

/** Makes another trigger forget the records of a window with each firing. */
export const PurgingTrigger = {
  /** @throws MillraceError MR_JOB_DEFINITION where it is no trigger */
  of<T>(nested: Trigger<T>): Trigger<T> {
    const trigger = checkedTrigger(nested, 'PurgingTrigger.of')
    const { onMerge } = trigger
    const purging = (result: TriggerResult): TriggerResult => (result === 'FIRE' ? 'FIRE_AND_PURGE' : result)
    return {
      onElement: (element, timestamp, window, context) =>
        purging(trigger.onElement(element, timestamp, window, context)),
      onEventTime: (time, window, context) => purging(trigger.onEventTime(time, window, context)),
      onProcessingTime: (time, window, context) => purging(trigger.onProcessingTime(time, window, context)),
      ...(onMerge === undefined ? {} : { onMerge: (window, context) => onMerge.call(trigger, window, context) }),
      clear: (window, context) => trigger.clear(window, context),
    }
  },
}

/** @internal Refuses what is no trigger, in bundles that no type checker has seen. */
export function checkedTrigger<T>(trigger: Trigger<T>, subject: string): Trigger<T> {
  for (const name of ['onElement', 'onEventTime', 'onProcessingTime', 'clear'] as const) {
    declaredSynchronousFunction(trigger?.[name], subject, `${name} of the trigger`)
  }
  if (trigger.onMerge !== undefined) declaredSynchronousFunction(trigger.onMerge, subject, 'onMerge of the trigger')
  return trigger
}

/** The last millisecond that belongs to a window, Flink's maxTimestamp. */
function lastTime(window: TimeWindow): number {
  return window.end - 1
}

/** The multiple of the interval at or before a time. */
function floored(time: number, intervalMs: number): number {
  return Math.floor(time / intervalMs) * intervalMs
}
