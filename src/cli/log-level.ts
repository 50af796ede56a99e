import { MillraceError } from '../common/errors.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const

export type LogLevel = (typeof levels)[number]

/**
 * `MILLRACE_LOG_LEVEL`; undefined: nobody asked for log lines.
 * @throws MillraceError MR_CONFIGURATION
 */
export function logLevel(): LogLevel | undefined {
  const text = process.env['MILLRACE_LOG_LEVEL']
  if (text === undefined || text === '') return undefined
  const level = levels.find((each) => each === text)
  if (level !== undefined) return level
  throw new MillraceError(
    'MR_CONFIGURATION',
    `MILLRACE_LOG_LEVEL: ${JSON.stringify(text)} is not allowed; it takes one of ${levels.join(', ')}`,
  )
}
