import { onTestFinished } from 'vitest'
import type { ClientMessage, JobMasterInbox, TaskManagerInbox } from '../../../src/actors/addresses.ts'
import { jobManagerReference, jobMasterReference, taskManagerReference } from '../../../src/actors/addresses.ts'
import { AdoptingJobMaster } from '../../../src/actors/adopting-job-master.ts'
import { InProcessLinks } from '../../../src/actors/in-process-links.ts'
import { JobManager, type StartedJob } from '../../../src/actors/job-manager.ts'
import { ObeyedLeader } from '../../../src/actors/obeyed-leader.ts'
import type { ActorContext } from '../../../src/actors/runtime/actor.ts'
import { ActorSystem } from '../../../src/actors/runtime/actor-system.ts'
import { microtaskExecutor } from '../../../src/actors/runtime/executor.ts'
import { TaskManager } from '../../../src/actors/task-manager.ts'
import { InProcessTransport } from '../../../src/actors/transport/in-process.ts'
import type { Address, Envelope } from '../../../src/actors/transport/transport.ts'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import { buildJob, type JobDefinition, job } from '../../../src/api/job.ts'
import { type JobId, jobId, type LeaderToken, leaderToken } from '../../../src/common/ids.ts'
import { silentLogger } from '../../../src/common/logger.ts'
import { systemPorts } from '../../../src/common/system-ports.ts'
import { ledJobOf } from '../../../src/coordinator/job-manager/led-job.ts'
import type { JobManagerMessage } from '../../../src/coordinator/job-manager/state.ts'
import { readRecord, recordOf } from '../../../src/coordinator/job-master/job-record.ts'
import type { JobStatus } from '../../../src/coordinator/job-master/job-status.ts'
import { newJobMaster } from '../../../src/coordinator/job-master/state.ts'
import { MemoryControlPlane, MemoryControlStore } from '../../../src/coordinator/memory-control-store.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { planOf } from '../../../src/graph/plan.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { InlineSlotHost } from '../../../src/task/inline-slot-host.ts'
import { turn } from '../../../src/task/turn.ts'
import { enumeratorOf } from './inline-cluster.ts'
import { RecordingCheckpointStore } from './recording-checkpoint-store.ts'

const { clock, ids, random } = systemPorts
const timeouts = { heartbeatIntervalMs: 20, heartbeatTimeoutMs: 10_000, probeMs: 100 }

/** Waits with turns for everything else. @throws Error after 20 s */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const startedMs = clock.monotonicMs()
  while (!condition()) {
    if (clock.monotonicMs() - startedMs > 20_000) throw new Error(`waited 20 s until ${what}`)
    await turn()
  }
}

