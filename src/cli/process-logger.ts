import type { Logger } from '../common/logger.ts'
import { type LogLevel, logLevel } from './log-level.ts'

/**
 * The engine's log lines. Whoever sets MILLRACE_LOG_LEVEL gets them as JSON on standard error; anyone else gets the
 * warnings as text. Failures of the job come through the observer of the run in any case.
 */
export async function processLogger(tellPerson: (text: string) => void): Promise<Logger> {
  const level = logLevel()
  return level === undefined ? warningsAsText(tellPerson) : await jsonLines(level)
}

/** pino takes a while to load, and most runs need none of it. */
export async function jsonLines(level: LogLevel): Promise<Logger> {
  const { pino } = await import('pino')
  const logger: Logger = pino({ level, base: null }, pino.destination({ dest: 2, sync: true }))
  return logger
}

function warningsAsText(tellPerson: (text: string) => void): Logger {
  const nothing = (): void => {}
  const logger: Logger = {
    debug: nothing,
    info: nothing,
    warn: (_fields, text) => tellPerson(text),
    error: nothing,
    child: () => logger,
  }
  return logger
}
