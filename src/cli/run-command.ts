import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { MillraceError } from '../common/errors.ts'
import { systemClock, systemRandom } from '../common/system-ports.ts'
import { loadConfiguration } from '../config/load.ts'
import { bundleJob } from './bundle-job.ts'
import { errorText } from './error-text.ts'
import { type ExitCode, exitCode, exitCodeOf } from './exit-codes.ts'
import type { RunRequest } from './process-protocol.ts'
import { type RunOutcome, Supervisor } from './supervisor.ts'
import { grouped, TerminalObserver } from './terminal.ts'

export interface RunFlags {
  readonly parallelism?: string
  readonly from?: string
  readonly acceptDuplicates?: boolean
  readonly drain?: boolean
  readonly define: readonly string[]
  readonly json?: boolean
}

/** `millrace run`: bundles the job and supervises its working process until it ends. */
export async function runCommand(file: string, jobArguments: readonly string[], flags: RunFlags): Promise<ExitCode> {
  const startedMs = systemClock.monotonicMs()
  const observer = new TerminalObserver(process.stderr, () => systemClock.monotonicMs())
  const request = await runRequest(file, jobArguments, flags)
  const supervisor = new Supervisor({
    request,
    drain: flags.drain === true,
    threadPoolSize: 4 + 4 * expectedSlots(request),
    clock: systemClock,
    random: systemRandom,
    observer,
  })
  const stop = () => supervisor.stop()
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    const outcome = await supervisor.run()
    return report(outcome, { flags, observer, seconds: (systemClock.monotonicMs() - startedMs) / 1000 })
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

async function runRequest(file: string, jobArguments: readonly string[], flags: RunFlags): Promise<RunRequest> {
  const definitions =
    flags.parallelism === undefined ? flags.define : [...flags.define, `parallelism.default=${flags.parallelism}`]
  const configuration = loadConfiguration(process.cwd(), definitions)
  if (flags.acceptDuplicates === true && flags.from === undefined) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      '--accept-duplicates goes with --from: it allows starting from an older checkpoint than the newest',
    )
  }
  const bundle = await bundleJob(file, join(process.cwd(), '.millrace', 'bundles'))
  return {
    jobFile: file,
    bundleUrl: bundle.url,
    arguments: jobArguments,
    configuration,
    from: flags.from,
    acceptDuplicates: flags.acceptDuplicates === true,
  }
}

/** The job's graph is not known here yet: enough threads for what is configured, or for the cores. */
function expectedSlots({ configuration }: RunRequest): number {
  const slots = configuration['taskmanager.numberOfTaskSlots'] ?? configuration['parallelism.default']
  return Math.max(availableParallelism(), typeof slots === 'number' ? slots : 0, 4)
}

interface Reporting {
  readonly flags: RunFlags
  readonly observer: TerminalObserver
  readonly seconds: number
}

function report(outcome: RunOutcome, { flags, observer, seconds }: Reporting): ExitCode {
  if (outcome.type === 'refused') {
    observer.line(errorText(outcome.error))
    return exitCodeOf(outcome.error.code)
  }
  const { jobName, state, error, totals } = outcome
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
    process.stdout.write(`${JSON.stringify(line)}\n`)
  } else {
    const late = totals.lateRecordsDropped > 0 ? `, ${grouped(totals.lateRecordsDropped)} late records dropped` : ''
    observer.line(
      `millrace: job ${jobName} ${state}: ${grouped(totals.recordsIn)} records in, ${grouped(totals.recordsOut)} out, ${totals.checkpoints} checkpoints, ${totals.restarts} restarts, ${seconds.toFixed(1)} s${late}`,
    )
  }
  if (state !== 'FAILED') return exitCode.done
  return error === undefined ? exitCode.jobFailed : exitCodeOf(error.code)
}
