import type { z } from 'zod'
import { type ClusterJob, type ClusterTaskManager, hasEnded } from '../cluster-gateway.ts'
import type { clusterOverview, dashboardConfiguration, taskManager } from '../schemas/cluster.ts'

/** The version of Flink whose answers these are alike. */
const flinkVersion = '2.3.0'

export function configurationAnswer(version: string): z.infer<typeof dashboardConfiguration> {
  return {
    'refresh-interval': 3000,
    'timezone-name': 'UTC',
    'timezone-offset': 0,
    'flink-version': flinkVersion,
    'flink-revision': `millrace ${version}`,
    features: { 'web-submit': false, 'web-cancel': true, 'web-rescale': false, 'web-history': false },
  }
}

export function overviewAnswer(
  jobs: readonly ClusterJob[],
  taskManagers: readonly ClusterTaskManager[],
  version: string,
): z.infer<typeof clusterOverview> {
  const states = jobs.map(({ status }) => status.state)
  const inState = (...wanted: readonly string[]): number => states.filter((state) => wanted.includes(state)).length
  return {
    taskmanagers: taskManagers.length,
    'taskmanagers-blocked': 0,
    'slots-total': taskManagers.reduce((total, { slots }) => total + slots, 0),
    'slots-available': taskManagers.reduce((total, { freeSlots }) => total + freeSlots, 0),
    'slots-free-and-blocked': 0,
    'jobs-running': jobs.filter(({ status }) => !hasEnded(status)).length,
    'jobs-finished': inState('FINISHED'),
    'jobs-cancelled': inState('CANCELED', 'SUSPENDED'),
    'jobs-failed': inState('FAILED'),
    'flink-version': flinkVersion,
    'flink-commit': `millrace ${version}`,
  }
}

const bytesOfMb = 2 ** 20

export function taskManagerAnswer(one: ClusterTaskManager): z.infer<typeof taskManager> {
  const { id, slots, freeSlots, dataAddress, managedMemoryBytes, heapLimitBytes } = one
  return {
    id,
    path: `task-manager/${id}`,
    dataPort: Number(/:(\d+)$/.exec(dataAddress)?.[1] ?? -1),
    jmxPort: -1,
    timeSinceLastHeartbeat: one.lastHeartbeatAt,
    slotsNumber: slots,
    freeSlots,
    totalResource: resources(one, slots),
    freeResource: resources(one, freeSlots),
    hardware: { cpuCores: slots, physicalMemory: -1, freeMemory: -1, managedMemory: managedMemoryBytes },
    memoryConfiguration: {
      taskHeap: heapLimitBytes * slots,
      managedMemory: managedMemoryBytes,
      totalFlinkMemory: heapLimitBytes * slots + managedMemoryBytes,
    },
    blocked: false,
  }
}

function resources({ slots, managedMemoryBytes, heapLimitBytes }: ClusterTaskManager, ofSlots: number) {
  return {
    cpuCores: ofSlots,
    taskHeapMemory: Math.round((heapLimitBytes * ofSlots) / bytesOfMb),
    taskOffHeapMemory: 0,
    managedMemory: slots === 0 ? 0 : Math.round((managedMemoryBytes * ofSlots) / slots / bytesOfMb),
    networkMemory: 0,
    extendedResources: {},
  }
}
