import { pino } from 'pino'
import type { Logger } from '../common/logger.ts'

const level = process.env['MILLRACE_LOG_LEVEL'] ?? 'error'

/**
 * Log lines of the engine, as JSON on standard error, for whoever asks for them by MILLRACE_LOG_LEVEL. What a person
 * must know comes through the observer of the run.
 */
export const processLogger: Logger = pino({ level, base: null }, pino.destination({ dest: 2, sync: true }))
