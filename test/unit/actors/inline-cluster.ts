import { onTestFinished } from 'vitest'
import type { JobClient } from '../../../src/actors/job-client.ts'
import {
  type JobResult,
  type JobSubmission,
  type LocalCluster,
  type LocalTaskManager,
  startLocalCluster,
} from '../../../src/actors/local-cluster.ts'
import { InProcessTransport } from '../../../src/actors/transport/in-process.ts'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import { buildJob, type JobDefinition, job } from '../../../src/api/job.ts'
import type { Sink, SinkWriter } from '../../../src/api/sink.ts'
import type { EnumeratorOf } from '../../../src/api/source.ts'
import { jobId } from '../../../src/common/ids.ts'
import type { JsonValue } from '../../../src/common/json.ts'
import { silentLogger } from '../../../src/common/logger.ts'
import type { Clock } from '../../../src/common/ports.ts'
import { systemPorts } from '../../../src/common/system-ports.ts'
import type { JobStatus } from '../../../src/coordinator/job-master/job-status.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { planOf } from '../../../src/graph/plan.ts'
import type { RemoteLinks } from '../../../src/network/remote-links.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { InlineSlotHost } from '../../../src/task/inline-slot-host.ts'
import { turn } from '../../../src/task/turn.ts'
import { enumeratorOfTest } from '../../../src/testing/connectors.ts'
import { RecordingCheckpointStore } from './recording-checkpoint-store.ts'

export const enumeratorOf: EnumeratorOf = enumeratorOfTest({})

/** Publishes by checkpoint, as an exactly-once sink has to: what was prepared becomes visible by its commit, once. */
export class TransactionalList<T> implements Sink<T> {
  readonly connector = 'list'
  readonly deliveryGuarantee = 'exactly-once'
  readonly committed: T[] = []
  readonly #published = new Set<string>()
  commitDelay: () => Promise<void> = async () => {}

  createWriter({ attemptId }: Parameters<Sink<T>['createWriter']>[0]): SinkWriter<T> {
    let open: T[] = []
    let prepared = 0
    return {
      writable: true,
      write: (value) => void open.push(value),
      prepareCommit: async () => {
        const values = open
        open = []
        if (values.length === 0) return []
        return [{ id: `${attemptId}-${prepared++}`, values: structuredClone(values) as JsonValue }]
      },
      commit: async (committables) => {
        await this.commitDelay()
        for (const committable of committables) this.#publish(committable as unknown as { id: string; values: T[] })
      },
      close: async () => {},
    }
  }

  #publish({ id, values }: { readonly id: string; readonly values: readonly T[] }): void {
    if (this.#published.has(id)) return
    this.#published.add(id)
    this.committed.push(...values)
  }
}

export interface InlineClusterOptions {
  readonly slots: number
  readonly clock?: Clock
  readonly enumeratorOf?: EnumeratorOf
  /** Each with `slots`. Default 1 */
  readonly taskManagers?: number
  /** A TaskManager for each, linked by it. */
  readonly networks?: readonly NetworkOfTaskManager[]
}

export interface NetworkOfTaskManager {
  readonly taskManager: string
  readonly network: RemoteLinks & { readonly address: string }
}

/** Waits until the job's status is so; fails when the job has ended before. */
export async function until(client: JobClient, condition: (status: JobStatus) => boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const check = (status: JobStatus): void => {
      if (condition(status)) resolve()
    }
    client.onChange(check)
    check(client.status())
    void client.result.then(({ state, error }) => reject(new Error(`the job is ${state}: ${error?.message}`)))
  })
}

/** A cluster with inline slots in this thread, messages copied as another process would get them. */
export class InlineCluster {
  readonly store = new RecordingCheckpointStore()
  readonly blobs: MemoryBlobStore
  readonly host: InlineSlotHost
  readonly cluster: LocalCluster
  readonly #definition: JobDefinition
  readonly #jobId = jobId(systemPorts.ids.hexadecimal())

  /** `blobs`: of an earlier run, to restore from. */
  constructor(
    build: (env: StreamExecutionEnvironment) => void,
    options: InlineClusterOptions,
    blobs = new MemoryBlobStore(),
  ) {
    this.blobs = blobs
    const clock = options.clock ?? systemPorts.clock
    const definition = job('tested', build)
    this.#definition = definition
    const newHost = (): InlineSlotHost =>
      new InlineSlotHost({
        clock,
        turn,
        graphOf: (start) => createJobGraph(buildJob(definition, [], start.job.configuration)),
        blobStoreOf: () => this.blobs,
        warn: () => {},
      })
    this.host = newHost()
    const { taskManagers, networks = [] } = options
    const [first] = networks
    const taskManagerOf = (index: number): LocalTaskManager => {
      const { taskManager: address, network } = networks[index] as NetworkOfTaskManager
      return { address, slotHost: newHost(), remoteLinks: network, dataAddress: network.address }
    }
    this.cluster = startLocalCluster({
      ports: { ...systemPorts, clock },
      slotHost: this.host,
      numberOfTaskSlots: options.slots,
      ...(taskManagers === undefined ? {} : { taskManagers }),
      ...(first === undefined ? {} : { taskManagers: networks.length, taskManagerOf }),
      slotMemory: { heapLimitBytes: 2 ** 33, managedBytes: 2 ** 26 },
      enumeratorOf: options.enumeratorOf ?? enumeratorOf,
      logger: silentLogger,
      transport: new InProcessTransport({ clone: true }),
      killProcess: (error) => {
        throw new Error(error.message)
      },
    })
    onTestFinished(() => this.cluster.close())
  }

  submission(changes: Partial<JobSubmission> = {}): JobSubmission {
    return {
      jobId: this.#jobId,
      plan: planOf(createJobGraph(buildJob(this.#definition))),
      job: { bundleUrl: 'inline:', arguments: [], configuration: {} },
      checkpointStore: this.store,
      blobStore: { type: 'memory', name: 'own' },
      restore: undefined,
      ...changes,
    }
  }

  submit(changes: Partial<JobSubmission> = {}) {
    return this.cluster.submit(this.submission(changes))
  }

  async run(changes: Partial<JobSubmission> = {}): Promise<JobResult> {
    return (await this.submit(changes)).result
  }
}
