import {
  type ErrorCode,
  type ErrorData,
  errorCodes,
  isMillraceError,
  MillraceError,
  messageOf,
} from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { Clock } from '../common/ports.ts'
import type { JobPlan } from '../graph/job-graph.ts'
import type { ClusterClient } from '../rest/client.ts'
import type { ErrorInfo, JobDetail } from '../rest/schemas/requests.ts'
import type { FinalState, RunProgress } from './process-protocol.ts'
import type { RunOutcome } from './supervisor.ts'
import type { TerminalObserver } from './terminal.ts'

export interface FollowedJobOptions {
  readonly client: ClusterClient
  readonly jobId: JobId
  readonly plan: JobPlan
  /** A stop asked for lets the windows fire. */
  readonly drain: boolean
  readonly observer: TerminalObserver
  readonly clock: Clock
}

const pollIntervalMs = 500

/** A job on a cluster that a person watches, and stops as one that runs here. */
export class FollowedJob {
  readonly #options: FollowedJobOptions
  readonly #left = Promise.withResolvers<void>()
  #stopRequests = 0
  #before: JobDetail | undefined

  constructor(options: FollowedJobOptions) {
    this.#options = options
  }

  /** Ctrl-C: the first asks for a clean end, the second cancels, the third leaves the job to the cluster. */
  stop(): void {
    const { client, jobId, plan, drain, observer } = this.#options
    this.#stopRequests++
    if (this.#stopRequests > 2) {
      observer.line(
        `millrace: job ${plan.jobName} is left to the cluster: millrace info ${jobId} tells what becomes of it`,
      )
      this.#left.resolve()
      return
    }
    const suspends = this.#stopRequests === 1 && (drain || plan.configuration.checkpointing !== undefined)
    const how = drain ? 'drain' : 'suspend'
    observer.stopping(suspends ? how : 'cancel')
    const asked = suspends ? client.stop(jobId, how) : client.cancel(jobId)
    asked.catch((error: unknown) =>
      observer.warning(`the cluster could not be asked to stop the job: ${messageOf(error)}`),
    )
  }

  /**
   * How it ended; undefined: it was left to the cluster.
   * @throws MillraceError where the cluster does not answer any more, or knows the job no more
   */
  async ended(): Promise<RunOutcome | undefined> {
    for (;;) {
      const detail = await Promise.race([this.#look(), this.#left.promise])
      if (detail === undefined) return undefined
      this.#tell(detail)
      if (detail.ended) {
        const { jobName, state, error } = detail
        return { type: 'ended', jobName, state: state as FinalState, error: dataOf(error), totals: progressOf(detail) }
      }
      await Promise.race([this.#pause(), this.#left.promise])
    }
  }

  async #look(): Promise<JobDetail> {
    const { client, jobId } = this.#options
    try {
      return await client.detail(jobId)
    } catch (error) {
      if (!isMillraceError(error)) throw error
      const what =
        error.code === 'MR_JOB_NOT_FOUND'
          ? 'the cluster does not know it any more: it has ended while another JobManager took over'
          : `it may go on without this command (${error.message})`
      const code = error.code === 'MR_JOB_NOT_FOUND' ? 'MR_CLUSTER_UNREACHABLE' : error.code
      throw new MillraceError(code, `what becomes of job ${jobId} can not be told: ${what}`, { cause: error })
    }
  }

  #tell(detail: JobDetail): void {
    const { observer } = this.#options
    const before = this.#before
    this.#before = detail
    if (detail.lastFailure !== null && detail.restarts > (before?.restarts ?? 0))
      observer.warning(`restarted after ${detail.lastFailure.code}: ${detail.lastFailure.message}`)
    const { failed, lastFailure } = detail.checkpoints
    if (lastFailure !== null && failed > (before?.checkpoints.failed ?? 0))
      observer.warning(`a checkpoint failed: ${lastFailure.code}: ${lastFailure.message}`)
    if (!detail.ended) observer.progress(detail.jobName, progressOf(detail))
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.schedule(pollIntervalMs, resolve))
  }
}

function progressOf({ state, metrics, checkpoints, restarts }: JobDetail): RunProgress {
  const { last } = checkpoints
  return {
    state,
    recordsIn: metrics.recordsIn,
    recordsOut: metrics.recordsOut,
    lag: metrics.lag ?? Number.NaN,
    watermark: metrics.watermark ?? undefined,
    checkpoints: checkpoints.completed,
    lastCheckpoint: last === null ? undefined : { id: last.id, durationMs: last.durationMs, bytes: last.writtenBytes },
    restarts,
    lateRecordsDropped: metrics.lateRecordsDropped,
  }
}

function dataOf(error: ErrorInfo | null): ErrorData | undefined {
  if (error === null) return undefined
  const { code, message, operator, stack } = error
  return {
    code: code in errorCodes ? (code as ErrorCode) : 'MR_INTERNAL',
    message,
    ...(operator === undefined ? {} : { operator }),
    ...(stack === undefined ? {} : { stack }),
  }
}
