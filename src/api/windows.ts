import type { Duration } from '../common/duration.ts'
import type { AlignedWindowAssigner, EventTimeWindowAssigner, WindowAssigner } from '../graph/operator-spec.ts'
import { declaredDurationMs, declaredSynchronousFunction, definitionError } from './declaration.ts'

export type { EventTimeWindowAssigner, WindowAssigner } from '../graph/operator-spec.ts'

/** Windows of one size, one after the other, in event time. */
export const TumblingEventTimeWindows = {
  /**
   * Windows [n · size + offset, (n + 1) · size + offset), counted from the epoch (UTC).
   * @param size length of a window, 1 ms at least
   * @param offset moves the windows: `'-8h'` starts days at 00:00 of UTC+8; its amount is below `size`. Default 0
   * @throws MillraceError MR_JOB_DEFINITION where a duration is none or out of range
   * @example
   * ```ts
   * import { TumblingEventTimeWindows } from 'millrace'
   *
   * const daysInShanghai = TumblingEventTimeWindows.of('1d', '-8h')
   * ```
   */
  of(size: Duration, offset: Duration = 0): EventTimeWindowAssigner {
    return tumbling('TumblingEventTimeWindows.of', size, offset)
  },
}

/** Windows of one size that start every `slide`, in event time: a record is in size / slide of them. */
export const SlidingEventTimeWindows = {
  /**
   * Windows [n · slide + offset, n · slide + offset + size), counted from the epoch (UTC).
   * @param size length of a window, 1 ms at least
   * @param slide distance of their starts, 1 ms at least; above `size`, records between windows are in none
   * @param offset moves the windows; its amount is below `slide`. Default 0
   * @throws MillraceError MR_JOB_DEFINITION where a duration is none or out of range
   */
  of(size: Duration, slide: Duration, offset: Duration = 0): EventTimeWindowAssigner {
    return sliding('SlidingEventTimeWindows.of', [size, slide], offset)
  },
}

/** Windows of activity, in event time: a session of a key ends when none of its records came for the gap. */
export const EventTimeSessionWindows = {
  /**
   * @param gap a record belongs to a session when it is less than this from one of its records; 1 ms at least
   * @throws MillraceError MR_JOB_DEFINITION where the gap is no duration or out of range
   */
  withGap(gap: Duration): EventTimeWindowAssigner {
    return { kind: 'session', gapMs: declaredDurationMs(gap, 'EventTimeSessionWindows.withGap', 'gap', 1) }
  },

  /**
   * Each record sets the gap after it.
   * @param gapOf whole milliseconds, 1 at least: others fail the job's region (MR_USER_FUNCTION)
   */
  withDynamicGap<T>(gapOf: (record: T) => number): WindowAssigner<T> {
    declaredSynchronousFunction(gapOf, 'EventTimeSessionWindows.withDynamicGap', 'the gap function')
    return { kind: 'dynamicSession', timeDomain: 'event-time', gapOf }
  },
}

/** Windows of one size, one after the other, by the wall clock of the subtask when it gets the record. */
export const TumblingProcessingTimeWindows = {
  /**
   * Windows [n · size + offset, (n + 1) · size + offset), counted from the epoch (UTC). At the end of a bounded input those
   * that have not ended give no result.
   * @param size length of a window, 1 ms at least
   * @param offset moves the windows: `'-8h'` starts days at 00:00 of UTC+8; its amount is below `size`. Default 0
   * @throws MillraceError MR_JOB_DEFINITION where a duration is none or out of range
   */
  of(size: Duration, offset: Duration = 0): WindowAssigner {
    return { kind: 'processingTime', windows: tumbling('TumblingProcessingTimeWindows.of', size, offset) }
  },
}

/** Windows of one size that start every `slide`, by the wall clock of the subtask when it gets the record. */
export const SlidingProcessingTimeWindows = {
  /**
   * Windows [n · slide + offset, n · slide + offset + size), counted from the epoch (UTC).
   * @param size length of a window, 1 ms at least
   * @param slide distance of their starts, 1 ms at least
   * @param offset moves the windows; its amount is below `slide`. Default 0
   * @throws MillraceError MR_JOB_DEFINITION where a duration is none or out of range
   */
  of(size: Duration, slide: Duration, offset: Duration = 0): WindowAssigner {
    return { kind: 'processingTime', windows: sliding('SlidingProcessingTimeWindows.of', [size, slide], offset) }
  },
}

/** Windows of activity by the wall clock: a session of a key ends when none of its records came for the gap. */
export const ProcessingTimeSessionWindows = {
  /**
   * @param gap 1 ms at least
   * @throws MillraceError MR_JOB_DEFINITION where the gap is no duration or out of range
   */
  withGap(gap: Duration): WindowAssigner {
    const gapMs = declaredDurationMs(gap, 'ProcessingTimeSessionWindows.withGap', 'gap', 1)
    return { kind: 'processingTime', windows: { kind: 'session', gapMs } }
  },

  /**
   * Each record sets the gap after it.
   * @param gapOf whole milliseconds, 1 at least: others fail the job's region (MR_USER_FUNCTION)
   */
  withDynamicGap<T>(gapOf: (record: T) => number): WindowAssigner<T> {
    declaredSynchronousFunction(gapOf, 'ProcessingTimeSessionWindows.withDynamicGap', 'the gap function')
    return { kind: 'dynamicSession', timeDomain: 'processing-time', gapOf }
  },
}

/** One window a key, which never ends: it gives what its trigger says. */
export const GlobalWindows = {
  /** Without a trigger they never fire. Their results carry no timestamp. */
  create(): WindowAssigner {
    return { kind: 'global' }
  },
}

function tumbling(subject: string, size: Duration, offset: Duration): AlignedWindowAssigner {
  const sizeMs = declaredDurationMs(size, subject, 'size', 1)
  return { kind: 'tumbling', sizeMs, offsetMs: offsetWithin(sizeMs, offset, subject) }
}

function sliding(
  subject: string,
  [size, slide]: readonly [Duration, Duration],
  offset: Duration,
): AlignedWindowAssigner {
  const sizeMs = declaredDurationMs(size, subject, 'size', 1)
  const slideMs = declaredDurationMs(slide, subject, 'slide', 1)
  return { kind: 'sliding', sizeMs, slideMs, offsetMs: offsetWithin(slideMs, offset, subject) }
}

/** The offset as a number in [0, step): negative ones, for time zones east of Greenwich, are the same windows. */
function offsetWithin(stepMs: number, offset: Duration, subject: string): number {
  const text = typeof offset === 'string' ? offset.trim() : offset
  const negative = typeof text === 'string' ? text.startsWith('-') : text < 0
  const amount = typeof text === 'string' ? text.replace(/^-/, '') : Math.abs(text)
  const amountMs = declaredDurationMs(amount, subject, 'offset', 0)
  if (amountMs >= stepMs) {
    throw definitionError(subject, `offset is ${JSON.stringify(offset)}; its amount has to be below ${stepMs} ms`)
  }
  return negative && amountMs > 0 ? stepMs - amountMs : amountMs
}
