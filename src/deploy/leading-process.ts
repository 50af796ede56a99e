import { connect } from 'node:net'
import { AdoptingJobMaster } from '../actors/adopting-job-master.ts'
import type { JobManagerCluster } from '../actors/cluster-ports.ts'
import type { Leadership } from '../actors/election/leader-election.ts'
import { JobManager, type StartedJob } from '../actors/job-manager.ts'
import { toLeader } from '../actors/obeyed-leader.ts'
import { ActorSystem } from '../actors/runtime/actor-system.ts'
import { microtaskExecutor } from '../actors/runtime/executor.ts'
import { RedisStreamsTransport } from '../actors/transport/redis-streams.ts'
import { StreamClient } from '../actors/transport/stream-client.ts'
import type { EnumeratorOf } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import { type JobId, leaderToken } from '../common/ids.ts'
import type { Logger } from '../common/logger.ts'
import { systemPorts } from '../common/system-ports.ts'
import type { Configuration } from '../config/configuration.ts'
import { ledJobOf } from '../coordinator/job-manager/led-job.ts'
import { readRecord, recordOf } from '../coordinator/job-master/job-record.ts'
import { newJobMaster } from '../coordinator/job-master/state.ts'
import { controlKeys } from '../redis/control-keys.ts'
import { openRedis, type RedisConnection } from '../redis/redis-connection.ts'
import { controlRedisOptions, stateRedisOptions } from '../redis/redis-options.ts'
import { blobPrefix } from '../state/redis/blob-keys.ts'
import { RedisBlobStore } from '../state/redis/redis-blob-store.ts'
import { RedisCheckpointStore } from '../state/redis/redis-checkpoint-store.ts'
import { RedisControlStore } from '../state/redis/redis-control-store.ts'
import { type ClusterSettings, clusterSettings, streamCapacity, streamOf } from './cluster-settings.ts'
import { LeadingGateway } from './leading-gateway.ts'
import { LeadingStore } from './leading-store.ts'

/** Everything of one leadership: ended at once when it is lost, and never taken up again. */
export interface LeadingProcess {
  readonly gateway: LeadingGateway
  /** Nothing is sent or written any more when this returns; resolves when all is closed. */
  end(): Promise<void>
}

export interface LeadingProcessOptions {
  readonly configuration: Configuration
  readonly leadership: Leadership
  readonly enumeratorOf: EnumeratorOf
  readonly logger: Logger
}

const probeMs = 300

/** Puts JobManager, JobMasters and their stores together for one leadership. @throws MillraceError MR_REDIS_… */
export async function startLeading(options: LeadingProcessOptions): Promise<LeadingProcess> {
  const { configuration, leadership, logger } = options
  const settings = clusterSettings(configuration)
  const keys = controlKeys(settings.clusterId)
  const control = controlRedisOptions(configuration)
  const { clock } = systemPorts
  const connection = await openRedis(control, clock)
  let ended = false
  void connection.lost.then((reason) => {
    if (!ended) leadership.claimAgain(reason.message)
  })
  const authority = { token: leadership.token, isValid: () => !ended && leadership.isValid() }
  const store = new LeadingStore(new RedisControlStore({ connection, keys, authority }))
  const transport = transportOf(options, settings, () => ended)
  const system = new ActorSystem({ transport, ports: systemPorts, executor: microtaskExecutor, logger })
  const prefix = blobPrefix(settings.clusterId)
  const blobStore = new RedisBlobStore(stateRedisOptions(configuration), prefix, clock)
  const stores = new JobStores({ connection, blobStore, authority, keys })
  const gateway = new LeadingGateway({
    system,
    store,
    configuration,
    clusterId: settings.clusterId,
    blobPrefix: prefix,
  })
  for (const { record } of await store.jobs()) gateway.observe(readRecord(record).submission)
  const manager = system.spawn<Parameters<JobManager['receive']>[0]>('job-manager', (context) => {
    return new JobManager(context, {
      slotRequestTimeoutMs: settings.slotRequestTimeoutMs,
      startJobMaster: (job) => (inner) =>
        adopting(
          job,
          (start, records) =>
            new AdoptingJobMaster(inner, start, {
              ports: systemPorts,
              logger: logger.child({ jobId: start.record.submission.jobId }),
              checkpointStore: start.record.submission.hasCheckpointStore
                ? stores.of(start.record.submission.jobId)
                : undefined,
              restoredStore: undefined,
              records,
              enumeratorOf: options.enumeratorOf,
            }),
        ),
      cluster: clusterPorts({ leadership, store, stores, transport, logger }, settings),
    })
  })
  transport.start()
  return {
    gateway,
    end: async () => {
      ended = true
      const closed = transport.close()
      connection.close()
      await system.stop(manager)
      blobStore.close()
      await closed
    },
  }
}

