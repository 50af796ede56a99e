import { type ErrorData, MillraceError } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { JobStatus } from '../coordinator/job-master/job-status.ts'
import type { JobPlan } from '../graph/job-graph.ts'
import { type ClusterJob, hasEnded, type ObservedCheckpoint, type ObservedFailure } from './cluster-gateway.ts'

const mostCheckpoints = 50
const mostFailures = 32
/** Ended jobs beyond these are forgotten, the oldest first. */
const mostEndedJobs = 200

/** The jobs of a cluster as the statuses that their JobMasters publish show them. */
export class ObservedJobs {
  readonly #now: () => number
  readonly #jobs = new Map<JobId, ClusterJob>()

  /** @param now epoch milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** @param startedAt when the job was submitted, epoch milliseconds; left out: now */
  add(plan: JobPlan, status: JobStatus, startedAt = this.#now()): void {
    const fresh = { plan, status, startedAt, endedAt: undefined, stateTimes: {}, checkpoints: [], failures: [] }
    this.#jobs.set(status.jobId, withState(fresh, status, this.#now()))
    const ended = [...this.#jobs.values()].filter((job) => hasEnded(job.status))
    for (const old of ended.slice(0, -mostEndedJobs)) this.#jobs.delete(old.status.jobId)
  }

  changed(status: JobStatus): void {
    const job = this.#jobs.get(status.jobId)
    if (job !== undefined) this.#jobs.set(status.jobId, observed(job, status, this.#now()))
  }

  remove(jobId: JobId): void {
    this.#jobs.delete(jobId)
  }

  all(): readonly ClusterJob[] {
    return [...this.#jobs.values()]
  }

  /** @throws MillraceError MR_JOB_NOT_FOUND */
  get(jobId: JobId): ClusterJob {
    const job = this.#jobs.get(jobId)
    if (job !== undefined) return job
    throw new MillraceError('MR_JOB_NOT_FOUND', `there is no job ${jobId}`)
  }
}

function observed(job: ClusterJob, status: JobStatus, now: number): ClusterJob {
  const failures = newFailures(job.status, status).map((error): ObservedFailure => ({ error, at: now }))
  return {
    ...withState(job, status, now),
    checkpoints: withCheckpoint(job, status),
    failures: [...failures, ...job.failures].slice(0, mostFailures),
  }
}

function withState(job: ClusterJob, status: JobStatus, now: number): ClusterJob {
  const isNew = job.stateTimes[status.state] === undefined || job.status.state !== status.state
  return {
    ...job,
    status,
    stateTimes: isNew ? { ...job.stateTimes, [status.state]: now } : job.stateTimes,
    endedAt: job.endedAt ?? (hasEnded(status) ? now : undefined),
  }
}

function withCheckpoint({ checkpoints, plan }: ClusterJob, status: JobStatus): readonly ObservedCheckpoint[] {
  const { last } = status.checkpoints
  if (last === undefined || last.id === checkpoints[0]?.id) return checkpoints
  const subtasks = plan.vertices.reduce((total, { parallelism }) => total + parallelism, 0)
  return [{ ...last, subtasks }, ...checkpoints].slice(0, mostCheckpoints)
}

function newFailures(before: JobStatus, now: JobStatus): readonly ErrorData[] {
  const found: ErrorData[] = []
  const failedCheckpoint = now.checkpoints.lastFailure
  if (failedCheckpoint !== undefined && now.checkpoints.failed > before.checkpoints.failed) found.push(failedCheckpoint)
  if (now.lastFailure !== undefined && (now.restarts > before.restarts || !same(now.lastFailure, before.lastFailure)))
    found.unshift(now.lastFailure)
  if (now.error !== undefined && !same(now.error, before.error) && !same(now.error, now.lastFailure))
    found.unshift(now.error)
  return found
}

function same(one: ErrorData, other: ErrorData | undefined): boolean {
  return one.code === other?.code && one.message === other.message && one.stack === other.stack
}
