import type { AttemptId } from '../../common/ids.ts'
import type { FromSlot, SubtaskMetrics } from '../../task/slot-protocol.ts'
import type { JobMasterState } from './state.ts'

/** Counts of the whole run, replays included, and how far it is. */
export interface JobMetrics {
  /** Records read by the sources. */
  readonly recordsIn: number
  /** Records that reached a sink. */
  readonly recordsOut: number
  readonly lateRecordsDropped: number
  readonly deadLetters: number
  /** Records behind the end of the input, where the connectors know; NaN where not. */
  readonly lag: number
  /** The lowest of the subtasks that have one, epoch milliseconds; −Infinity: none has. */
  readonly watermark: number
  readonly heapUsedBytes: number
  readonly managedUsedBytes: number
}

/** What the slots have reported. */
export interface ReportedMetrics {
  /** Counts of attempts that a newer one has followed. */
  readonly past: Counts
  /** The newest of each subtask. */
  readonly attempts: ReadonlyMap<AttemptId, SubtaskMetrics>
  /** By `<TaskManager>/<slot index>`. */
  readonly slots: ReadonlyMap<string, SlotMemoryUse>
}

type Counts = Pick<JobMetrics, 'recordsIn' | 'recordsOut' | 'lateRecordsDropped' | 'deadLetters'>
type SlotMemoryUse = Pick<JobMetrics, 'heapUsedBytes' | 'managedUsedBytes'>

export const noMetrics: ReportedMetrics = {
  past: { recordsIn: 0, recordsOut: 0, lateRecordsDropped: 0, deadLetters: 0 },
  attempts: new Map(),
  slots: new Map(),
}

export function withReport(
  before: ReportedMetrics,
  slot: string,
  report: Extract<FromSlot, { readonly type: 'metrics' }>,
): ReportedMetrics {
  const attempts = new Map(before.attempts)
  let { past } = before
  for (const subtask of report.subtasks) {
    for (const [attemptId, older] of attempts) {
      if (attemptId === subtask.attemptId || !isSameSubtask(older, subtask)) continue
      past = sum(past, countsOf(older))
      attempts.delete(attemptId)
    }
    attempts.set(subtask.attemptId, subtask)
  }
  const { heapUsedBytes, managedUsedBytes } = report
  const slots = new Map(before.slots).set(slot, { heapUsedBytes, managedUsedBytes })
  return { past, attempts, slots }
}

function isSameSubtask(one: SubtaskMetrics, other: SubtaskMetrics): boolean {
  return one.vertexId === other.vertexId && one.subtaskIndex === other.subtaskIndex
}

function countsOf(subtask: SubtaskMetrics): Counts {
  const { sourceRecords: recordsIn, sinkRecords: recordsOut, lateRecordsDropped, deadLetters } = subtask
  return { recordsIn, recordsOut, lateRecordsDropped, deadLetters }
}

function sum(one: Counts, other: Counts): Counts {
  return {
    recordsIn: one.recordsIn + other.recordsIn,
    recordsOut: one.recordsOut + other.recordsOut,
    lateRecordsDropped: one.lateRecordsDropped + other.lateRecordsDropped,
    deadLetters: one.deadLetters + other.deadLetters,
  }
}

export function jobMetrics(reported: ReportedMetrics, state: JobMasterState): JobMetrics {
  const all = [...reported.attempts.values()]
  const current = new Set(state.subtasks.flatMap((subtask) => (subtask.type === 'attempt' ? [subtask.attemptId] : [])))
  const running = all.filter(({ attemptId }) => current.has(attemptId))
  const lags = running.map(({ lag }) => lag).filter((lag) => !Number.isNaN(lag))
  const watermarks = running.map(({ watermark }) => watermark).filter((watermark) => watermark > -Infinity)
  const slots = [...reported.slots.values()]
  return {
    ...all.map(countsOf).reduce(sum, reported.past),
    lag: lags.length === 0 ? Number.NaN : lags.reduce((total, lag) => total + lag, 0),
    watermark: watermarks.length === 0 ? -Infinity : Math.min(...watermarks),
    heapUsedBytes: slots.reduce((total, slot) => total + slot.heapUsedBytes, 0),
    managedUsedBytes: slots.reduce((total, slot) => total + slot.managedUsedBytes, 0),
  }
}
