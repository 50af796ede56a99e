import type { TimeWindow } from '../../api/functions.ts'
import { MillraceError } from '../../common/errors.ts'
import type { EventTimeWindowAssigner, WindowAssigner } from '../../graph/operator-spec.ts'
import { alignedWindowsOf, lastWindowStart } from './window-assignment.ts'

/** The windows of a record. `now`: the wall clock. */
export type AssignWindows = (value: unknown, timestamp: number, now: number) => readonly TimeWindow[]

export function windowAssignmentOf(assigner: WindowAssigner): AssignWindows {
  switch (assigner.kind) {
    case 'tumbling':
    case 'sliding':
    case 'session': {
      const windowsAt = windowsOfOneLength(assigner)
      return (_value, timestamp) => windowsAt(Math.floor(timestamp))
    }
    case 'processingTime': {
      const windowsAt = windowsOfOneLength(assigner.windows)
      return (_value, _timestamp, now) => windowsAt(Math.floor(now))
    }
    case 'dynamicSession': {
      const { gapOf, timeDomain } = assigner
      return (value, timestamp, now) => {
        const start = Math.floor(timeDomain === 'event-time' ? timestamp : now)
        return [{ start, end: start + checkedGap(gapOf(value)) }]
      }
    }
    case 'global': {
      const windows = [{ start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY }]
      return () => windows
    }
    default: {
      const never: never = assigner
      throw new MillraceError('MR_INTERNAL', `unknown windows ${String(never)}`)
    }
  }
}

function windowsOfOneLength(assigner: EventTimeWindowAssigner): (time: number) => readonly TimeWindow[] {
  if (assigner.kind === 'session') return (time) => [{ start: time, end: time + assigner.gapMs }]
  const aligned = alignedWindowsOf(assigner)
  return (time) => {
    const windows: TimeWindow[] = []
    // From the last window back, as in Flink.
    for (let start = lastWindowStart(time, aligned); start + aligned.sizeMs > time; start -= aligned.slideMs) {
      windows.push({ start, end: start + aligned.sizeMs })
    }
    return windows
  }
}

function checkedGap(gapMs: number): number {
  if (Number.isSafeInteger(gapMs) && gapMs > 0) return gapMs
  throw new RangeError(`the gap of a record is ${gapMs}; it has to be whole milliseconds, 1 at least`)
}
