import { z } from 'zod'
import { count, epochMs, jobIdText, long, vertexIdText } from './common.ts'

export const flinkJobState = z.enum([
  'INITIALIZING',
  'CREATED',
  'RUNNING',
  'FAILING',
  'FAILED',
  'CANCELLING',
  'CANCELED',
  'FINISHED',
  'RESTARTING',
  'SUSPENDED',
  'RECONCILING',
])

export const executionState = z.enum([
  'CREATED',
  'SCHEDULED',
  'DEPLOYING',
  'INITIALIZING',
  'RUNNING',
  'FINISHED',
  'CANCELING',
  'CANCELED',
  'FAILED',
  'RECONCILING',
])

const counts = z.record(executionState, count).describe('Subtasks by state')

const taskCounts = z.object({
  total: count,
  created: count,
  scheduled: count,
  deploying: count,
  initializing: count,
  running: count,
  finished: count,
  canceling: count,
  canceled: count,
  failed: count,
  reconciling: count,
})

const jobOverview = z.object({
  jid: jobIdText,
  name: z.string(),
  state: flinkJobState,
  'start-time': epochMs,
  'end-time': epochMs,
  duration: long.describe('Milliseconds'),
  'last-modification': epochMs,
  tasks: taskCounts,
  'pending-operators': count,
})

/** GET /jobs/overview */
export const jobsOverview = z.object({ jobs: z.array(jobOverview) }).describe('All jobs')

const ioMetrics = z.object({
  'read-bytes': long,
  'read-bytes-complete': z.boolean(),
  'write-bytes': long,
  'write-bytes-complete': z.boolean(),
  'read-records': long,
  'read-records-complete': z.boolean(),
  'write-records': long,
  'write-records-complete': z.boolean(),
  'accumulated-backpressured-time': long,
  'accumulated-idle-time': long,
  'accumulated-busy-time': z.number(),
})

const jobVertex = z.object({
  id: vertexIdText,
  slotSharingGroupId: z.string(),
  name: z.string(),
  maxParallelism: count,
  parallelism: count,
  status: executionState,
  'start-time': epochMs,
  'end-time': epochMs,
  duration: long,
  tasks: counts,
  metrics: ioMetrics,
})

const planNode = z.object({
  id: vertexIdText,
  parallelism: count,
  operator: z.string(),
  operator_strategy: z.string(),
  description: z.string(),
  inputs: z
    .array(z.object({ num: count, id: vertexIdText, ship_strategy: z.string(), exchange: z.string() }))
    .optional(),
  optimizer_properties: z.object({}),
})

const plan = z.object({ jid: jobIdText, name: z.string(), type: z.string(), nodes: z.array(planNode) })

/** GET /jobs/:jobid/plan */
export const jobPlan = z.object({ plan }).describe('The graph of a job')

/** GET /jobs/:jobid */
export const jobDetails = z
  .object({
    jid: jobIdText,
    name: z.string(),
    isStoppable: z.boolean(),
    state: flinkJobState,
    'job-type': z.string(),
    'start-time': epochMs,
    'end-time': epochMs,
    duration: long,
    maxParallelism: long,
    now: epochMs,
    timestamps: z.record(flinkJobState, long),
    vertices: z.array(jobVertex),
    'status-counts': counts,
    plan,
    'pending-operators': count,
  })
  .describe('A job with its vertices')

/** GET /jobs/:jobid/status */
export const jobState = z.object({ status: flinkJobState })

/** GET /jobs/:jobid/config */
export const jobConfiguration = z.object({
  jid: jobIdText,
  name: z.string(),
  'execution-config': z.object({
    'restart-strategy': z.string(),
    'job-parallelism': count,
    'object-reuse-mode': z.boolean(),
    'user-config': z.record(z.string(), z.string()),
  }),
})

const exceptionInfo = {
  exceptionName: z.string(),
  stacktrace: z.string(),
  timestamp: epochMs,
  failureLabels: z.record(z.string(), z.string()),
  taskName: z.string().nullable(),
  endpoint: z.string().nullable(),
  taskManagerId: z.string().nullable(),
}

/** GET /jobs/:jobid/exceptions */
export const jobExceptions = z
  .object({
    exceptionHistory: z.object({
      entries: z.array(z.object({ ...exceptionInfo, concurrentExceptions: z.array(z.object(exceptionInfo)) })),
      truncated: z.boolean(),
    }),
  })
  .describe('Failures, the newest first')

export type FlinkJobState = z.infer<typeof flinkJobState>
export type ExecutionState = z.infer<typeof executionState>
export type JobsOverview = z.infer<typeof jobsOverview>
export type JobDetails = z.infer<typeof jobDetails>
export type JobExceptions = z.infer<typeof jobExceptions>
