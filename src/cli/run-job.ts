import { availableParallelism } from 'node:os'
import type { JobClient } from '../actors/job-client.ts'
import { type LocalCluster, startLocalCluster } from '../actors/local-cluster.ts'
import type { ErrorData } from '../common/errors.ts'
import { jobId } from '../common/ids.ts'
import { systemPorts } from '../common/system-ports.ts'
import type { Configuration } from '../config/configuration.ts'
import type { JobState, JobStatus } from '../coordinator/job-master/job-status.ts'
import { enumeratorsFor } from '../deploy/connectors.ts'
import { requiredSlots } from '../graph/execution-graph.ts'
import type { JobPlan } from '../graph/job-graph.ts'
import type { SlotMemory } from '../task/slot-protocol.ts'
import { WorkerSlotHost } from '../task/worker-slot-host.ts'
import { evaluateJob } from './evaluate-job.ts'
import { warningsOf } from './plan-warnings.ts'
import { processLogger } from './process-logger.ts'
import type { FinalState, FromWorkingProcess, RunIdentity, RunProgress, RunRequest } from './process-protocol.ts'
import { openRunStorage, type RunStorage } from './run-storage.ts'

/** A run that goes on in this process. */
export interface RunControl {
  stop(how: 'suspend' | 'drain'): void
  /** Resolves when the end has been reported and everything is closed. */
  readonly ended: Promise<void>
}

type Report = (message: FromWorkingProcess) => Promise<void>

/** Progress is reported this often, so that a person sees it move. */
const progressIntervalMs = 500

/**
 * Starts the job with all its actors and slots in this process.
 * @throws MillraceError for whatever keeps it from starting: the caller reports it
 */
export async function runJob(
  request: RunRequest,
  goesOn: RunIdentity | undefined,
  report: Report,
): Promise<RunControl> {
  const { plan } = await evaluateJob(request)
  const storage = await openRunStorage(request, plan, goesOn)
  const slots = numberOfSlots(request.configuration, plan)
  let client: JobClient | undefined
  const cluster = startLocalCluster({
    ports: systemPorts,
    slotHost: new WorkerSlotHost(),
    numberOfTaskSlots: slots,
    slotMemory: slotMemory(request.configuration, slots),
    enumeratorOf: await enumeratorsFor(plan),
    logger: await processLogger((text) => void report({ type: 'warning', text })),
    killProcess: (error) => void endProcess(error, client, report),
  })
  await report({
    type: 'started',
    identity: storage.identity,
    jobName: plan.jobName,
    restartStrategy: plan.configuration.restartStrategy,
    notes: [...storage.notes, ...warningsOf(plan)],
    prints: plan.vertices.some(({ operators }) => operators.some(({ sink }) => sink?.connector === 'print')),
  })
  client = await cluster.submit({
    jobId: jobId(storage.identity.jobId),
    plan,
    job: { bundleUrl: request.bundleUrl, arguments: request.arguments, configuration: request.configuration },
    checkpointStore: storage.checkpointStore,
    blobStore: storage.blobStore,
    restore: storage.restore,
    leftTransactions: storage.leftTransactions,
  })
  const submitted = client
  return {
    stop: (how) => stop(submitted, how, plan),
    ended: follow(submitted, report, { cluster, storage }),
  }
}

/** States in which only the ends of threads are waited for. */
const outcomes: Partial<Record<JobState, FinalState>> = { FAILING: 'FAILED', CANCELLING: 'CANCELED' }

/** R32: a thread that does not end. The supervisor is told what is known before the process goes: how the job ends, or why it is lost. */
async function endProcess(error: ErrorData, client: JobClient | undefined, report: Report): Promise<void> {
  const status = client?.status()
  const state = status === undefined ? undefined : outcomes[status.state]
  if (status === undefined || state === undefined) await report({ type: 'crashed', error })
  else await report({ type: 'ended', state, error: status.error, progress: progressOf(status) })
  process.kill(process.pid, 'SIGKILL')
}

