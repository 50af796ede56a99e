import { availableParallelism } from 'node:os'
import { MillraceError } from '../common/errors.ts'
import { systemClock, systemRandom } from '../common/system-ports.ts'
import { type ConfigurationFlags, loadConfiguration } from '../config/load.ts'
import { bundleJob } from './bundle-job.ts'
import { errorText } from './error-text.ts'
import { type ExitCode, exitCode, exitCodeOf } from './exit-codes.ts'
import { logLevel } from './log-level.ts'
import type { RunRequest } from './process-protocol.ts'
import { type RunOutcome, Supervisor } from './supervisor.ts'
import { grouped, TerminalObserver } from './terminal.ts'

export interface RunFlags extends ConfigurationFlags {
  readonly from?: string
  readonly acceptDuplicates?: boolean
  readonly drain?: boolean
  readonly json?: boolean
}

/** `millrace run`: bundles the job and supervises its working process until it ends. */
export async function runCommand(file: string, jobArguments: readonly string[], flags: RunFlags): Promise<ExitCode> {
  const startedMs = systemClock.monotonicMs()
  const observer = new TerminalObserver(process.stderr, () => systemClock.monotonicMs(), process.stdout.isTTY)
  checkFlags(flags)
  const configuration = await loadConfiguration(process.cwd(), flags)
  const bundle = await bundleJob(file, process.cwd())
  const supervisor = new Supervisor({
    request: {
      jobFile: file,
      bundleUrl: bundle.url,
      arguments: jobArguments,
      configuration,
      from: flags.from,
      acceptDuplicates: flags.acceptDuplicates === true,
    },
    drain: flags.drain === true,
    threadPoolSize: 4 + 4 * expectedSlots(configuration),
    clock: systemClock,
    random: systemRandom,
    observer,
  })
  const release = onStopSignal(() => supervisor.stop())
  try {
    const outcome = await supervisor.run()
    return report(outcome, { file, flags, observer, seconds: (systemClock.monotonicMs() - startedMs) / 1000 })
  } finally {
    release()
    bundle.remove()
  }
}

function checkFlags(flags: RunFlags): void {
  logLevel() // refused here rather than in the working process
  if (flags.acceptDuplicates === true && flags.from === undefined) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      '--accept-duplicates goes with --from: it allows starting from an older checkpoint than the newest',
    )
  }
}

/** Signals closer than this are one: npx passes Ctrl-C on to a process that the terminal has told already. */
const oneKeyPressMs = 250

/** Ctrl-C, a stop from outside, the end of the terminal. Gives back what ends it. */
function onStopSignal(stop: () => void): () => void {
  let lastMs = Number.NEGATIVE_INFINITY
  const listener = (): void => {
    const now = systemClock.monotonicMs()
    if (now - lastMs > oneKeyPressMs) stop()
    lastMs = now
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}

/** The job's graph is not known here yet: enough threads for what is configured, or for the cores. */
function expectedSlots(configuration: RunRequest['configuration']): number {
  const slots = configuration['taskmanager.numberOfTaskSlots'] ?? configuration['parallelism.default']
  return Math.max(availableParallelism(), typeof slots === 'number' ? slots : 0, 4)
}

interface Reporting {
  readonly file: string
  readonly flags: RunFlags
  readonly observer: TerminalObserver
  readonly seconds: number
}

function report(outcome: RunOutcome, { file, flags, observer, seconds }: Reporting): ExitCode {
  if (outcome.type === 'refused') {
    observer.line(errorText(outcome.error))
    return exitCodeOf(outcome.error.code)
  }
  const { jobName = file, state, error, totals } = outcome
  if (error !== undefined) observer.line(errorText(error))
  if (flags.json === true) {
    const { recordsIn, recordsOut, checkpoints, restarts } = totals
    const line = {
      job: jobName,
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
