import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../common/system-ports.ts'
import type { Configuration } from '../config/configuration.ts'
import { loadConfiguration } from '../config/load.ts'
import type { JobPlan } from '../graph/job-graph.ts'
import type { Submission } from '../rest/client.ts'
import { bundleJob } from './bundle-job.ts'
import { connectToCluster } from './cluster-connection.ts'
import { evaluateJob } from './evaluate-job.ts'
import { type ExitCode, exitCode } from './exit-codes.ts'
import { FollowedJob } from './followed-job.ts'
import { warningsOf } from './plan-warnings.ts'
import type { RunFlags } from './run-command.ts'
import { reportOutcome } from './run-report.ts'
import { onStopSignal } from './stop-signal.ts'
import { TerminalObserver } from './terminal.ts'

/** As Flink: a cluster is shared, so a job takes no more of it than it asks for. */
const defaultParallelism = 1

/** `millrace run -m`: the job is bundled and evaluated here and runs on the cluster. */
export async function clusterRunCommand(
  file: string,
  jobArguments: readonly string[],
  flags: RunFlags & { readonly jobmanager: string },
): Promise<ExitCode> {
  const startedMs = systemClock.monotonicMs()
  const observer = new TerminalObserver(process.stderr, () => systemClock.monotonicMs(), process.stdout.isTTY)
  const configuration = await loadConfiguration(process.cwd(), flags, defaultParallelism)
  const client = await connectToCluster(flags.jobmanager, configuration)
  await client.overview() // a wrong address or token is told before the job is built
  const submission = await submissionOf(file, jobArguments, { configuration: ofJob(configuration), flags })
  const { plan } = submission
  const notes = [...warningsOf(plan), ...printNotes(plan)]
  const jobId = await client.submit(submission)
  if (flags.detached === true) {
    for (const note of notes) observer.line(`millrace: ${note}`)
    process.stdout.write(`${flags.json === true ? JSON.stringify({ job: plan.jobName, jobId }) : jobId}\n`)
    return exitCode.done
  }
  observer.started(plan.jobName, { notes: [`its id on the cluster is ${jobId}`, ...notes], prints: false })
  const followed = new FollowedJob({ client, jobId, plan, drain: flags.drain === true, observer, clock: systemClock })
  const release = onStopSignal(() => followed.stop())
  try {
    const outcome = await followed.ended()
    if (outcome === undefined) return exitCode.done
    const seconds = (systemClock.monotonicMs() - startedMs) / 1000
    return reportOutcome(outcome, { file, json: flags.json === true, jobId, observer, seconds })
  } finally {
    release()
  }
}

async function submissionOf(
  file: string,
  jobArguments: readonly string[],
  { configuration, flags }: { readonly configuration: Configuration; readonly flags: RunFlags },
): Promise<Submission> {
  const bundle = await bundleJob(file, process.cwd())
  try {
    const { plan } = await evaluateJob({ jobFile: file, bundleUrl: bundle.url, arguments: jobArguments, configuration })
    const { from, acceptDuplicates } = flags
    return {
      bundle: readFileSync(fileURLToPath(bundle.url)),
      plan,
      arguments: jobArguments,
      configuration,
      ...(from === undefined ? {} : { restore: { from, acceptDuplicates: acceptDuplicates === true } }),
    }
  } finally {
    bundle.remove()
  }
}

/** What is the client's or the cluster's own, secrets among it, does not travel with a job. */
const notOfJobs = /^(?:security|rest|client|high-availability|heartbeat|slot|taskmanager|state\.backend\.redis)\./

function ofJob(configuration: Configuration): Configuration {
  return Object.fromEntries(Object.entries(configuration).filter(([key]) => !notOfJobs.test(key)))
}

function printNotes({ vertices }: JobPlan): readonly string[] {
  const prints = vertices.some(({ operators }) => operators.some(({ sink }) => sink?.connector === 'print'))
  return prints ? ['what the job prints goes to the output of its TaskManagers: millrace logs'] : []
}