/** Ctrl-C. Without checkpoints there is nothing to stop after. */
function stop(client: JobClient, how: 'suspend' | 'drain', plan: JobPlan): void {
  if (how === 'drain') client.drain()
  else if (plan.configuration.checkpointing === undefined) client.cancel()
  else client.suspend()
}

async function follow(
  client: JobClient,
  report: Report,
  { cluster, storage }: { readonly cluster: LocalCluster; readonly storage: RunStorage },
): Promise<void> {
  const { clock } = systemPorts
  let running = true
  const tick = (): void => {
    if (!running) return
    void report({ type: 'progress', progress: progressOf(client.status()) })
    clock.schedule(progressIntervalMs, tick)
  }
  tick()
  const result = await client.result
  running = false
  const closed = cluster.close()
  await printedAll(closed, process.stdout)
  if (result.state === 'SUSPENDED' && result.error === undefined && client.status().checkpoints.completed === 0) {
    await report({ type: 'warning', text: stoppedBeforeDeployment(storage) })
  }
  // Told before a thread that does not end may cost the process (R32): that is not to cost the result.
  await report({ type: 'ended', state: result.state, error: result.error, progress: progressOf(client.status()) })
  await closed
  await storage.close()
}

/** A thread that holds on longer than this has printed what it had to print. */
const lastLinesLimitMs = 2000

/** A job that was never deployed has processed nothing, so there is nothing to take a checkpoint of. */
function stoppedBeforeDeployment({ restore }: RunStorage): string {
  const next = restore === undefined ? 'begins anew' : `goes on from checkpoint ${restore.record.id}`
  return `the job was not deployed yet: no last checkpoint was taken, and the next run ${next}`
}

/**
 * What the slots have printed has left the process. A slot's lines wait in streams of its thread while the reader of
 * this process's output is slow; they are through when the slots are closed, however long the reader takes.
 */
async function printedAll(closed: Promise<void>, stream: NodeJS.WriteStream): Promise<void> {
  let open = true
  const end = closed.then(() => {
    open = false
  })
  do {
    const { promise: limit, resolve } = Promise.withResolvers<void>()
    const timer = systemPorts.clock.schedule(lastLinesLimitMs, resolve)
    await Promise.race([end, limit])
    timer.cancel()
  } while (open && stream.writableNeedDrain)
  await flushed(stream)
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}

function progressOf(status: JobStatus): RunProgress {
  const { metrics, checkpoints } = status
  const { last } = checkpoints
  return {
    state: status.state,
    recordsIn: metrics.recordsIn,
    recordsOut: metrics.recordsOut,
    lag: metrics.lag,
    watermark: metrics.watermark === Number.NEGATIVE_INFINITY ? undefined : metrics.watermark,
    checkpoints: checkpoints.completed,
    lastCheckpoint:
      last === undefined ? undefined : { id: last.id, durationMs: last.durationMs, bytes: last.writtenBytes },
    restarts: status.restarts,
    lateRecordsDropped: metrics.lateRecordsDropped,
  }
}

/** `taskmanager.numberOfTaskSlots`, else what the job needs, at least one for each core. */
function numberOfSlots(configuration: Configuration, plan: JobPlan): number {
  const configured = configuration['taskmanager.numberOfTaskSlots']
  return typeof configured === 'number' ? configured : Math.max(availableParallelism(), requiredSlots(plan))
}

const defaultManagedBytes = 2 ** 30
const defaultHeapLimitBytes = 2 ** 31

/** Managed memory is divided equally among the slots, as in Flink. */
function slotMemory(configuration: Configuration, slots: number): SlotMemory {
  const managed = configuration['taskmanager.memory.managed.size']
  const heap = configuration['taskmanager.memory.task.heap.size']
  return {
    managedBytes: Math.floor((typeof managed === 'number' ? managed : defaultManagedBytes) / slots),
    heapLimitBytes: typeof heap === 'number' ? heap : defaultHeapLimitBytes,
  }
}
