import type { z } from 'zod'
import { type ErrorCode, errorCodes, MillraceError, messageOf } from '../common/errors.ts'
import { type JobId, jobId } from '../common/ids.ts'
import type { Ports } from '../common/ports.ts'
import type { LogPart, SubmitRequest } from './cluster-gateway.ts'
import { nextByteHeader } from './routes/cluster-routes.ts'
import { checkpointStatistics } from './schemas/checkpoints.ts'
import { clusterOverview, leader, taskManagers } from './schemas/cluster.ts'
import { errorAnswer } from './schemas/common.ts'
import { jobDetails, jobExceptions, jobsOverview } from './schemas/job.ts'
import { accepted, jobDetail, submitted } from './schemas/requests.ts'

export interface ClusterClientOptions {
  /** `host:port` or URLs of JobManagers; any of them will do, and those that are gone are passed over. */
  readonly addresses: readonly string[]
  readonly token: string | undefined
  /** While nobody leads, or a JobManager that has answered before does not, it is asked again for so long. */
  readonly retryMs: number
  readonly ports: Ports
}

export type Submission = Omit<SubmitRequest, 'requestId'>

/** JobManagers that have never answered are tried for so long: mostly the address is wrong. */
const firstContactMs = 3000
/** One that takes longer hangs; another may lead by now. */
const attemptMs = 15_000
const shortestPauseMs = 50
const longestPauseMs = 1000

/** A cluster as its clients see it: goes on asking over a change of the leader. */
export class ClusterClient {
  readonly #options: ClusterClientOptions
  readonly #bases: readonly string[]
  /** Which of the addresses answered last. */
  #current = 0
  #reached = false

  constructor(options: ClusterClientOptions) {
    this.#options = options
    this.#bases = options.addresses.map((address) => (address.includes('://') ? address : `http://${address}`))
  }

  /**
   * Gives a job to the cluster; asked again over a failover it is still one job (R24).
   * @throws MillraceError what the cluster refuses it by; MR_CLUSTER_UNREACHABLE, MR_UNAUTHORIZED, MR_REQUEST_TOO_LARGE
   */
  async submit({ bundle, ...submission }: Submission): Promise<JobId> {
    const requestId = this.#options.ports.ids.hexadecimal()
    const body = { requestId, bundle: bundle.toString('base64'), ...submission }
    const { jobid } = await this.#json(submitted, { method: 'POST', path: '/jobs', body })
    return jobId(jobid)
  }

