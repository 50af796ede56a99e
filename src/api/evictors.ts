import type { Duration } from '../common/duration.ts'
import { noTimestamp } from '../common/timestamps.ts'
import { declaredDurationMs, declaredInteger, declaredSynchronousFunction, definitionError } from './declaration.ts'
import type { TimeWindow } from './functions.ts'

/** A record of a window, as evictors see it. */
export interface TimestampedValue<T> {
  readonly value: T
  /** Epoch milliseconds; `noTimestamp` where it has none. */
  readonly timestamp: number
}

/** What an evictor sees of the time. */
export interface EvictorContext {
  /** Epoch milliseconds; −Infinity before the first one, Infinity at the end of the input. */
  readonly currentWatermark: number
  /** The wall clock, epoch milliseconds. */
  readonly currentProcessingTime: number
}

/**
 * Removes records of a window when it fires, before or after its function sees them. All records of a window are kept then,
 * also for reduce and aggregate. Errors of its methods fail the job's region (MR_USER_FUNCTION).
 * @example
 * ```ts
 * import type { Evictor } from 'millrace'
 *
 * // The function sees no records of tests; afterwards the window starts anew.
 * const noTests: Evictor<{ isTest: boolean }> = {
 *   evictBefore: (elements) => elements.filter(({ value }) => !value.isTest),
 *   evictAfter: () => [],
 * }
 * ```
 */
export interface Evictor<T> {
  /**
   * @param elements in the order in which they came
   * @returns those that stay: the function sees them
   */
  evictBefore(
    elements: readonly TimestampedValue<T>[],
    window: TimeWindow,
    context: EvictorContext,
  ): readonly TimestampedValue<T>[]
  /** @returns those that stay in the window until it fires again */
  evictAfter(
    elements: readonly TimestampedValue<T>[],
    window: TimeWindow,
    context: EvictorContext,
  ): readonly TimestampedValue<T>[]
}

type Eviction<T> = (elements: readonly TimestampedValue<T>[]) => readonly TimestampedValue<T>[]

/** When a built-in evictor removes records. */
export interface EvictorOptions {
  /** After the function instead of before it. Default false. */
  readonly doEvictAfter?: boolean
}

function evictorOf<T>(evict: Eviction<T>, { doEvictAfter = false }: EvictorOptions): Evictor<T> {
  return {
    evictBefore: (elements) => (doEvictAfter ? elements : evict(elements)),
    evictAfter: (elements) => (doEvictAfter ? evict(elements) : elements),
  }
}

/** Keeps a number of records, those that came last. */
export const CountEvictor = {
  /** @throws MillraceError MR_JOB_DEFINITION where `maxCount` is no whole number, or below 0 */
  of<T>(maxCount: number, options: EvictorOptions = {}): Evictor<T> {
    declaredInteger(maxCount, 'CountEvictor.of', 'maxCount', 0)
    return evictorOf(
      (elements) => (elements.length > maxCount ? elements.slice(elements.length - maxCount) : elements),
      options,
    )
  },
}

/** Keeps the records of a time before the newest one, by their timestamps. */
export const TimeEvictor = {
  /**
   * @param windowSize removed is what is this much older than the record with the highest timestamp, or more; nothing where
   *   the records have no timestamps
   * @throws MillraceError MR_JOB_DEFINITION where it is no duration
   */
  of<T>(windowSize: Duration, options: EvictorOptions = {}): Evictor<T> {
    const windowSizeMs = declaredDurationMs(windowSize, 'TimeEvictor.of', 'windowSize', 0)
    return evictorOf((elements) => {
      if (elements[0] === undefined || elements[0].timestamp === noTimestamp) return elements
      let newest = noTimestamp
      for (const { timestamp } of elements) if (timestamp > newest) newest = timestamp
      return elements.filter(({ timestamp }) => timestamp > newest - windowSizeMs)
    }, options)
  },
}

/** Keeps the records that are near the last one. */
export const DeltaEvictor = {
  /**
   * @param threshold removed is each record for which `deltaFunction(record, last)` is this or above
   * @throws MillraceError MR_JOB_DEFINITION where the threshold is no number
   */
  of<T>(
    threshold: number,
    deltaFunction: (record: T, lastRecord: T) => number,
    options: EvictorOptions = {},
  ): Evictor<T> {
    if (Number.isNaN(threshold) || typeof threshold !== 'number') {
      throw definitionError('DeltaEvictor.of', `threshold is ${String(threshold)}; it has to be a number`)
    }
    declaredSynchronousFunction(deltaFunction, 'DeltaEvictor.of', 'the delta function')
    return evictorOf((elements) => {
      const last = elements.at(-1)
      return last === undefined
        ? elements
        : elements.filter(({ value }) => !(deltaFunction(value, last.value) >= threshold))
    }, options)
  },
}

/** @internal Refuses what is no evictor, in bundles that no type checker has seen. */
export function checkedEvictor<T>(evictor: Evictor<T>, subject: string): Evictor<T> {
  declaredSynchronousFunction(evictor?.evictBefore, subject, 'evictBefore of the evictor')
  declaredSynchronousFunction(evictor.evictAfter, subject, 'evictAfter of the evictor')
  return evictor
}
