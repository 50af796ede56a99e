import { MillraceError } from './errors.ts'

/** A duration: milliseconds, or text such as `'250ms'`, `'10s'`, `'5min'`, `'2h'`, `'1d'`. */
export type Duration = number | string

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  sec: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/**
 * Milliseconds of a duration.
 * @param what names the option in the error, such as `'execution.checkpointing.interval'`
 * @throws MillraceError MR_CONFIGURATION where the text is no duration, or the number is negative or not finite
 */
export function durationMs(duration: Duration, what: string): number {
  if (typeof duration === 'number') {
    if (Number.isFinite(duration) && duration >= 0) return duration
    throw wrongDuration(duration, what)
  }
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(duration)
  const factor = match === null ? undefined : unitMs[(match[2] ?? '').toLowerCase() || 'ms']
  if (match === null || factor === undefined) throw wrongDuration(duration, what)
  return Number(match[1]) * factor
}

function wrongDuration(duration: Duration, what: string): MillraceError {
  return new MillraceError(
    'MR_CONFIGURATION',
    `${what}: ${JSON.stringify(duration)} is no duration; write milliseconds as a number, or text such as '250ms', '10s', '5min', '2h'`,
  )
}
