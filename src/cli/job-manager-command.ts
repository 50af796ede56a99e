import { type ConfigurationFlags, loadConfiguration } from '../config/load.ts'
import { startJobManager } from '../deploy/job-manager-process.ts'
import { engineVersion } from './engine-version.ts'
import { type ExitCode, exitCode } from './exit-codes.ts'
import { logLevel } from './log-level.ts'
import { jsonLines } from './process-logger.ts'

/** `millrace jobmanager`: leads or stands by until it is told to end; then it hands over. */
export async function jobManagerCommand(flags: ConfigurationFlags): Promise<ExitCode> {
  const configuration = await loadConfiguration(process.cwd(), flags)
  const tell = (text: string): void => void process.stderr.write(`millrace: ${text}\n`)
  const jobManager = await startJobManager({
    configuration,
    version: engineVersion,
    logger: await jsonLines(logLevel() ?? 'info'),
    onRole: (role, reason) => tell(role === 'leading' ? `the JobManager leads (${reason})` : `standby: ${reason}`),
  })
  tell(`JobManager at ${jobManager.url}, cluster ${String(configuration['high-availability.cluster-id'] ?? 'default')}`)
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
  })
  await jobManager.stop()
  return exitCode.done
}
