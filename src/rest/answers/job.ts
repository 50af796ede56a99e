import type { ErrorData } from '../../common/errors.ts'
import { withoutSecrets } from '../../common/without-secrets.ts'
import type { VertexStatus } from '../../coordinator/job-master/vertex-status.ts'
import type { PlanEdge, PlanVertex } from '../../graph/job-graph.ts'
import { type ClusterJob, hasEnded } from '../cluster-gateway.ts'
import type { JobDetails, JobExceptions, JobsOverview } from '../schemas/job.ts'
import type { ErrorInfo, JobDetail } from '../schemas/requests.ts'
import { aggregateState, countsOf, flinkState, flinkTimes } from './states.ts'

/** Times as Flink gives them: −1 for what has not come, and a duration up to now. */
function times({ startedAt, endedAt }: ClusterJob, now: number) {
  return { 'start-time': startedAt, 'end-time': endedAt ?? -1, duration: (endedAt ?? now) - startedAt }
}

export function jobsOverviewAnswer(jobs: readonly ClusterJob[], now: number): JobsOverview {
  return { jobs: jobs.map((job) => overviewOf(job, now)) }
}

function overviewOf(job: ClusterJob, now: number): JobsOverview['jobs'][number] {
  const { status, plan, stateTimes } = job
  const counts = countsOf(status.vertices.map(({ subtasks }) => subtasks))
  return {
    jid: status.jobId,
    name: plan.jobName,
    state: flinkState(status.state),
    ...times(job, now),
    'last-modification': Math.max(...Object.values(stateTimes)),
    tasks: {
      total: Object.values(counts).reduce((total, count) => total + count, 0),
      created: counts.CREATED,
      scheduled: counts.SCHEDULED,
      deploying: counts.DEPLOYING,
      initializing: counts.INITIALIZING,
      running: counts.RUNNING,
      finished: counts.FINISHED,
      canceling: counts.CANCELING,
      canceled: counts.CANCELED,
      failed: counts.FAILED,
      reconciling: counts.RECONCILING,
    },
    'pending-operators': 0,
  }
}

export function jobDetailsAnswer(job: ClusterJob, now: number): JobDetails {
  const { status, plan, stateTimes } = job
  const statuses = new Map(status.vertices.map((vertex) => [vertex.vertexId, vertex]))
  const vertices = plan.vertices.map((vertex) => vertexOf(job, vertex, { status: statuses.get(vertex.id), now }))
  return {
    jid: status.jobId,
    name: plan.jobName,
    isStoppable: plan.configuration.checkpointing !== undefined && !hasEnded(status),
    state: flinkState(status.state),
    'job-type': 'STREAMING',
    ...times(job, now),
    maxParallelism: plan.configuration.maxParallelism,
    now,
    timestamps: flinkTimes(stateTimes),
    vertices,
    'status-counts': countsOf(vertices.map((vertex) => ({ [vertex.status]: 1 }))),
    plan: jobPlanAnswer(job).plan,
    'pending-operators': 0,
  }
}

function vertexOf(
  job: ClusterJob,
  { id, name, parallelism, maxParallelism, slotSharingGroup }: PlanVertex,
  { status, now }: { readonly status: VertexStatus | undefined; readonly now: number },
): JobDetails['vertices'][number] {
  const subtasks = status?.subtasks ?? {}
  return {
    id,
    slotSharingGroupId: hexadecimalOf(slotSharingGroup),
    name,
    maxParallelism,
    parallelism,
    status: aggregateState(subtasks),
    ...times(job, now),
    tasks: countsOf([subtasks]),
    metrics: {
      'read-bytes': 0,
      'read-bytes-complete': false,
      'write-bytes': 0,
      'write-bytes-complete': false,
      'read-records': status?.recordsIn ?? 0,
      'read-records-complete': true,
      'write-records': status?.recordsOut ?? 0,
      'write-records-complete': true,
      'accumulated-backpressured-time': 0,
      'accumulated-idle-time': 0,
      'accumulated-busy-time': 0,
    },
  }
}

