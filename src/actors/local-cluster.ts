import type { EnumeratorOf } from '../api/source.ts'
import { type ErrorData, errorData, MillraceError, messageOf } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { Logger } from '../common/logger.ts'
import type { Ports } from '../common/ports.ts'
import type { Submission } from '../coordinator/job-manager/state.ts'
import { jobStatus } from '../coordinator/job-master/job-status.ts'
import { noMetrics } from '../coordinator/job-master/metrics.ts'
import { newJobMaster } from '../coordinator/job-master/state.ts'
import type { JobPlan } from '../graph/job-graph.ts'
import type { RemoteLinks } from '../network/remote-links.ts'
import type { CheckpointRecord } from '../state/checkpoint-record.ts'
import type { CheckpointStore } from '../state/checkpoint-store.ts'
import type { TransactionLedger } from '../state/transaction-ledger.ts'
import type { SlotHost } from '../task/slot-host.ts'
import type { BlobStoreReference, JobReference, SlotMemory } from '../task/slot-protocol.ts'
import { type ClientMessage, jobManagerReference, jobMasterReference } from './addresses.ts'
import { InProcessLinks } from './in-process-links.ts'
import { JobClient } from './job-client.ts'
import { JobManager } from './job-manager.ts'
import { JobMaster } from './job-master.ts'
import type { ActorReference } from './runtime/actor.ts'
import { ActorSystem } from './runtime/actor-system.ts'
import { type Executor, microtaskExecutor } from './runtime/executor.ts'
import { TaskManager } from './task-manager.ts'
import { InProcessTransport } from './transport/in-process.ts'
import type { Transport } from './transport/transport.ts'

export interface LocalClusterOptions {
  readonly ports: Ports
  readonly slotHost: SlotHost
  /** `taskmanager.numberOfTaskSlots` */
  readonly numberOfTaskSlots: number
  readonly slotMemory: SlotMemory
  /** How many TaskManagers there are, each with `numberOfTaskSlots`. Default 1 */
  readonly taskManagers?: number
  /** What a TaskManager has of its own. Without it all have `slotHost`, and are linked within the process. */
  readonly taskManagerOf?: (index: number) => LocalTaskManager
  readonly enumeratorOf: EnumeratorOf
  readonly logger: Logger
  /** Where actors get their turns; without it as soon as the running code has returned. */
  readonly executor?: Executor
  readonly transport?: Transport
  /** A thread does not end (R32). Without it the process ends itself by SIGKILL, for its supervisor to start it again. */
  readonly killProcess?: (error: ErrorData) => void
}

export interface LocalTaskManager {
  /** Of its actor: `task-manager/` and an id. */
  readonly address: string
  readonly slotHost: SlotHost
  readonly remoteLinks: RemoteLinks
  readonly dataAddress: string
}

export type { JobResult } from './job-client.ts'

export interface JobSubmission {
  readonly jobId: JobId
  readonly plan: JobPlan
  readonly job: JobReference
  /** undefined: no checkpoints; then the job's configuration must not ask for any. */
  readonly checkpointStore: CheckpointStore | undefined
  readonly blobStore: BlobStoreReference
  readonly restore: RestoreSubmission | undefined
  /** Transactional ids that earlier runs and processes may have left open; they stand in `checkpointStore` (R16). */
  readonly leftTransactions?: TransactionLedger
}

export interface RestoreSubmission {
  readonly record: CheckpointRecord
  /** Where the record's blobs are. */
  readonly blobStore: BlobStoreReference
  readonly committed: boolean
  /** The run goes on in its own folder: `checkpointStore` holds this record, and new checkpoints may build on it (R1). */
  readonly sameJob: boolean
  /** The store of the record where it is another run's: for the checkpoint before it, should this one be damaged (R9). */
  readonly checkpointStore?: CheckpointStore
}

/** JobManager, TaskManager and slots in one process, with the actors of a cluster. */
export interface LocalCluster {
  /**
   * Starts a job; what becomes of it, its failure included, is the client's `result`.
   * @throws MillraceError MR_CONFIGURATION where the job wants checkpoints and there is no store for them
   */
  submit(submission: JobSubmission): Promise<JobClient>
  /** Cancels what runs, ends all slots, and resolves when their threads have gone. */
  close(): Promise<void>
}

export function startLocalCluster(options: LocalClusterOptions): LocalCluster {
  return new ActorCluster(options)
}

class ActorCluster implements LocalCluster {
  readonly #options: LocalClusterOptions
  readonly #system: ActorSystem
  readonly #taskManagers: readonly ActorReference<never>[]
  readonly #clients = new Map<JobId, JobClient>()
  /** What of a submission is no data: the JobMaster finds it here. */
  readonly #submissions = new Map<JobId, JobSubmission>()
  readonly #accepted: Promise<void>[] = []
  #closed = false

