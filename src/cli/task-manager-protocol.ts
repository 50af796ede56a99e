import type { ErrorData } from '../common/errors.ts'
import type { Configuration } from '../config/configuration.ts'
import type { LogLevel } from './log-level.ts'

/** Supervisor of a TaskManager to its working process. */
export type ToTaskManager =
  | {
      readonly type: 'start'
      readonly configuration: Configuration
      readonly numberOfTaskSlots: number
      readonly logLevel: LogLevel
    }
  /** R29. Past the grace time it goes, whatever runs. */
  | { readonly type: 'leave'; readonly graceMs: number }

export type FromTaskManager =
  | { readonly type: 'started'; readonly id: string; readonly dataAddress: string }
  /** It could not be started: where it never ran, it is not tried again. */
  | { readonly type: 'refused'; readonly error: ErrorData }
  /** It can not go on under this id. */
  | { readonly type: 'crashed'; readonly error: ErrorData }
  | { readonly type: 'left'; readonly clean: boolean }
