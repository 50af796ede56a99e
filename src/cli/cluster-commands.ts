import type { Command, Option } from 'commander'
import type { ConfigurationFlags } from '../config/load.ts'
import type { ClusterStartFlags } from './cluster-command.ts'
import type { ClusterFlags } from './cluster-connection.ts'
import type { ExitCode } from './exit-codes.ts'
import type { LogsFlags } from './logs-command.ts'

const jobArgument = 'id of the job, the beginning of it, or its name'

/** The commands that ask a cluster. What they need is loaded when one of them runs. */
export function addClusterCommands(millrace: Command, defineOption: () => Option): void {
  const command = (name: string, description: string): Command =>
    millrace
      .command(name)
      .description(description)
      .option('-m, --jobmanager <host:port,…>', 'REST servers of JobManagers (default: rest.address and rest.port)')
      .addOption(defineOption())
      .option('--json', 'print JSON')
  command('list', 'list the running jobs of a cluster')
    .option('-a, --all', 'also those that have ended')
    .action(async (flags: ClusterFlags & { readonly all?: boolean }) => {
      const { listCommand } = await import('./job-commands.ts')
      end(await listCommand(flags))
    })
  command('info', 'show a job of a cluster')
    .argument('<job>', jobArgument)
    .action(async (job: string, flags: ClusterFlags) => {
      const { infoCommand } = await import('./job-commands.ts')
      end(await infoCommand(job, flags))
    })
  command('cancel', 'end a job of a cluster without a last checkpoint')
    .argument('<job>', jobArgument)
    .action(async (job: string, flags: ClusterFlags) => {
      const { endCommand } = await import('./job-commands.ts')
      end(await endCommand(job, 'cancel', flags))
    })
  command('stop', 'stop a job of a cluster after a last checkpoint')
    .argument('<job>', jobArgument)
    .option('--drain', 'end the sources and let all windows fire instead')
    .action(async (job: string, flags: ClusterFlags & { readonly drain?: boolean }) => {
      const { endCommand } = await import('./job-commands.ts')
      end(await endCommand(job, flags.drain === true ? 'drain' : 'suspend', flags))
    })
  command('logs', 'print what a TaskManager has logged, or the TaskManagers of a job about it')
    .argument('<taskmanager|job>', `id of a TaskManager, or ${jobArgument}`)
    .option('-f, --follow', 'go on printing what is logged from now on')
    .action(async (target: string, flags: LogsFlags) => {
      const { logsCommand } = await import('./logs-command.ts')
      end(await logsCommand(target, flags))
    })
}

/** The cluster of background processes on this machine. */
export function addClusterCommand(millrace: Command, defineOption: () => Option): void {
  const cluster = millrace.command('cluster').description('a cluster of background processes on this machine')
  cluster
    .command('start')
    .description('start JobManagers and TaskManagers in the background; their logs are in .millrace/cluster')
    .option('--jobmanagers <n>', 'one leads, the others stand by; the first is at rest.port', '1')
    .option('--taskmanagers <n>', 'their slots run the tasks of jobs', '1')
    .option(
      '--slots <n>',
      'slots of each TaskManager (default: taskmanager.numberOfTaskSlots, else the number of cores)',
    )
    .addOption(defineOption())
    .action(async (flags: ClusterStartFlags) => {
      const { clusterStart } = await import('./cluster-command.ts')
      end(await clusterStart(flags))
    })
  cluster
    .command('status')
    .description('show the processes that were started in this folder')
    .addOption(defineOption())
    .option('--json', 'print JSON')
    .action(async (flags: ConfigurationFlags & { readonly json?: boolean }) => {
      const { clusterStatus } = await import('./cluster-command.ts')
      end(await clusterStatus(flags))
    })
  cluster
    .command('stop')
    .description('stop them; jobs that run go on when the cluster is started again')
    .action(async () => {
      const { clusterStop } = await import('./cluster-command.ts')
      end(await clusterStop())
    })
}

function end(code: ExitCode): void {
  process.exitCode = code
}
