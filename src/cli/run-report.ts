import { errorText } from './error-text.ts'
import { type ExitCode, exitCode, exitCodeOf } from './exit-codes.ts'
import type { RunOutcome } from './supervisor.ts'
import { grouped, type TerminalObserver } from './terminal.ts'

export interface Reporting {
  readonly file: string
  /** One line of JSON on standard output, instead of a sentence. */
  readonly json: boolean
  /** Its id on a cluster. */
  readonly jobId?: string
  readonly observer: TerminalObserver
  readonly seconds: number
}

/** Tells how a run ended, and gives the exit code for it. */
export function reportOutcome(outcome: RunOutcome, { file, json, jobId, observer, seconds }: Reporting): ExitCode {
  if (outcome.type === 'refused') {
    observer.line(errorText(outcome.error))
    return exitCodeOf(outcome.error.code)
  }
  const { jobName = file, state, error, totals } = outcome
  if (error !== undefined) observer.line(errorText(error))
  if (json) {
    const { recordsIn, recordsOut, checkpoints, restarts } = totals
    const line = {
      job: jobName,
      ...(jobId === undefined ? {} : { jobId }),
      state,
      recordsIn,
      recordsOut,
      seconds: Number(seconds.toFixed(3)),
      checkpoints,
      restarts,
    }
    observer.clear()
    process.stdout.write(`${JSON.stringify(line)}\n`)
  } else {
    const late = totals.lateRecordsDropped > 0 ? `, ${counted(totals.lateRecordsDropped, 'late record')} dropped` : ''
    observer.line(
      `millrace: job ${jobName} ${state}: ${counted(totals.recordsIn, 'record')} in, ${grouped(totals.recordsOut)} out, ${counted(totals.checkpoints, 'checkpoint')}, ${counted(totals.restarts, 'restart')}, ${seconds.toFixed(1)} s${late}`,
    )
  }
  if (state !== 'FAILED') return exitCode.done
  return error === undefined ? exitCode.jobFailed : exitCodeOf(error.code)
}

function counted(count: number, what: string): string {
  return `${grouped(count)} ${what}${count === 1 ? '' : 's'}`
}
