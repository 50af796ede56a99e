/** Structured, levelled logging, in the form that pino has: what is known as fields, then one sentence. */
export interface Logger {
  debug(fields: LogFields, text: string): void
  info(fields: LogFields, text: string): void
  warn(fields: LogFields, text: string): void
  error(fields: LogFields, text: string): void
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger
}

export type LogFields = Readonly<Record<string, unknown>>

/** Says nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}