/** Flink names slot sharing groups by 32 hexadecimal digits; the same name gives the same ones. */
function hexadecimalOf(name: string): string {
  return Buffer.from(name).toString('hex').padEnd(32, '0').slice(0, 32)
}

const shipStrategies: Readonly<Record<string, string>> = { hash: 'HASH', forward: 'FORWARD', rebalance: 'REBALANCE' }

export function jobPlanAnswer({ status, plan }: ClusterJob): { plan: JobDetails['plan'] } {
  const inputsOf = (vertex: PlanVertex) => plan.edges.filter((edge) => edge.toVertex === vertex.id)
  return {
    plan: {
      jid: status.jobId,
      name: plan.jobName,
      type: 'STREAMING',
      nodes: plan.vertices.map((vertex) => ({
        id: vertex.id,
        parallelism: vertex.parallelism,
        operator: '',
        operator_strategy: '',
        description: vertex.name,
        ...(vertex.source === undefined ? { inputs: inputsOf(vertex).map(planInput) } : {}),
        optimizer_properties: {},
      })),
    },
  }
}

function planInput({ fromVertex, partitioner }: PlanEdge, num: number) {
  const strategy = shipStrategies[partitioner] ?? partitioner.toUpperCase()
  return { num, id: fromVertex, ship_strategy: strategy, exchange: 'pipelined_bounded' }
}

export function jobConfigurationAnswer({ status, plan: { jobName, configuration } }: ClusterJob) {
  const settings = Object.entries(withoutSecrets(configuration) as object)
  return {
    jid: status.jobId,
    name: jobName,
    'execution-config': {
      'restart-strategy': configuration.restartStrategy.type,
      'job-parallelism': configuration.parallelism,
      'object-reuse-mode': false,
      'user-config': Object.fromEntries(settings.map(([name, value]) => [name, JSON.stringify(value) ?? ''])),
    },
  }
}

export function jobExceptionsAnswer({ failures }: ClusterJob, most: number): JobExceptions {
  return {
    exceptionHistory: {
      entries: failures.slice(0, most).map(({ error, at }) => ({
        exceptionName: error.code,
        stacktrace: [`${error.code}: ${error.message}`, ...(error.stack === undefined ? [] : [error.stack])].join('\n'),
        timestamp: at,
        failureLabels: {},
        taskName: error.operator ?? null,
        endpoint: null,
        taskManagerId: null,
        concurrentExceptions: [],
      })),
      truncated: failures.length > most,
    },
  }
}

/** JSON has no NaN and no infinities: null stands for what is not known. */
export function jobDetailAnswer({ status, plan, startedAt, endedAt }: ClusterJob, now: number): JobDetail {
  const { metrics, checkpoints } = status
  const names = new Map(plan.vertices.map((vertex) => [vertex.id, vertex]))
  return {
    jobId: status.jobId,
    jobName: plan.jobName,
    state: status.state,
    ended: hasEnded(status),
    startedAt,
    endedAt: endedAt ?? null,
    now,
    metrics: { ...metrics, lag: finite(metrics.lag), watermark: finite(metrics.watermark) },
    checkpoints: {
      enabled: plan.configuration.checkpointing !== undefined,
      completed: checkpoints.completed,
      failed: checkpoints.failed,
      inProgress: checkpoints.inProgress,
      last: checkpoints.last ?? null,
      lastFailure: errorInfoOf(checkpoints.lastFailure),
    },
    restarts: status.restarts,
    lastFailure: errorInfoOf(status.lastFailure),
    error: errorInfoOf(status.error),
    vertices: status.vertices.map(({ vertexId, ...vertex }) => ({
      id: vertexId,
      name: names.get(vertexId)?.name ?? '',
      parallelism: names.get(vertexId)?.parallelism ?? 0,
      ...vertex,
    })),
    taskManagers: status.taskManagers.map((address) => address.replace(/^task-manager\//, '')),
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function errorInfoOf(error: ErrorData | undefined): ErrorInfo | null {
  return error === undefined ? null : { ...error }
}
