import { Command, CommanderError, Option } from 'commander'
import { errorData } from '../common/errors.ts'
import type { ConfigurationFlags } from '../config/load.ts'
import { addClusterCommand, addClusterCommands } from './cluster-commands.ts'
import { engineVersion } from './engine-version.ts'
import { errorText } from './error-text.ts'
import { exitCode, exitCodeOf } from './exit-codes.ts'
import { type PlanFlags, planCommand } from './plan-command.ts'
import { type RunFlags, runCommand } from './run-command.ts'

/** The command line. Sets the exit code: 0 done, 1 the job failed, 2 usage, 3 environment. */
export async function main(argv: readonly string[]): Promise<void> {
  process.setSourceMapsEnabled(true)
  // Whoever read what is printed may be gone.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  try {
    await program().parseAsync(argv)
  } catch (error) {
    process.exitCode = failureOf(error)
  }
}

function program(): Command {
  const millrace = new Command('millrace')
    .description('Stateful stream processing for TypeScript')
    .version(engineVersion, '-v, --version')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'millrace: ')) })
    .showHelpAfterError('(millrace --help shows the commands, millrace <command> --help its flags)')
  millrace
    .command('run')
    .description('run a job until it ends: in this process, or on a cluster with -m')
    .argument('<job file>', 'the job: a .ts, .mts, .js or .mjs file whose default export is job(…)')
    .argument('[args...]', 'arguments of the job, after --')
    .option('-p, --parallelism <n>', 'parallelism of operators that set none (default: the number of cores)')
    .option('--from <checkpoint>', 'start from a checkpoint: latest, chk-<n>, or a path')
    .option(
      '--accept-duplicates',
      'with --from: allow an older checkpoint than the newest, whose output is published already',
    )
    .option('--drain', 'Ctrl-C ends the sources and lets all windows fire, instead of stopping after a last checkpoint')
    .addOption(defineOption())
    .option('-m, --jobmanager <host:port,…>', 'run on the cluster of these JobManagers')
    .option('-d, --detached', 'with -m: print the id of the job and leave it to the cluster')
    .option('--json', 'print one final line of JSON')
    .action(async (file: string, jobArguments: string[], flags: RunFlags) => {
      process.exitCode = await runCommand(file, jobArguments, flags)
    })
  millrace
    .command('plan')
    .description('print the graph of a job: chains, parallelism, uids')
    .argument('<job file>', 'the job file')
    .argument('[args...]', 'arguments of the job, after --')
    .option('-p, --parallelism <n>', 'parallelism of operators that set none')
    .addOption(defineOption())
    .option('--json', 'print the plan as JSON')
    .action(async (file: string, jobArguments: string[], flags: PlanFlags) => {
      process.exitCode = await planCommand(file, jobArguments, flags)
    })
  millrace
    .command('jobmanager')
    .description('a JobManager of a cluster: leads it, or stands by')
    .addOption(defineOption())
    .action(async (flags: ConfigurationFlags) => {
      const { jobManagerCommand } = await import('./job-manager-command.ts') // most commands need no server
      process.exit(await jobManagerCommand(flags))
    })
  millrace
    .command('taskmanager')
    .description('a TaskManager of a cluster: its slots run the tasks of jobs')
    .addOption(defineOption())
    .action(async (flags: ConfigurationFlags) => {
      const { taskManagerCommand } = await import('./task-manager-command.ts')
      process.exit(await taskManagerCommand(flags))
    })
  addClusterCommand(millrace, defineOption)
  addClusterCommands(millrace, defineOption)
  return millrace
}

function defineOption(): Option {
  return new Option('-D, --define <key=value>', 'set a configuration key (docs/configuration.md); may be repeated')
    .default([], 'none')
    .argParser((value: string, earlier: readonly string[]) => [...earlier, value])
}

function failureOf(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed its message, or the help or version that was asked for.
    return error.exitCode === 0 ? exitCode.done : exitCode.usage
  }
  const data = errorData(error)
  process.stderr.write(`${errorText(data)}\n`)
  return exitCodeOf(data.code)
}
