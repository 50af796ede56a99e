import { tmpdir } from 'node:os'
import { ObeyedLeader } from '../actors/obeyed-leader.ts'
import { ActorSystem } from '../actors/runtime/actor-system.ts'
import { microtaskExecutor } from '../actors/runtime/executor.ts'
import { TaskManager } from '../actors/task-manager.ts'
import { RedisStreamsTransport } from '../actors/transport/redis-streams.ts'
import { StreamClient } from '../actors/transport/stream-client.ts'
import type { ErrorData } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { systemPorts } from '../common/system-ports.ts'
import type { Configuration } from '../config/configuration.ts'
import { DataNetwork } from '../network/data-network.ts'
import { type ControlKeys, controlKeys } from '../redis/control-keys.ts'
import { openRedis } from '../redis/redis-connection.ts'
import { RedisConnections } from '../redis/redis-connections.ts'
import { controlRedisOptions, type RedisOptions, stateRedisOptions } from '../redis/redis-options.ts'
import { openCheckedRedis } from '../redis/reopened-connection.ts'
import { readBundle } from '../state/redis/redis-control-store.ts'
import { WorkerSlotHost } from '../task/worker-slot-host.ts'
import { BundledSlotHost } from './bundled-slot-host.ts'
import { clusterSecret } from './cluster-secret.ts'
import { clusterSettings, slotMemory, streamCapacity, streamOf } from './cluster-settings.ts'
import { JobBundles } from './job-bundles.ts'

export interface TaskManagerProcessOptions {
  readonly configuration: Configuration
  readonly numberOfTaskSlots: number
  readonly logger: Logger
  /** The process has to end; its supervisor starts it anew, under a new id (R22). */
  readonly giveUp: (error: ErrorData) => void
  /** The process may end (R29); `clean` false: its slots were not empty yet. */
  readonly left: (clean: boolean) => void
  /** A thread does not end (R32). */
  readonly killProcess: (error: ErrorData) => void
}

/** A TaskManager in its own process, from now to the end of that process. */
export interface TaskManagerProcess {
  /** The nanoid of this life. */
  readonly id: string
  /** Where the others dial. */
  readonly dataAddress: string
  /** SIGTERM: takes no new slots, and leaves when what runs here can go on elsewhere (R29). */
  leave(graceMs: number): void
  close(): Promise<void>
}

/**
 * Puts a TaskManager together and registers it with whoever leads.
 * @throws MillraceError MR_CONFIGURATION, MR_REDIS_…
 */
export async function startTaskManager(options: TaskManagerProcessOptions): Promise<TaskManagerProcess> {
  const { configuration, numberOfTaskSlots, logger } = options
  const { clock, ids } = systemPorts
  const settings = clusterSettings(configuration)
  const control = controlRedisOptions(configuration)
  const state = stateRedisOptions(configuration)
  const keys = controlKeys(settings.clusterId)
  const secret = await secretOf(configuration, control, keys)
  if (state.urls.join() !== control.urls.join()) await checkServer(state)
  const id = ids.unique()
  const address = `task-manager/${id}`
  const bundles = new JobBundles(bundleSource(control, keys), tmpdir())
  const network = await DataNetwork.listen({
    taskManager: address,
    secret,
    host: settings.taskManagerHost,
    port: settings.dataPort,
    clock,
    ids,
    logger,
  })
  const obeyed = new ObeyedLeader()
  const { client, transport } = messagesOf({
    control,
    keys,
    id,
    obeyed,
    logger,
    silenceMs: 3 * settings.heartbeatIntervalMs,
  })
  const system = new ActorSystem({ transport, ports: systemPorts, executor: microtaskExecutor, logger })
  const actor = system.spawn<Parameters<TaskManager['receive']>[0]>(
    address,
    (context) =>
      new TaskManager(context, {
        clock,
        slotHost: new BundledSlotHost(new WorkerSlotHost({ redis: state }), bundles),
        numberOfTaskSlots,
        slotMemory: slotMemory(configuration, numberOfTaskSlots),
        remoteLinks: network,
        dataAddress: network.address,
        killProcess: options.killProcess,
        cluster: {
          heartbeatIntervalMs: settings.heartbeatIntervalMs,
          host: settings.taskManagerHost,
          pid: process.pid,
          obeyed,
          position: () => transport.position,
          inboxExists: async () => (await client.lastId(keys.inbox(id))) !== undefined,
          giveUp: options.giveUp,
          left: options.left,
        },
      }),
  )
  transport.start()
  return {
    id,
    dataAddress: network.address,
    leave: (graceMs) => {
      transport.connect(address, ids.unique()).send(address, { type: 'tell', message: { type: 'leave', graceMs } })
    },
    close: async () => {
      await system.stop(actor)
      await transport.close()
      await network.close()
      bundles.close()
    },
  }
}

interface MessagesOptions {
  readonly control: RedisOptions
  readonly keys: ControlKeys
  readonly id: string
  readonly obeyed: ObeyedLeader
  readonly logger: Logger
  readonly silenceMs: number
}

function messagesOf({ control, keys, id, obeyed, logger, silenceMs }: MessagesOptions): {
  readonly client: StreamClient
  readonly transport: RedisStreamsTransport
} {
  const { clock } = systemPorts
  const client = new StreamClient({
    open: () => openRedis(control, clock),
    clock,
    leaderKey: keys.leader,
    leaderToken: () => undefined,
    capacity: streamCapacity,
  })
  const transport = new RedisStreamsTransport({
    client,
    clock,
    logger,
    stream: keys.inbox(id),
    position: '0-0',
    streamOf: (to) => streamOf(keys, to),
    leaderToken: () => obeyed.token,
    admits: (envelope) => obeyed.admits(envelope),
    onFenced: () => {},
    silenceMs,
  })
  return { client, transport }
}

async function secretOf(configuration: Configuration, control: RedisOptions, keys: ControlKeys): Promise<string> {
  const connection = await openCheckedRedis(control, systemPorts.clock)
  try {
    return await clusterSecret(configuration, { connection, keys, ids: systemPorts.ids })
  } finally {
    connection.close()
  }
}

async function checkServer(redis: RedisOptions): Promise<void> {
  const connection = await openCheckedRedis(redis, systemPorts.clock)
  connection.close()
}

const bundlePatienceMs = 30_000

function bundleSource(control: RedisOptions, keys: ControlKeys): (sha256: string) => Promise<Buffer> {
  const { clock } = systemPorts
  return async (sha256) => {
    const connections = new RedisConnections({ redis: control, count: 1, patienceMs: bundlePatienceMs, clock })
    try {
      return await connections.run((connection) => readBundle(connection, keys, sha256))
    } finally {
      connections.close()
    }
  }
}
