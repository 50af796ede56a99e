import { createHash } from 'node:crypto'
import { type ClientMessage, clientReference, jobManagerReference, jobMasterReference } from '../actors/addresses.ts'
import type { ActorContext } from '../actors/runtime/actor.ts'
import type { ActorSystem } from '../actors/runtime/actor-system.ts'
import { MillraceError } from '../common/errors.ts'
import { type JobId, jobId } from '../common/ids.ts'
import { systemPorts } from '../common/system-ports.ts'
import type { Configuration } from '../config/configuration.ts'
import type { Submission } from '../coordinator/job-manager/state.ts'
import { heldSlots, readRecord } from '../coordinator/job-master/job-record.ts'
import { jobStatus } from '../coordinator/job-master/job-status.ts'
import { noMetrics } from '../coordinator/job-master/metrics.ts'
import { newJobMaster } from '../coordinator/job-master/state.ts'
import {
  type ClusterGateway,
  type ClusterJob,
  type ClusterTaskManager,
  hasEnded,
  type LogPart,
  type SubmitRequest,
} from '../rest/cluster-gateway.ts'
import { ObservedJobs } from '../rest/observed-jobs.ts'
import { slotMemory } from './cluster-settings.ts'
import type { LeadingStore } from './leading-store.ts'

export interface LeadingGatewayOptions {
  readonly system: ActorSystem
  readonly store: LeadingStore
  readonly configuration: Configuration
  readonly clusterId: string
  readonly blobPrefix: string
}

const answerTimeoutMs = 20_000

type JobRequest = 'cancelJob' | 'suspendJob' | 'drainJob'

/** What the leading process offers to its REST server: it speaks to the actors beside it. */
export class LeadingGateway implements ClusterGateway {
  readonly #options: LeadingGatewayOptions
  readonly #observed = new ObservedJobs(() => systemPorts.clock.now())
  readonly #contexts = new Map<JobId, ActorContext<ClientMessage>>()

  constructor(options: LeadingGatewayOptions) {
    this.#options = options
  }

  /** Listens to a job that stands in the store; before its JobMaster starts, so that nothing is missed. */
  observe(
    submission: Omit<Submission, 'leftTransactions' | 'restore'>,
    submitted: (answer: JobId) => void = () => {},
  ): void {
    const id = submission.jobId
    const state = newJobMaster({ leftTransactions: [], restore: undefined, ...submission, token: '' })
    this.#observed.add(submission.plan, jobStatus(state, noMetrics))
    this.#options.system.spawn<ClientMessage>(`client/${id}`, (context) => {
      this.#contexts.set(id, context)
      return {
        receive: (message) => {
          if (message.type === 'submitted') submitted(message.jobId)
          else this.#observed.changed(message.status)
        },
        // The next status tells everything.
        interrupted: () => {},
      }
    })
  }

  async submit(request: SubmitRequest): Promise<JobId> {
    if (request.restore !== undefined) {
      const text = `--from ${request.restore.from}: starting from a checkpoint of another run is not offered by a cluster yet`
      throw new MillraceError('MR_CONFIGURATION', text)
    }
    const sha256 = createHash('sha256').update(request.bundle).digest('hex')
    return await this.#options.store.submitting(sha256, request.bundle, () => this.#submitted(request, sha256))
  }

  async jobs(): Promise<readonly ClusterJob[]> {
    return this.#observed.all()
  }

  async job(id: JobId): Promise<ClusterJob> {
    return this.#observed.get(id)
  }

  cancel(id: JobId, requestId: string): Promise<void> {
    return this.#request(id, 'cancelJob', requestId)
  }

  suspend(id: JobId, requestId: string): Promise<void> {
    return this.#request(id, 'suspendJob', requestId)
  }

  drain(id: JobId, requestId: string): Promise<void> {
    return this.#request(id, 'drainJob', requestId)
  }

  async taskManagers(): Promise<readonly ClusterTaskManager[]> {
    const { store, configuration } = this.#options
    const [jobs, taskManagers] = [await store.jobs(), await store.taskManagers()]
    const held = jobs.map(({ record }) => readRecord(record)).filter(({ phase }) => phase.type !== 'ended')
    const used = held.flatMap(heldSlots).map(({ taskManager }) => taskManager)
    return taskManagers.map(({ id, slots, dataAddress, host, pid }) => {
      const freeSlots = slots - used.filter((address) => address === `task-manager/${id}`).length
      const { managedBytes, heapLimitBytes } = slotMemory(configuration, 1)
      const memory = { managedMemoryBytes: managedBytes, heapLimitBytes }
      const lastHeartbeatAt = systemPorts.clock.now() // one that is not heard of is taken out of the store
      return { id, host, pid, dataAddress, slots, freeSlots: Math.max(0, freeSlots), lastHeartbeatAt, ...memory }
    })
  }

  async log(taskManagerId: string): Promise<LogPart> {
    const known = (await this.#options.store.taskManagers()).some(({ id }) => id === taskManagerId)
    if (!known) throw new MillraceError('MR_TASK_MANAGER_NOT_FOUND', `there is no TaskManager ${taskManagerId}`)
    return { text: 'a TaskManager writes its log to standard error of its own process\n', nextByte: 0 }
  }

  async #submitted(request: SubmitRequest, sha256: string): Promise<JobId> {
    const { clusterId, blobPrefix: prefix, system } = this.#options
    const id = jobId(systemPorts.ids.hexadecimal())
    const { plan, configuration, requestId } = request
    const submission: Submission = {
      jobId: id,
      plan,
      job: { bundleUrl: `bundle:${sha256}`, bundleSha256: sha256, arguments: request.arguments, configuration },
      blobStore: { type: 'redis', clusterId, prefix },
      hasCheckpointStore: plan.configuration.checkpointing !== undefined,
      restore: undefined,
      leftTransactions: [],
    }
    const { promise, resolve, reject } = Promise.withResolvers<JobId>()
    this.observe(submission, resolve)
    const limit = systemPorts.clock.schedule(answerTimeoutMs, () => {
      reject(new MillraceError('MR_NO_LEADER', 'the job was not recorded: this process may lead no more'))
    })
    const client = clientReference(`client/${id}`)
    this.#contexts
      .get(id)
      ?.tell(jobManagerReference, { type: 'submitJob', requestId, client: client.address, submission })
    try {
      const answer = await promise
      if (answer !== id) await this.#forget(id, system)
      return answer
    } catch (error) {
      await this.#forget(id, system)
      throw error
    } finally {
      limit.cancel()
    }
  }

  /** The job is another one, or none. */
  async #forget(id: JobId, system: ActorSystem): Promise<void> {
    this.#observed.remove(id)
    this.#contexts.delete(id)
    await system.stop({ address: `client/${id}` })
  }

  async #request(id: JobId, type: JobRequest, requestId: string): Promise<void> {
    if (hasEnded(this.#observed.get(id).status)) return
    const context = this.#contexts.get(id)
    await context?.ask(jobMasterReference(id), { type, requestId }, answerTimeoutMs)
  }
}
