import type { ErrorData } from '../common/errors.ts'
import type { Configuration } from '../config/configuration.ts'
import type { RestartStrategy } from '../graph/job-configuration.ts'

/** What `millrace run` was asked for, resolved: plain data, handed to each working process. */
export interface RunRequest {
  readonly jobFile: string
  readonly bundleUrl: string
  readonly arguments: readonly string[]
  readonly configuration: Configuration
  /** `latest`, a path, or `chk-<n>`; undefined: start fresh. */
  readonly from: string | undefined
  readonly acceptDuplicates: boolean
}

/** A run that a working process began and another one goes on with after a crash. */
export interface RunIdentity {
  readonly jobId: string
  /** undefined: the job has no checkpoints. */
  readonly runFolder: string | undefined
}

/** Supervisor to working process. */
export type ToWorkingProcess =
  | { readonly type: 'start'; readonly request: RunRequest; readonly goesOn: RunIdentity | undefined }
  /** Ctrl-C: one last checkpoint, no final watermark (R12). */
  | { readonly type: 'suspend' }
  /** Ctrl-C with `--drain`: the sources end, all windows fire. */
  | { readonly type: 'drain' }

/** Working process to supervisor. */
export type FromWorkingProcess =
  | {
      readonly type: 'started'
      readonly identity: RunIdentity
      readonly jobName: string
      readonly restartStrategy: RestartStrategy
      /** Something a person should know at the start, such as where the run was restored from. */
      readonly notes: readonly string[]
      /** It prints records on standard output. */
      readonly prints: boolean
    }
  | { readonly type: 'progress'; readonly progress: RunProgress }
  | {
      readonly type: 'ended'
      readonly state: FinalState
      readonly error: ErrorData | undefined
      readonly progress: RunProgress
    }
  /** The job could not be started at all. */
  | { readonly type: 'refused'; readonly error: ErrorData }
  /** An error that nobody caught: the process ends, and may be started again. */
  | { readonly type: 'crashed'; readonly error: ErrorData }
  /** What a person should know while the job goes on, such as a failure that a restart answers. */
  | { readonly type: 'warning'; readonly text: string }
  /** Whoever read the job's output is gone: `millrace run … | head`. */
  | { readonly type: 'outputClosed' }

export type FinalState = 'FINISHED' | 'CANCELED' | 'FAILED' | 'SUSPENDED'

/** Figures of one working process so far. */
export interface RunProgress {
  readonly state: string
  readonly recordsIn: number
  readonly recordsOut: number
  /** Records behind the end of the input; NaN where the source does not know. */
  readonly lag: number
  /** Lowest watermark of the sinks, epoch milliseconds; undefined: none yet. */
  readonly watermark: number | undefined
  readonly checkpoints: number
  readonly lastCheckpoint: { readonly id: number; readonly durationMs: number; readonly bytes: number } | undefined
  readonly restarts: number
  readonly lateRecordsDropped: number
}
