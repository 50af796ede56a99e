import { loadConfiguration } from '../config/load.ts'
import type { ClusterClient } from '../rest/client.ts'
import type { JobDetail } from '../rest/schemas/requests.ts'
import { type ClusterFlags, connectToCluster } from './cluster-connection.ts'
import { type ExitCode, exitCode } from './exit-codes.ts'
import { findJob, isEnded } from './find-job.ts'
import { grouped } from './terminal.ts'
import { durationText, textTable, timeText } from './text-table.ts'

export async function clusterOf(flags: ClusterFlags): Promise<ClusterClient> {
  return connectToCluster(flags.jobmanager, await loadConfiguration(process.cwd(), flags))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** `millrace list` */
export async function listCommand(flags: ClusterFlags & { readonly all?: boolean }): Promise<ExitCode> {
  const client = await clusterOf(flags)
  const jobs = (await client.jobs()).filter(({ state }) => flags.all === true || !isEnded(state))
  if (flags.json === true) {
    const lines = jobs.map((job) => ({
      jobId: job.jid,
      job: job.name,
      state: job.state,
      startedAt: job['start-time'],
      endedAt: job['end-time'] < 0 ? null : job['end-time'],
      durationMs: job.duration,
      tasks: job.tasks,
    }))
    print(JSON.stringify(lines))
  } else if (jobs.length === 0) {
    print(flags.all === true ? 'no jobs' : 'no running jobs')
  } else {
    const rows = jobs.map((job) => [
      job.jid,
      job.name,
      job.state,
      timeText(job['start-time']),
      durationText(job.duration),
      `${job.tasks.running}/${job.tasks.total}`,
    ])
    print(textTable(['JOB ID', 'NAME', 'STATE', 'STARTED', 'DURATION', 'RUNNING TASKS'], rows))
  }
  return exitCode.done
}

/** `millrace cancel` and `millrace stop`: returns when the cluster has taken it over. */
export async function endCommand(
  job: string,
  how: 'cancel' | 'suspend' | 'drain',
  flags: ClusterFlags,
): Promise<ExitCode> {
  const client = await clusterOf(flags)
  const id = await findJob(client, job)
  const { jobName, ended, state } = await client.detail(id)
  if (!ended) await (how === 'cancel' ? client.cancel(id) : client.stop(id, how))
  if (flags.json === true) print(JSON.stringify({ jobId: id, job: jobName, asked: ended ? null : how }))
  else if (ended) print(`job ${jobName} (${id}) has ended already: ${state}`)
  else
    print(
      `job ${jobName} (${id}) ${{ cancel: 'is being cancelled', suspend: 'stops after a last checkpoint', drain: 'is being drained' }[how]}`,
    )
  return exitCode.done
}

/** `millrace info` */
export async function infoCommand(job: string, flags: ClusterFlags): Promise<ExitCode> {
  const client = await clusterOf(flags)
  const detail = await client.detail(await findJob(client, job))
  print(flags.json === true ? JSON.stringify(detail) : infoText(detail))
  return exitCode.done
}

function infoText(job: JobDetail): string {
  const { metrics } = job
  const lag = metrics.lag === null ? '' : `, lag ${grouped(metrics.lag)}`
  const rows = job.vertices.map((vertex) => [
    vertex.name,
    String(vertex.parallelism),
    Object.entries(vertex.subtasks)
      .map(([state, count]) => `${count} ${state}`)
      .join(', '),
    grouped(vertex.recordsIn),
    grouped(vertex.recordsOut),
    `${vertex.backpressured}`,
  ])
  return [
    `job ${job.jobName} (${job.jobId})`,
    `state        ${job.state}, ${job.restarts} restarts`,
    `started      ${timeText(job.startedAt)}, ${durationText((job.endedAt ?? job.now) - job.startedAt)} ago`.replace(
      / ago$/,
      job.endedAt === null ? ' ago' : ' in all',
    ),
    `records      ${grouped(metrics.recordsIn)} in, ${grouped(metrics.recordsOut)} out${lag}, ${grouped(metrics.lateRecordsDropped)} late dropped, ${grouped(metrics.deadLetters)} dead letters`,
    `checkpoints  ${checkpointsText(job)}`,
    ...(job.taskManagers.length === 0 ? [] : [`on           ${job.taskManagers.join(', ')}`]),
    ...failureLines(job),
    '',
    textTable(['VERTEX', 'PARALLELISM', 'SUBTASKS', 'IN', 'OUT', 'BACKPRESSURED'], rows),
  ].join('\n')
}

function checkpointsText({ checkpoints }: JobDetail): string {
  if (!checkpoints.enabled) return 'none: the job takes no checkpoints'
  const { last } = checkpoints
  const newest =
    last === null
      ? ''
      : `, the last ${last.id} at ${timeText(last.triggeredAt)} in ${Math.round(last.durationMs)} ms, ${grouped(last.writtenBytes)} bytes`
  return `${grouped(checkpoints.completed)} completed, ${grouped(checkpoints.failed)} failed${newest}`
}

function failureLines({ error, lastFailure, checkpoints }: JobDetail): readonly string[] {
  const lines: string[] = []
  if (error !== null) lines.push(`error        ${error.code}: ${error.message}`)
  if (lastFailure !== null && lastFailure.message !== error?.message)
    lines.push(`last failure ${lastFailure.code}: ${lastFailure.message}`)
  if (checkpoints.lastFailure !== null)
    lines.push(`last failed checkpoint: ${checkpoints.lastFailure.code}: ${checkpoints.lastFailure.message}`)
  return lines
}
