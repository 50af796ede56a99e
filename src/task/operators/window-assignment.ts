import type { AlignedWindowAssigner } from '../../graph/operator-spec.ts'

/** Windows whose ends are at multiples of a step: tumbling ones are sliding ones whose slide is their size. */
export interface AlignedWindows {
  readonly sizeMs: number
  readonly slideMs: number
  readonly offsetMs: number
}

export function alignedWindowsOf(assigner: AlignedWindowAssigner): AlignedWindows {
  const { sizeMs, offsetMs } = assigner
  return { sizeMs, slideMs: assigner.kind === 'sliding' ? assigner.slideMs : sizeMs, offsetMs }
}

/**
 * Start of the last window that begins at or before the timestamp. The remainder is that of floored division, so that
 * negative timestamps are in the window that begins before them (R35).
 */
export function lastWindowStart(timestamp: number, { slideMs, offsetMs }: AlignedWindows): number {
  const remainder = (timestamp - offsetMs) % slideMs
  return timestamp - (remainder < 0 ? remainder + slideMs : remainder)
}

/** End of the first window that ends at or behind a time. */
export function firstWindowEnd(time: number, windows: AlignedWindows): number {
  const start = time - windows.sizeMs
  const before = lastWindowStart(start, windows)
  return (before === start ? before : before + windows.slideMs) + windows.sizeMs
}

/** End of the first window that ends behind a time; not by way of `time + 1`, which the largest numbers have not. */
export function windowEndAfter(time: number, windows: AlignedWindows): number {
  return lastWindowStart(time - windows.sizeMs, windows) + windows.slideMs + windows.sizeMs
}

/** Event time up to which the contents of a window are kept: Flink's cleanup time. */
export function cleanupTime(windowEnd: number, allowedLatenessMs: number): number {
  return windowEnd - 1 + allowedLatenessMs
}
