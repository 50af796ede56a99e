import type { Progress, SlotFigures } from './jobs/measuring.ts'

/** Part of the records that are read before a run counts as warm. */
export const warmShare = 0.2

export interface SteadyFigures {
  /** From the moment when a fifth of the records was read to the end of the run. */
  readonly seconds: number
  /** The working process's between those two. */
  readonly cpuSeconds: number
  readonly records: number
}

/**
 * The part of a run that is not its start: most of the code is compiled, connections stand. Undefined where no slot's
 * samples show when that begins.
 */
export function steadyFigures(slots: readonly SlotFigures[], records: number): SteadyFigures | undefined {
  const samples = slots.flatMap(({ progress }) => progress).toSorted((one, other) => one.atMs - other.atMs)
  const begin = samples.find(({ atMs }) => readAt(slots, atMs, records) >= warmShare * records)
  if (begin === undefined) return undefined
  const lastMs = Math.max(...slots.map((slot) => slot.lastMs))
  const lastCpuMs = Math.max(...slots.map((slot) => slot.lastCpuMs))
  return {
    seconds: (lastMs - begin.atMs) / 1000,
    cpuSeconds: (lastCpuMs - begin.cpuMs) / 1000,
    records: records - readAt(slots, begin.atMs, records),
  }
}

/** Records read by all slots; 0 as long as one has not heard yet how much there is. */
function readAt(slots: readonly SlotFigures[], atMs: number, records: number): number {
  const remaining = slots.map(({ progress }) => remainingAt(progress, atMs))
  return remaining.includes(undefined) ? 0 : records - remaining.reduce((sum: number, each) => sum + (each ?? 0), 0)
}

/** By the last sample before: too many rather than too few. */
function remainingAt(progress: readonly Progress[], atMs: number): number | undefined {
  const begun = progress.findIndex(({ remaining }) => remaining > 0)
  return begun < 0 ? undefined : progress.slice(begun).findLast((sample) => sample.atMs <= atMs)?.remaining
}
