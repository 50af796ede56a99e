import { availableParallelism } from 'node:os'
import { MillraceError } from '../common/errors.ts'
import { systemClock, systemRandom } from '../common/system-ports.ts'
import { type ConfigurationFlags, loadConfiguration } from '../config/load.ts'
import { bundleJob } from './bundle-job.ts'
import type { ExitCode } from './exit-codes.ts'
import { logLevel } from './log-level.ts'
import type { RunRequest } from './process-protocol.ts'
import { reportOutcome } from './run-report.ts'
import { onStopSignal } from './stop-signal.ts'
import { Supervisor } from './supervisor.ts'
import { TerminalObserver } from './terminal.ts'

export interface RunFlags extends ConfigurationFlags {
  readonly from?: string
  readonly acceptDuplicates?: boolean
  readonly drain?: boolean
  readonly json?: boolean
  /** `-m`: on the cluster of these JobManagers. */
  readonly jobmanager?: string
  readonly detached?: boolean
}

/** `millrace run`: bundles the job and supervises its working process until it ends. */
export async function runCommand(file: string, jobArguments: readonly string[], flags: RunFlags): Promise<ExitCode> {
  checkFlags(flags)
  if (flags.jobmanager !== undefined) {
    const { clusterRunCommand } = await import('./cluster-run-command.ts')
    return clusterRunCommand(file, jobArguments, { ...flags, jobmanager: flags.jobmanager })
  }
  const startedMs = systemClock.monotonicMs()
  const observer = new TerminalObserver(process.stderr, () => systemClock.monotonicMs(), process.stdout.isTTY)
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
    return reportOutcome(outcome, {
      file,
      json: flags.json === true,
      observer,
      seconds: (systemClock.monotonicMs() - startedMs) / 1000,
    })
  } finally {
    release()
    bundle.remove()
  }
}

function checkFlags(flags: RunFlags): void {
  logLevel() // refused here rather than in the working process
  if (flags.detached === true && flags.jobmanager === undefined) {
    throw new MillraceError('MR_CONFIGURATION', '-d goes with -m host:port: it leaves a job to a cluster')
  }
  if (flags.acceptDuplicates === true && flags.from === undefined) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      '--accept-duplicates goes with --from: it allows starting from an older checkpoint than the newest',
    )
  }
}

/** The job's graph is not known here yet: enough threads for what is configured, or for the cores. */
function expectedSlots(configuration: RunRequest['configuration']): number {
  const slots = configuration['taskmanager.numberOfTaskSlots'] ?? configuration['parallelism.default']
  return Math.max(availableParallelism(), typeof slots === 'number' ? slots : 0, 4)
}
