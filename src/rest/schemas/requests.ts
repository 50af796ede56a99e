import { z } from 'zod'
import { count, jobIdText, long, vertexIdText } from './common.ts'

/** By which a repeated request is known (R24). */
export const requestId = z
  .string()
  .min(8)
  .max(64)
  .regex(/^[\w-]+$/, "a request id has letters, digits, '_' and '-'")
  .describe('Made by the client, one a request: whoever asks again with the same id gets the first answer')

const parallelism = z.int().min(1).max(32_768)

const planVertex = z.looseObject({
  id: vertexIdText.regex(/^[0-9a-f]{32}$/),
  name: z.string(),
  parallelism,
  maxParallelism: parallelism,
  slotSharingGroup: z.string(),
  operators: z
    .array(z.looseObject({ uid: z.string(), name: z.string(), kind: z.string(), stateful: z.boolean() }))
    .min(1),
  source: z
    .looseObject({
      description: z.looseObject({ connector: z.string() }),
      boundedness: z.enum(['bounded', 'continuous']),
    })
    .optional(),
})

const plan = z
  .looseObject({
    jobName: z.string().min(1).max(1000),
    hash: z.string(),
    configuration: z.looseObject({
      parallelism,
      maxParallelism: parallelism,
      checkpointing: z
        .looseObject({
          intervalMs: z.number().min(1),
          timeoutMs: z.number().min(1),
          minPauseMs: z.number().min(0),
          tolerableFailedCheckpoints: z.number().min(0),
          retained: z.int().min(1),
        })
        .optional(),
      restartStrategy: z.looseObject({
        type: z.enum(['none', 'fixed-delay', 'failure-rate', 'exponential-delay']),
      }),
      cancellationTimeoutMs: z.number().min(0),
    }),
    vertices: z.array(planVertex).min(1).max(10_000),
    edges: z
      .array(
        z.looseObject({
          id: count,
          fromVertex: z.string(),
          toVertex: z.string(),
          input: z.union([z.literal(0), z.literal(1)]),
          partitioner: z.string(),
        }),
      )
      .max(100_000),
  })
  .refine(
    ({ vertices, edges }) => {
      const ids = new Set(vertices.map(({ id }) => id))
      return edges.every(({ fromVertex, toVertex }) => ids.has(fromVertex) && ids.has(toVertex))
    },
    { error: 'an edge leads from or to a vertex that is not there' },
  )
  .describe('What millrace plan --json prints, with the secrets of connectors')

/** POST /jobs */
export const submission = z
  .object({
    requestId,
    bundle: z.string().min(1).describe('Text of one ES module, in base64'),
    plan,
    arguments: z.array(z.string()).default([]),
    configuration: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
    restore: z
      .object({
        from: z.string().min(1).describe('latest, the id of a job, such an id with /chk-<n>, or a path'),
        acceptDuplicates: z.boolean().default(false),
      })
      .optional(),
  })
  .describe('A job to run')

export const submitted = z.object({ jobid: jobIdText }).describe('The job is there')

/** POST /jobs/:jobid/stop */
export const stopRequest = z
  .object({
    drain: z.boolean().default(false).describe('The sources end and all windows fire, instead of a last checkpoint'),
    requestId: requestId.optional(),
    triggerId: requestId.optional().describe('The same, by the name that Flink gives it'),
    targetDirectory: z.string().nullish().describe('Of a savepoint, which Millrace does not write yet: refused'),
  })
  .nullish()
  .transform((body) => body ?? { drain: false })
  .describe('How to stop')

export const accepted = z.object({ 'request-id': z.string() }).describe('What was asked for will be done')

/** PATCH /jobs/:jobid */
export const patchQuery = z.object({
  mode: z.literal('cancel', { error: 'it takes cancel' }).default('cancel'),
  requestId: requestId.optional(),
})

export const errorInfo = z.object({
  code: z.string(),
  message: z.string(),
  operator: z.string().optional(),
  stack: z.string().optional(),
})

/** GET /jobs/:jobid/detail */
export const jobDetail = z
  .object({
    jobId: jobIdText,
    jobName: z.string(),
    state: z.string().describe('Flink has no DRAINING and no SUSPENDING; else as in /jobs/:jobid'),
    ended: z.boolean(),
    startedAt: long,
    endedAt: long.nullable(),
    now: long,
    metrics: z.object({
      recordsIn: count,
      recordsOut: count,
      lateRecordsDropped: count,
      deadLetters: count,
      lag: z.number().nullable().describe('Records behind the end of the input; null: not known'),
      watermark: z.number().nullable().describe('Epoch milliseconds; null: none yet'),
      heapUsedBytes: z.number(),
      managedUsedBytes: z.number(),
    }),
    checkpoints: z.object({
      enabled: z.boolean(),
      completed: count,
      failed: count,
      inProgress: z.boolean(),
      last: z
        .object({
          id: count,
          triggeredAt: long,
          durationMs: z.number(),
          writtenBytes: count,
          alignmentMs: z.number(),
          pauseMs: z.number(),
        })
        .nullable(),
      lastFailure: errorInfo.nullable(),
    }),
    restarts: count,
    lastFailure: errorInfo.nullable(),
    error: errorInfo.nullable().describe('Why it has failed, or why it has no last checkpoint'),
    vertices: z.array(
      z.object({
        id: vertexIdText,
        name: z.string(),
        parallelism: count,
        subtasks: z.record(z.string(), count),
        recordsIn: count,
        recordsOut: count,
        backpressured: count,
      }),
    ),
    taskManagers: z.array(z.string()).describe('Ids of the TaskManagers that it has slots of'),
  })
  .describe('A job as Millrace sees it')

export type JobDetail = z.infer<typeof jobDetail>
export type ErrorInfo = z.infer<typeof errorInfo>
