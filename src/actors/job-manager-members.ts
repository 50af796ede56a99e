import { errorData, messageOf } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { Logger } from '../common/logger.ts'
import type { RegisteredTaskManager } from '../coordinator/control-store.ts'
import { unreachable } from '../coordinator/decision.ts'
import type { ListedTaskManager, MembershipEffect } from '../coordinator/job-manager/membership.ts'
import type { JobManagerMessage, Submission } from '../coordinator/job-manager/state.ts'
import { jobMasterReference, taskManagerReference } from './addresses.ts'
import { endsLeadership, type JobManagerCluster } from './cluster-ports.ts'
import type { ActorContext } from './runtime/actor.ts'

/** The record of one job, written one after another under its revision. */
export interface StoredRecords {
  write(record: object): Promise<void>
}

export interface LedJobMaster {
  readonly jobId: JobId
  readonly record: unknown
  readonly records: StoredRecords
}

const addressPrefix = 'task-manager/'

/** What a leading JobManager does about TaskManagers and the durable store. */
export class JobManagerMembers {
  readonly #context: ActorContext<JobManagerMessage>
  readonly #cluster: JobManagerCluster
  readonly #logger: Logger
  /** Jobs that are to be led, until their JobMaster is started. */
  readonly #jobs = new Map<JobId, LedJobMaster>()
  #ended = false

  constructor(context: ActorContext<JobManagerMessage>, cluster: JobManagerCluster, logger: Logger) {
    this.#context = context
    this.#cluster = cluster
    this.#logger = logger
  }

  /** Reads what the store has, until it can, and begins to lead. */
  async lead(): Promise<void> {
    const { store, clock } = this.#cluster
    try {
      const [jobs, taskManagers] = [await store.jobs(), await store.taskManagers()]
      if (this.#ended) return
      for (const { jobId, revision, record } of jobs) {
        this.#jobs.set(jobId, { jobId, record, records: this.#recordsOf(jobId, revision) })
      }
      const led = jobs.map((job) => this.#cluster.readJob(job))
      this.#tell({ type: 'lead', jobs: led, taskManagers: taskManagers.map(listedOf) })
      this.#tick()
    } catch (error) {
      if (this.#ended) return
      this.#logger.warn({ error: errorData(error) }, `can not lead yet: ${messageOf(error)}`)
      clock.schedule(this.#cluster.timeouts.heartbeatIntervalMs, () => void this.lead())
    }
  }

  end(): void {
    this.#ended = true
  }

  /** The job to start a JobMaster for. */
  takeJob(jobId: JobId): LedJobMaster | undefined {
    const job = this.#jobs.get(jobId)
    this.#jobs.delete(jobId)
    return job
  }

  /** R24: the client is answered when the record is durable. */
  async recordJob(submission: Submission, requestId: string): Promise<void> {
    const { jobId } = submission
    const records = this.#recordsOf(jobId, 0)
    const record = this.#cluster.newRecord(submission, requestId)
    const written = await this.#written(`the job ${jobId} was not recorded`, () => records.write(record))
    if (this.#ended) return
    if (written) this.#jobs.set(jobId, { jobId, record, records })
    this.#tell({ type: written ? 'jobRecorded' : 'jobNotRecorded', jobId })
  }

  /** Everything of a job that is not kept goes, its record last: a leader that comes before that does it again. */
  async forgetJob(jobId: JobId): Promise<void> {
    const { store } = this.#cluster
    const removed = await this.#written(`the job ${jobId} was not removed from the store`, async () => {
      await this.#cluster.removeState?.(jobId)
      await store.removeJob(jobId)
    })
    if (!removed) this.#later(() => this.forgetJob(jobId))
  }

  perform(effect: Exclude<MembershipEffect, { readonly type: 'adoptJob' }>): void {
    switch (effect.type) {
      case 'listTaskManager':
        void this.#list(effect.listed)
        return
      case 'unlistTaskManager':
        void this.#unlist(effect.taskManager)
        return
      case 'hello':
      case 'heartbeat':
      case 'declareLost':
      case 'releaseTaskManager':
        this.#tellTaskManager(effect)
        return
      case 'trim':
        void this.#trim(idOf(effect.taskManager), effect.lowestKept)
        return
      case 'tryConnection':
        void this.#tryConnection(effect.taskManager, effect.dataAddress)
        return
      case 'setProbeTimer':
        this.#setProbeTimer(effect)
        return
      case 'giveInventories':
        this.#context.tell(jobMasterReference(effect.jobId), {
          type: 'adopt',
          request: effect.request,
          inventories: effect.inventories,
        })
        return
      case 'forgetJob':
        void this.forgetJob(effect.jobId)
        return
      case 'ledNoMore':
        this.#cluster.onFenced()
        return
      case 'adoptAgain':
        this.#context.tell(jobMasterReference(effect.jobId), { type: 'adoptAgain' })
        return
      case 'vacate':
        this.#context.tell(jobMasterReference(effect.jobId), { type: 'vacate', taskManager: effect.taskManager })
        return
      case 'superseded':
        this.#cluster.onSuperseded(effect.highest)
        return
      case 'log':
        this.#logger[effect.level]({}, effect.text)
        return
      default:
        unreachable(effect)
    }
  }

  #tellTaskManager(
    effect: Extract<MembershipEffect, { readonly type: 'hello' | 'heartbeat' | 'declareLost' | 'releaseTaskManager' }>,
  ): void {
    const to = taskManagerReference(effect.taskManager)
    switch (effect.type) {
      case 'hello':
        this.#context.tell(to, { type: 'hello', round: effect.round })
        return
      case 'heartbeat':
        this.#context.tell(to, { type: 'heartbeat', demanded: effect.demanded })
        return
      case 'declareLost':
        this.#context.tell(to, { type: 'declaredLost', reason: effect.reason })
        return
      case 'releaseTaskManager':
        this.#context.tell(to, { type: 'released' })
        return
    }
  }

