import { MillraceError } from '../common/errors.ts'
import type { Configuration } from '../config/configuration.ts'
import type { ControlKeys } from '../redis/control-keys.ts'
import type { SlotMemory } from '../task/slot-protocol.ts'

/** What processes of a cluster have to agree on, or need in common. Times in milliseconds. */
export interface ClusterSettings {
  readonly clusterId: string
  readonly leaseMs: number
  readonly heartbeatIntervalMs: number
  readonly heartbeatTimeoutMs: number
  readonly slotRequestTimeoutMs: number
  readonly taskManagerHost: string
  /** 0: any that is free. */
  readonly dataPort: number
  readonly checkpointStorage: 'redis' | 'filesystem'
}

const defaultHeartbeatIntervalMs = 1000
const defaultHeartbeatTimeoutMs = 10_000
const defaultSlotRequestTimeoutMs = 5 * 60_000
const defaultLeaseMs = 3000

/** Entries that a stream of messages holds at most. */
export const streamCapacity = 100_000

/** @throws MillraceError MR_CONFIGURATION where keys do not go together */
export function clusterSettings(configuration: Configuration): ClusterSettings {
  const heartbeatIntervalMs = numberOf(configuration, 'heartbeat.interval', defaultHeartbeatIntervalMs)
  const heartbeatTimeoutMs = numberOf(configuration, 'heartbeat.timeout', defaultHeartbeatTimeoutMs)
  if (heartbeatIntervalMs <= 0 || heartbeatTimeoutMs < 2 * heartbeatIntervalMs) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      `heartbeat.timeout: ${heartbeatTimeoutMs} ms is not allowed with a heartbeat.interval of ${heartbeatIntervalMs} ms; it takes at least twice that, and the interval more than 0`,
    )
  }
  const filesystem = configuration['execution.checkpointing.storage'] === 'filesystem'
  if (filesystem && configuration['execution.checkpointing.dir'] === undefined) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      'execution.checkpointing.storage: filesystem needs execution.checkpointing.dir, a folder that all machines of the cluster share',
    )
  }
  return {
    clusterId: textOf(configuration, 'high-availability.cluster-id', 'default'),
    leaseMs: numberOf(configuration, 'high-availability.lease-duration', defaultLeaseMs),
    heartbeatIntervalMs,
    heartbeatTimeoutMs,
    slotRequestTimeoutMs: numberOf(configuration, 'slot.request.timeout', defaultSlotRequestTimeoutMs),
    taskManagerHost: textOf(configuration, 'taskmanager.host', '127.0.0.1'),
    dataPort: numberOf(configuration, 'taskmanager.data.port', 0),
    checkpointStorage: filesystem ? 'filesystem' : 'redis',
  }
}

const taskManagerPrefix = 'task-manager/'

/** The stream of the process that an address lives in: the TaskManager's own, or the leader's. */
export function streamOf(keys: ControlKeys, address: string): string {
  return address.startsWith(taskManagerPrefix) ? keys.inbox(address.slice(taskManagerPrefix.length)) : keys.leaderInbox
}

const defaultManagedBytes = 2 ** 30
const defaultHeapLimitBytes = 2 ** 31

/** Managed memory is divided equally among the slots, as in Flink. */
export function slotMemory(configuration: Configuration, slots: number): SlotMemory {
  return {
    managedBytes: Math.floor(numberOf(configuration, 'taskmanager.memory.managed.size', defaultManagedBytes) / slots),
    heapLimitBytes: numberOf(configuration, 'taskmanager.memory.task.heap.size', defaultHeapLimitBytes),
  }
}

function numberOf(configuration: Configuration, key: string, otherwise: number): number {
  const value = configuration[key]
  return typeof value === 'number' ? value : otherwise
}

function textOf(configuration: Configuration, key: string, otherwise: string): string {
  const value = configuration[key]
  return typeof value === 'string' && value !== '' ? value : otherwise
}
