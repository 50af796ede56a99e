import { z } from 'zod'
import { count, epochMs, long } from './common.ts'

const statistics = z.object({
  min: long,
  max: long,
  avg: long,
  p50: z.number(),
  p90: z.number(),
  p95: z.number(),
  p99: z.number(),
  p999: z.number(),
})

const completedCheckpoint = z.object({
  className: z.literal('completed'),
  id: count,
  status: z.literal('COMPLETED'),
  is_savepoint: z.boolean(),
  savepointFormat: z.string().nullable(),
  trigger_timestamp: epochMs,
  latest_ack_timestamp: epochMs,
  checkpointed_size: long.describe('Bytes that this checkpoint has written'),
  state_size: long,
  end_to_end_duration: long.describe('Milliseconds'),
  alignment_buffered: long,
  processed_data: long,
  persisted_data: long,
  num_subtasks: count,
  num_acknowledged_subtasks: count,
  checkpoint_type: z.string(),
  tasks: z.record(z.string(), z.unknown()),
  external_path: z.string(),
  discarded: z.boolean(),
})

/** GET /jobs/:jobid/checkpoints */
export const checkpointStatistics = z
  .object({
    counts: z.object({ restored: count, total: count, in_progress: count, completed: count, failed: count }),
    summary: z.object({
      checkpointed_size: statistics,
      state_size: statistics,
      end_to_end_duration: statistics,
      alignment_buffered: statistics,
      processed_data: statistics,
      persisted_data: statistics,
    }),
    latest: z.object({
      completed: completedCheckpoint.nullable(),
      savepoint: z.null(),
      failed: z.null(),
      restored: z.null(),
    }),
    history: z.array(completedCheckpoint),
  })
  .describe('Checkpoints of a job since the present JobManager leads')

/** GET /jobs/:jobid/checkpoints/config */
export const checkpointConfiguration = z
  .object({
    mode: z.enum(['exactly_once', 'at_least_once']),
    interval: long.describe('Milliseconds'),
    timeout: long,
    min_pause: long,
    max_concurrent: count,
    externalization: z.object({ enabled: z.boolean(), delete_on_cancellation: z.boolean() }),
    state_backend: z.string(),
    checkpoint_storage: z.string(),
    unaligned_checkpoints: z.boolean(),
    tolerable_failed_checkpoints: count,
    aligned_checkpoint_timeout: long,
    checkpoints_after_tasks_finish: z.boolean(),
    state_changelog_enabled: z.boolean(),
    changelog_periodic_materialization_interval: long,
    changelog_storage: z.string(),
  })
  .describe('How a job takes checkpoints')

export type CheckpointStatistics = z.infer<typeof checkpointStatistics>