  constructor(options: LocalClusterOptions) {
    const { ports, logger, taskManagers = 1 } = options
    const executor = options.executor ?? microtaskExecutor
    this.#options = options
    this.#system = new ActorSystem({
      transport: options.transport ?? new InProcessTransport(),
      ports,
      executor,
      logger,
    })
    this.#system.spawn<Parameters<JobManager['receive']>[0]>(jobManagerReference.address, (context) => {
      return new JobManager(context, {
        slotRequestTimeoutMs: 0,
        startJobMaster: (job) => (inner) => {
          if (job.type === 'adopted') throw new MillraceError('MR_INTERNAL', 'a local cluster has no stored jobs')
          return new JobMaster(inner, job, this.#resourcesOf(job.submission.jobId))
        },
      })
    })
    const links = new InProcessLinks()
    this.#taskManagers = Array.from({ length: taskManagers }, (_, index) => this.#startTaskManager(index, links))
  }

  #startTaskManager(index: number, links: RemoteLinks): ActorReference<never> {
    const { ports, slotHost, numberOfTaskSlots, slotMemory, killProcess = killOwnProcess } = this.#options
    const own = this.#options.taskManagerOf?.(index) ?? {
      address: `task-manager/${ports.ids.unique()}`,
      slotHost,
      remoteLinks: links,
      dataAddress: '',
    }
    const { clock } = ports
    return this.#system.spawn<Parameters<TaskManager['receive']>[0]>(
      own.address,
      (context) => new TaskManager(context, { ...own, clock, numberOfTaskSlots, slotMemory, killProcess }),
    )
  }

  async submit(submission: JobSubmission): Promise<JobClient> {
    const { jobId, plan } = submission
    if (plan.configuration.checkpointing !== undefined && submission.checkpointStore === undefined) {
      const text = `the job '${plan.jobName}' takes checkpoints, but there is no store for them: set execution.checkpointing.dir`
      throw new MillraceError('MR_CONFIGURATION', text)
    }
    if (this.#closed)
      throw new MillraceError('MR_INTERNAL', `the job ${jobId} was submitted to a cluster that is closed`)
    if (this.#clients.has(jobId)) throw new MillraceError('MR_INTERNAL', `the job ${jobId} was submitted already`)
    this.#submissions.set(jobId, submission)
    const data = dataOf(submission)
    const accepted = Promise.withResolvers<void>()
    const initial = jobStatus(newJobMaster({ ...data, token: '' }), noMetrics)
    this.#system.spawn<ClientMessage | { readonly type: 'request'; readonly request: ClientRequest }>(
      `client/${jobId}`,
      (context) => {
        const client = new JobClient(
          initial,
          (request) => context.tell(jobMasterReference(jobId), { type: request }),
          (error) =>
            this.#options.logger.error({ jobId, error: errorData(error) }, `a listener threw: ${messageOf(error)}`),
        )
        this.#clients.set(jobId, client)
        const requestId = this.#options.ports.ids.unique()
        const { address } = context.self
        context.tell(jobManagerReference, { type: 'submitJob', requestId, client: address, submission: data })
        return {
          receive: (message) => {
            if (message.type === 'submitted') accepted.resolve()
            if (message.type === 'status') client.changed(message.status)
            if (message.type !== 'ended') return
            client.changed(message.status)
            context.stop()
          },
        }
      },
    )
    this.#accepted.push(accepted.promise)
    await accepted.promise
    return this.#clients.get(jobId) as JobClient
  }

  async close(): Promise<void> {
    this.#closed = true
    // A job whose JobMaster is not there yet can not be cancelled.
    await Promise.all(this.#accepted)
    const clients = [...this.#clients.values()]
    for (const client of clients) client.cancel()
    await Promise.all(clients.map((client) => client.result))
    await Promise.all(this.#taskManagers.map((taskManager) => this.#system.stop(taskManager)))
    await this.#system.stop({ address: jobManagerReference.address })
  }

  #resourcesOf(jobId: JobId): ConstructorParameters<typeof JobMaster>[2] {
    const { ports, enumeratorOf, logger } = this.#options
    const submission = this.#submissions.get(jobId)
    return {
      ports,
      enumeratorOf,
      logger: logger.child({ jobId }),
      checkpointStore: submission?.checkpointStore,
      restoredStore: submission?.restore?.checkpointStore,
    }
  }
}

type ClientRequest = Parameters<ConstructorParameters<typeof JobClient>[1]>[0]

/** A submission as plain data (R27). */
function dataOf({
  jobId,
  plan,
  job,
  checkpointStore,
  blobStore,
  restore,
  leftTransactions = [],
}: JobSubmission): Submission {
  return {
    jobId,
    plan,
    job,
    blobStore,
    hasCheckpointStore: checkpointStore !== undefined,
    leftTransactions,
    restore:
      restore === undefined
        ? undefined
        : {
            record: restore.record,
            blobStore: restore.blobStore,
            committed: restore.committed,
            ownRun: restore.sameJob,
          },
  }
}

function killOwnProcess(): void {
  process.kill(process.pid, 'SIGKILL')
}