  #setProbeTimer(effect: Extract<MembershipEffect, { readonly type: 'setProbeTimer' }>): void {
    const { clock } = this.#cluster
    const { taskManager, number, delayMs } = effect
    const setAtMs = clock.monotonicMs()
    clock.schedule(delayMs, () => {
      const late = clock.monotonicMs() - setAtMs > 2 * delayMs
      // One more turn, in which what has come meanwhile is read (R26).
      clock.schedule(0, () => this.#tell({ type: 'probeDue', taskManager, number, late }))
    })
  }

  #tick(): void {
    const { clock, timeouts } = this.#cluster
    if (this.#ended) return
    this.#tell({ type: 'tick', readAtMs: this.#cluster.inboxReadAtMs() })
    const position = this.#cluster.ownPosition()
    if (position !== undefined) void this.#trim('leader', position)
    clock.schedule(timeouts.heartbeatIntervalMs, () => this.#tick())
  }

  async #list(listed: ListedTaskManager): Promise<void> {
    const { taskManager, numberOfSlots: slots, dataAddress, host, pid } = listed
    const entry = { id: idOf(taskManager), slots, dataAddress, host, pid }
    // It registers until it gets its Hello, so that a failed write is tried again.
    const written = await this.#written(`the ${taskManager} was not registered`, () =>
      this.#cluster.store.writeTaskManager(entry),
    )
    if (written) this.#tell({ type: 'taskManagerListed', listed })
  }

  async #unlist(taskManager: string): Promise<void> {
    const { store } = this.#cluster
    const written = await this.#written(`the ${taskManager} was not removed from the store`, () =>
      store.removeTaskManager(idOf(taskManager)),
    )
    if (!written) this.#later(() => this.#unlist(taskManager))
  }

  async #trim(taskManagerId: string, lowestKept: string): Promise<void> {
    // What is not removed now is removed with the next heartbeat.
    await this.#written(`the stream of ${taskManagerId} was not trimmed`, () =>
      this.#cluster.trim(taskManagerId, lowestKept),
    )
  }

  async #tryConnection(taskManager: string, dataAddress: string): Promise<void> {
    if ((await this.#cluster.connectionRefused?.(dataAddress)) === true) {
      this.#tell({ type: 'connectionRefused', taskManager })
    }
  }

  #recordsOf(jobId: JobId, revision: number): StoredRecords {
    const { store } = this.#cluster
    let current = revision
    let last: Promise<void> = Promise.resolve()
    return {
      // One after another: a JobMaster that takes over from another one in this process may find its write under way.
      write: (record) => {
        const write = async (): Promise<void> => {
          current = await store.writeJob(jobId, current, record)
        }
        last = last.then(write, write)
        return last
      },
    }
  }

  /** False: it was not done, and is to be tried again where that matters. */
  async #written(otherwise: string, write: () => Promise<void>): Promise<boolean> {
    if (this.#ended) return false
    try {
      await write()
      return true
    } catch (error) {
      if (this.#ended) return false
      const data = errorData(error)
      if (endsLeadership(data.code)) this.#cluster.onFenced()
      else this.#logger.warn({ error: data }, `${otherwise}: ${messageOf(error)}`)
      return false
    }
  }

  #later(action: () => Promise<void>): void {
    const { clock, timeouts } = this.#cluster
    if (!this.#ended) clock.schedule(timeouts.heartbeatIntervalMs, () => void action())
  }

  #tell(message: JobManagerMessage): void {
    if (!this.#ended) this.#context.tell(this.#context.self, message)
  }
}

function idOf(address: string): string {
  return address.startsWith(addressPrefix) ? address.slice(addressPrefix.length) : address
}

function listedOf({ id, slots, dataAddress, host, pid }: RegisteredTaskManager): ListedTaskManager {
  return { taskManager: `${addressPrefix}${id}`, numberOfSlots: slots, dataAddress, host, pid }
}