  async jobs(): Promise<z.infer<typeof jobsOverview>['jobs']> {
    return (await this.#json(jobsOverview, { path: '/jobs/overview' })).jobs
  }

  /** Flink's shape. @throws MillraceError MR_JOB_NOT_FOUND */
  job(id: JobId): Promise<z.infer<typeof jobDetails>> {
    return this.#json(jobDetails, { path: `/jobs/${id}` })
  }

  /** Millrace's own shape. @throws MillraceError MR_JOB_NOT_FOUND */
  detail(id: JobId): Promise<z.infer<typeof jobDetail>> {
    return this.#json(jobDetail, { path: `/jobs/${id}/detail` })
  }

  /** Without a last checkpoint. @throws MillraceError MR_JOB_NOT_FOUND */
  async cancel(id: JobId): Promise<void> {
    const query = `mode=cancel&requestId=${this.#options.ports.ids.hexadecimal()}`
    await this.#json(accepted, { method: 'PATCH', path: `/jobs/${id}?${query}` })
  }

  /** After a last checkpoint, or by draining. @throws MillraceError MR_JOB_NOT_FOUND */
  async stop(id: JobId, how: 'suspend' | 'drain'): Promise<void> {
    const body = { requestId: this.#options.ports.ids.hexadecimal(), drain: how === 'drain' }
    await this.#json(accepted, { method: 'POST', path: `/jobs/${id}/stop`, body })
  }

  checkpoints(id: JobId): Promise<z.infer<typeof checkpointStatistics>> {
    return this.#json(checkpointStatistics, { path: `/jobs/${id}/checkpoints` })
  }

  exceptions(id: JobId): Promise<z.infer<typeof jobExceptions>> {
    return this.#json(jobExceptions, { path: `/jobs/${id}/exceptions` })
  }

  async taskManagers(): Promise<z.infer<typeof taskManagers>['taskmanagers']> {
    return (await this.#json(taskManagers, { path: '/taskmanagers' })).taskmanagers
  }

  overview(): Promise<z.infer<typeof clusterOverview>> {
    return this.#json(clusterOverview, { path: '/overview' })
  }

  leader(): Promise<z.infer<typeof leader>> {
    return this.#json(leader, { path: '/leader' })
  }

  /** @throws MillraceError MR_TASK_MANAGER_NOT_FOUND */
  async log(taskManagerId: string, fromByte: number): Promise<LogPart> {
    const path = `/taskmanagers/${encodeURIComponent(taskManagerId)}/log?from=${fromByte}`
    const { text, headers } = await this.#request({ path })
    return { text, nextByte: Number(headers.get(nextByteHeader) ?? fromByte + Buffer.byteLength(text)) }
  }

  async #json<T extends z.ZodType>(schema: T, request: Request): Promise<z.output<T>> {
    const { text, base } = await this.#request(request)
    const parsed = schema.safeParse(jsonOf(text))
    if (parsed.success) return parsed.data
    throw notMillrace(base, `its answer to ${request.path} is not one of this version of Millrace`)
  }

  async #request(request: Request): Promise<Answer> {
    const { clock } = this.#options.ports
    const startedMs = clock.monotonicMs()
    let pauseMs = shortestPauseMs
    for (;;) {
      const round = await this.#askAll(request)
      if ('text' in round) return round
      const limitMs = this.#reached ? this.#options.retryMs : Math.min(firstContactMs, this.#options.retryMs)
      if (clock.monotonicMs() - startedMs + pauseMs > limitMs) throw this.#gaveUp(round, limitMs)
      await this.#pause(pauseMs)
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
  }

  /** Each address once, beginning with the one that answered last. */
  async #askAll(request: Request): Promise<Answer | Failures> {
    const reasons: string[] = []
    let waits = false
    for (const [offset] of this.#bases.entries()) {
      const index = (this.#current + offset) % this.#bases.length
      const base = this.#bases[index] as string
      const answer = await this.#ask(base, request)
      if (answer.type === 'answer') {
        this.#current = index
        this.#reached = true
        return answer
      }
      if (answer.type === 'nobodyLeads') {
        this.#reached = true
        waits = true
      }
      reasons.push(`${base}: ${answer.reason}`)
    }
    return { reasons, waits }
  }

  async #ask(base: string, request: Request): Promise<Asked> {
    const { token, ports } = this.#options
    const controller = new AbortController()
    const timer = ports.clock.schedule(request.body === undefined ? attemptMs : 4 * attemptMs, () =>
      controller.abort(new Error('it did not answer in time')),
    )
    let response: Response
    let text: string
    try {
      response = await fetch(`${base}/v1${request.path}`, {
        method: request.method ?? 'GET',
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        redirect: 'error',
        signal: controller.signal,
      })
      text = await response.text()
    } catch (error) {
      return { type: 'noAnswer', reason: reasonOf(error) }
    } finally {
      timer.cancel()
    }
    if (response.ok) return { type: 'answer', text, headers: response.headers, base }
    const refusal = refusalOf(response, text, base)
    if (response.status === 503) return { type: 'nobodyLeads', reason: refusal.message }
    throw refusal
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.ports.clock.schedule(ms, resolve))
  }

  #gaveUp({ reasons, waits }: Failures, limitMs: number): MillraceError {
    const seconds = `${Math.round(limitMs / 100) / 10} s`
    if (waits) return new MillraceError('MR_NO_LEADER', `no JobManager has led for ${seconds} (${reasons.join('; ')})`)
    return new MillraceError(
      'MR_CLUSTER_UNREACHABLE',
      `no JobManager answered within ${seconds}: ${reasons.join('; ')}`,
    )
  }
}

interface Request {
  readonly method?: 'POST' | 'PATCH'
  readonly path: string
  readonly body?: object
}

interface Answer {
  readonly text: string
  readonly headers: Headers
  readonly base: string
}

interface Failures {
  readonly reasons: readonly string[]
  /** Someone answered that nobody leads. */
  readonly waits: boolean
}

type Asked =
  | ({ readonly type: 'answer' } & Answer)
  | { readonly type: 'nobodyLeads' | 'noAnswer'; readonly reason: string }

/** The error that the server names, in its own words. */
function refusalOf(response: Response, text: string, base: string): MillraceError {
  const parsed = errorAnswer.safeParse(jsonOf(text))
  if (!parsed.success) return notMillrace(base, `it answered with HTTP ${response.status}`)
  const { errors, code } = parsed.data
  return new MillraceError(code in errorCodes ? (code as ErrorCode) : 'MR_INTERNAL', errors.join('\n'))
}

function notMillrace(base: string, what: string): MillraceError {
  return new MillraceError('MR_CLUSTER_UNREACHABLE', `${base} is no JobManager that can be talked to: ${what}`)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** fetch says only that it failed; why stands in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof AggregateError) return messageOf(cause.errors[0])
  return messageOf(cause instanceof Error ? cause : error)
}