interface LedResources {
  readonly leadership: Leadership
  readonly store: LeadingStore
  readonly stores: JobStores
  readonly transport: RedisStreamsTransport
  readonly logger: Logger
}

function clusterPorts(
  { leadership, store, stores, transport, logger }: LedResources,
  settings: ClusterSettings,
): JobManagerCluster & { readonly logger: Logger } {
  const { clock } = systemPorts
  const keys = controlKeys(settings.clusterId)
  return {
    clock,
    timeouts: { ...settings, probeMs },
    store,
    logger,
    newRecord: (submission, requestId) =>
      recordOf(
        newJobMaster({ ...submission, token: systemPorts.ids.unique() }),
        { ...submission, requestId },
        { epochMs: clock.now(), monotonicMs: clock.monotonicMs(), random: systemPorts.random.next() },
      ),
    readJob: ledJobOf,
    removeState: async (id) => await stores.of(id).discard(),
    inboxReadAtMs: () => transport.readAtMs,
    ownPosition: () => transport.position,
    trim: (id, lowestKept) => transport.trim(id === 'leader' ? keys.leaderInbox : keys.inbox(id), lowestKept),
    onFenced: () => leadership.claimAgain('a write was refused, or it is not known whether it was done'),
    onSuperseded: (token) => leadership.tokenSeen(leaderToken(token)),
    connectionRefused,
  }
}

function transportOf(
  { configuration, leadership, logger }: LeadingProcessOptions,
  settings: ClusterSettings,
  hasEnded: () => boolean,
): RedisStreamsTransport {
  const { clock } = systemPorts
  const keys = controlKeys(settings.clusterId)
  const client = new StreamClient({
    open: () => openRedis(controlRedisOptions(configuration), clock),
    clock,
    leaderKey: keys.leader,
    leaderToken: () => leadership.token,
    capacity: streamCapacity,
  })
  return new RedisStreamsTransport({
    client,
    clock,
    logger,
    stream: keys.leaderInbox,
    position: leadership.inboxStart,
    streamOf: (to) => streamOf(keys, to),
    leaderToken: () => leadership.token,
    admits: ({ leaderToken: told }) => {
      const obeyed = told === undefined ? undefined : leaderToken(told)
      const verdict = toLeader(leadership.token, obeyed)
      if (verdict === 'superseded' && obeyed !== undefined && !hasEnded()) leadership.tokenSeen(obeyed)
      return verdict === 'admitted'
    },
    onFenced: () => {
      if (!hasEnded()) leadership.fenced('a message was refused: another process leads')
    },
    silenceMs: 3 * settings.heartbeatIntervalMs,
  })
}

interface JobStoreOptions {
  readonly connection: RedisConnection
  readonly blobStore: RedisBlobStore
  readonly authority: { readonly token: Leadership['token']; isValid(): boolean }
  readonly keys: ReturnType<typeof controlKeys>
}

/** The checkpoint stores of jobs: one a job, since it knows its revision. */
class JobStores {
  readonly #options: JobStoreOptions
  readonly #stores = new Map<JobId, RedisCheckpointStore>()

  constructor(options: JobStoreOptions) {
    this.#options = options
  }

  of(id: JobId): RedisCheckpointStore {
    const known = this.#stores.get(id)
    if (known !== undefined) return known
    const { connection, blobStore, authority, keys } = this.#options
    const store = new RedisCheckpointStore({
      jobId: id,
      keys,
      connect: async () => connection,
      token: () => {
        if (authority.isValid()) return authority.token
        throw new MillraceError('MR_FENCED', `the lease of ${authority.token} has ended: nothing is written (I3)`)
      },
      blobStore,
    })
    this.#stores.set(id, store)
    return store
  }
}

type Adopted = Extract<StartedJob, { readonly type: 'adopted' }>

function adopting(
  job: StartedJob,
  start: (
    start: { readonly record: ReturnType<typeof readRecord>; readonly client: string },
    records: Adopted['records'],
  ) => AdoptingJobMaster,
): AdoptingJobMaster {
  if (job.type === 'fresh') throw new MillraceError('MR_INTERNAL', 'jobs of a cluster start from their records')
  return start({ record: readRecord(job.record), client: job.client }, job.records)
}

/** Only a refusal tells something: an address that does not answer may be behind a partition. */
function connectionRefused(dataAddress: string): Promise<boolean> {
  const at = dataAddress.lastIndexOf(':')
  return new Promise((resolve) => {
    const socket = connect({
      host: dataAddress.slice(0, at).replace(/^\[|\]$/g, ''),
      port: Number(dataAddress.slice(at + 1)),
    })
    const settle = (refused: boolean): void => {
      socket.destroy()
      resolve(refused)
    }
    socket.setTimeout(probeMs, () => settle(false))
    socket.once('connect', () => settle(false))
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ECONNREFUSED'))
  })
}