/** The shells of a cluster in this thread, whose leader and TaskManagers can be killed, on a store that outlives them. */
export class ReplaceableCluster {
  readonly plane = new MemoryControlPlane()
  readonly checkpoints = new RecordingCheckpointStore()
  readonly jobId = jobId(ids.hexadecimal())
  /** TaskManagers that may end their processes. */
  readonly left: string[] = []
  /** What happens to a message on its way. */
  fate: (envelope: Envelope, to: Address) => 'deliver' | 'lose' = () => 'deliver'
  status: JobStatus | undefined
  hasEnded = false
  readonly #definition: JobDefinition
  readonly #links = new InProcessLinks()
  readonly #blobs = new MemoryBlobStore()
  readonly #taskManagers = new Set<string>()
  readonly #killed = new Set<string>()
  readonly #transport = new InProcessTransport({ clone: true, fate: (envelope, to) => this.fate(envelope, to) })
  readonly #system = new ActorSystem({
    transport: this.#transport,
    ports: systemPorts,
    executor: microtaskExecutor,
    logger: silentLogger,
  })
  #epoch = 0
  #client: ActorContext<ClientMessage> | undefined

  constructor(build: (env: StreamExecutionEnvironment) => void) {
    this.#definition = job('tested', build)
    onTestFinished(() => this.close())
  }

  /** A new leader, which the store obeys from now on. */
  lead(): void {
    const token = leaderToken(`leader:${++this.#epoch}`)
    this.plane.leader = token
    const store = new MemoryControlStore(this.plane, { token, isValid: () => this.plane.leader === token })
    this.#system.spawn<JobManagerMessage>(
      jobManagerReference.address,
      (context) =>
        new JobManager(context, {
          slotRequestTimeoutMs: 60_000,
          startJobMaster: (started) => (inner) => this.#jobMasterOf(inner, started),
          cluster: {
            clock,
            timeouts,
            store,
            logger: silentLogger,
            newRecord: (submission, requestId) =>
              recordOf(newJobMaster({ ...submission, token }), { ...submission, requestId }, this.#moment()),
            readJob: ledJobOf,
            inboxReadAtMs: () => clock.monotonicMs(),
            ownPosition: () => undefined,
            trim: async () => {},
            onFenced: () => {},
            onSuperseded: () => {},
            connectionRefused: async (dataAddress) => this.#killed.has(dataAddress),
          },
        }),
    )
  }

  /** As by SIGKILL: it writes nothing more. */
  async killLeader(): Promise<void> {
    this.plane.leader = 'nobody:0' as LeaderToken
    await this.#system.stop(jobManagerReference)
  }

  startTaskManager(name: string, numberOfTaskSlots: number): void {
    const address = `task-manager/${name}`
    this.#taskManagers.add(address)
    const slotHost = new InlineSlotHost({
      clock,
      turn,
      graphOf: (start) => createJobGraph(buildJob(this.#definition, [], start.job.configuration)),
      blobStoreOf: () => this.#blobs,
      warn: () => {},
    })
    this.#system.spawn<TaskManagerInbox>(
      address,
      (context) =>
        new TaskManager(context, {
          clock,
          slotHost,
          numberOfTaskSlots,
          slotMemory: { heapLimitBytes: 2 ** 33, managedBytes: 2 ** 26 },
          remoteLinks: this.#links,
          dataAddress: address,
          killProcess: (error) => {
            throw new Error(error.message)
          },
          cluster: {
            heartbeatIntervalMs: timeouts.heartbeatIntervalMs,
            host: 'here',
            pid: 1,
            obeyed: new ObeyedLeader(),
            position: () => '1-0',
            inboxExists: async () => true,
            giveUp: () => void this.killTaskManager(name),
            left: () => {
              this.left.push(name)
              void this.killTaskManager(name)
            },
          },
        }),
    )
  }

  /** Its slots are gone, and nothing listens at its address. */
  async killTaskManager(name: string): Promise<void> {
    const address = `task-manager/${name}`
    this.#killed.add(address)
    this.#taskManagers.delete(address)
    await this.#system.stop({ address })
  }

  tellTaskManager(name: string, message: TaskManagerInbox): void {
    this.#client?.tell(taskManagerReference(`task-manager/${name}`), message)
  }

  submit(): void {
    const submission = {
      jobId: this.jobId,
      plan: planOf(createJobGraph(buildJob(this.#definition))),
      job: { bundleUrl: 'inline:', arguments: [], configuration: {} },
      blobStore: { type: 'memory', name: 'own' },
      hasCheckpointStore: true,
      restore: undefined,
      leftTransactions: [],
    } as const
    const client = `client/${this.jobId}`
    this.#system.spawn<ClientMessage>(client, (context) => {
      this.#client = context
      context.tell(jobManagerReference, { type: 'submitJob', requestId: 'first', client, submission })
      return {
        receive: (message) => {
          if (message.type !== 'submitted') this.status = message.status
          if (message.type === 'ended') this.hasEnded = true
        },
        // A new leader's JobMaster has told others before.
        interrupted: () => {},
      }
    })
  }

  drain(): void {
    this.#client?.tell(jobMasterReference(this.jobId), { type: 'drainJob' })
  }

  async close(): Promise<void> {
    await this.#system.stop(jobManagerReference)
    for (const address of this.#taskManagers) await this.#system.stop({ address })
  }

  #jobMasterOf(context: ActorContext<JobMasterInbox>, started: StartedJob): AdoptingJobMaster {
    if (started.type === 'fresh') throw new Error('jobs of a cluster begin from their record')
    const { client, records } = started
    const resources = {
      ports: systemPorts,
      logger: silentLogger,
      checkpointStore: this.checkpoints,
      restoredStore: undefined,
      records,
      enumeratorOf,
    }
    return new AdoptingJobMaster(context, { record: readRecord(started.record), client }, resources)
  }

  #moment() {
    return { epochMs: clock.now(), monotonicMs: clock.monotonicMs(), random: random.next() }
  }

  get storedJobs(): readonly JobId[] {
    return [...this.plane.jobs.keys()]
  }
}
