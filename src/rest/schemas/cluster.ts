import { z } from 'zod'
import { count, epochMs, jobIdText, long } from './common.ts'

/** GET /config */
export const dashboardConfiguration = z
  .object({
    'refresh-interval': count.describe('Milliseconds'),
    'timezone-name': z.string(),
    'timezone-offset': z.int(),
    'flink-version': z.string().describe('The version of Flink whose REST API this is alike'),
    'flink-revision': z.string().describe('The version of Millrace'),
    features: z.object({
      'web-submit': z.boolean(),
      'web-cancel': z.boolean(),
      'web-rescale': z.boolean(),
      'web-history': z.boolean(),
    }),
  })
  .describe('What a dashboard should know at its start')

/** GET /overview */
export const clusterOverview = z
  .object({
    taskmanagers: count,
    'taskmanagers-blocked': count,
    'slots-total': count,
    'slots-available': count,
    'slots-free-and-blocked': count,
    'jobs-running': count,
    'jobs-finished': count,
    'jobs-cancelled': count,
    'jobs-failed': count,
    'flink-version': z.string(),
    'flink-commit': z.string(),
  })
  .describe('The cluster in numbers')

const resourceProfile = z.object({
  cpuCores: z.number(),
  taskHeapMemory: long.describe('MB'),
  taskOffHeapMemory: long,
  managedMemory: long.describe('MB'),
  networkMemory: long,
  extendedResources: z.record(z.string(), z.number()),
})

export const taskManager = z
  .object({
    id: z.string(),
    path: z.string().describe('Address of its actor'),
    dataPort: z.int(),
    jmxPort: z.int(),
    timeSinceLastHeartbeat: epochMs,
    slotsNumber: count,
    freeSlots: count,
    totalResource: resourceProfile,
    freeResource: resourceProfile,
    hardware: z.object({ cpuCores: count, physicalMemory: long, freeMemory: long, managedMemory: long }),
    memoryConfiguration: z.record(z.string(), long),
    blocked: z.boolean(),
  })
  .describe('A TaskManager')

/** GET /taskmanagers */
export const taskManagers = z.object({ taskmanagers: z.array(taskManager) })

/** GET /jobmanager/config */
export const jobManagerConfiguration = z
  .array(z.object({ key: z.string(), value: z.string() }))
  .describe('The configuration of the JobManager; secrets are hidden')

/** GET /jobs */
export const jobIds = z.object({ jobs: z.array(z.object({ id: jobIdText, status: z.string() })) })

/** GET /leader */
export const leader = z
  .object({
    leading: z.boolean().describe('Whether the JobManager that answers leads'),
    address: z.string().nullable().describe('Where the REST server of the leader is; null: nobody leads'),
  })
  .describe('Who leads')
