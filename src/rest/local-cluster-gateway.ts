import { createHash } from 'node:crypto'
import type { JobClient } from '../actors/job-client.ts'
import type { JobSubmission, LocalCluster } from '../actors/local-cluster.ts'
import { MillraceError } from '../common/errors.ts'
import { type JobId, jobId } from '../common/ids.ts'
import type { Ports } from '../common/ports.ts'
import { requiredSlots } from '../graph/execution-graph.ts'
import {
  type ClusterGateway,
  type ClusterJob,
  type ClusterTaskManager,
  hasEnded,
  type LogPart,
  type SubmitRequest,
} from './cluster-gateway.ts'
import { ObservedJobs } from './observed-jobs.ts'

/** What a submitted job is given by the process that runs it. */
export interface LocalJobResources
  extends Pick<JobSubmission, 'checkpointStore' | 'blobStore' | 'restore' | 'leftTransactions'> {
  /** Where the slots import the bundle from. */
  readonly bundleUrl: string
}

export interface LocalClusterGatewayOptions {
  readonly cluster: LocalCluster
  readonly ports: Ports
  /** @param sha256 of the bundle, hexadecimal */
  readonly resourcesOf: (request: SubmitRequest, job: JobId, sha256: string) => Promise<LocalJobResources>
  /** The cluster's only TaskManager: what does not change of it. */
  readonly taskManager: Omit<ClusterTaskManager, 'freeSlots' | 'lastHeartbeatAt'>
  /** What it has logged, from this byte on. */
  readonly log: (fromByte: number) => Promise<LogPart>
}

/** A cluster that is this one process. */
export class LocalClusterGateway implements ClusterGateway {
  readonly #options: LocalClusterGatewayOptions
  readonly #observed: ObservedJobs
  readonly #clients = new Map<JobId, JobClient>()
  /** By `requestId` (R24). */
  readonly #submitted = new Map<string, Promise<JobId>>()

  constructor(options: LocalClusterGatewayOptions) {
    this.#options = options
    const { clock } = options.ports
    this.#observed = new ObservedJobs(() => clock.now())
  }

  submit(request: SubmitRequest): Promise<JobId> {
    const known = this.#submitted.get(request.requestId)
    if (known !== undefined) return known
    const answer = this.#start(request)
    this.#submitted.set(request.requestId, answer)
    // One that was refused may be repeated.
    answer.catch(() => this.#submitted.delete(request.requestId))
    return answer
  }

  async jobs(): Promise<readonly ClusterJob[]> {
    return this.#observed.all()
  }

  async job(id: JobId): Promise<ClusterJob> {
    return this.#observed.get(id)
  }

  async cancel(id: JobId): Promise<void> {
    this.#clientOf(id)?.cancel()
  }

  async suspend(id: JobId): Promise<void> {
    this.#clientOf(id)?.suspend()
  }

  async drain(id: JobId): Promise<void> {
    this.#clientOf(id)?.drain()
  }

  async taskManagers(): Promise<readonly ClusterTaskManager[]> {
    const { taskManager, ports } = this.#options
    const running = this.#observed.all().filter(({ status }) => !hasEnded(status))
    const used = running.reduce((total, { plan }) => total + requiredSlots(plan), 0)
    const freeSlots = Math.max(0, taskManager.slots - used)
    return [{ ...taskManager, freeSlots, lastHeartbeatAt: ports.clock.now() }]
  }

  async log(taskManagerId: string, fromByte: number): Promise<LogPart> {
    if (taskManagerId === this.#options.taskManager.id) return await this.#options.log(fromByte)
    throw new MillraceError('MR_TASK_MANAGER_NOT_FOUND', `there is no TaskManager ${taskManagerId}`)
  }

  async #start(request: SubmitRequest): Promise<JobId> {
    const { cluster, ports, resourcesOf } = this.#options
    const id = jobId(ports.ids.hexadecimal())
    const sha256 = createHash('sha256').update(request.bundle).digest('hex')
    const { bundleUrl, ...resources } = await resourcesOf(request, id, sha256)
    const { plan, arguments: jobArguments, configuration } = request
    const job = { bundleUrl, arguments: jobArguments, configuration }
    const client = await cluster.submit({ jobId: id, plan, job, ...resources })
    this.#clients.set(id, client)
    this.#observed.add(plan, client.status())
    client.onChange((status) => this.#observed.changed(status))
    return id
  }

  /** undefined: it has ended, and nothing is left to ask of it. */
  #clientOf(id: JobId): JobClient | undefined {
    return hasEnded(this.#observed.get(id).status) ? undefined : this.#clients.get(id)
  }
}
