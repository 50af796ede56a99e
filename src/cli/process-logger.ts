import type { Logger } from '../common/logger.ts'
import { type LogLevel, logLevel } from './log-level.ts'

/**
 * The engine's log lines. Whoever sets MILLRACE_LOG_LEVEL gets them as JSON on standard error; anyone else gets the
 * warnings as text. Failures of the job come through the observer of the run in any case.
 */
export async function processLogger(): Promise<Logger> {
  const level = logLevel()
  return level === undefined ? warningsAsText(process.stderr) : await jsonLines(level)
}

/** pino takes a while to load, and most runs need none of it. */
async function jsonLines(level: LogLevel): Promise<Logger> {
  const { pino } = await import('pino')
  const logger: Logger = pino({ level, base: null }, pino.destination({ dest: 2, sync: true }))
  return logger
}

export function warningsAsText(stream: { write(text: string): unknown }): Logger {
  const nothing = (): void => {}
  const logger: Logger = {
    debug: nothing,
    info: nothing,
    warn: (_fields, text) => void stream.write(`millrace: warning: ${text}\n`),
    error: nothing,
    child: () => logger,
  }
  return logger
}
