import type { z } from 'zod'
import type { ClusterJob, ObservedCheckpoint } from '../cluster-gateway.ts'
import type { CheckpointStatistics, checkpointConfiguration } from '../schemas/checkpoints.ts'

type Statistics = CheckpointStatistics['summary']['state_size']

export function checkpointsAnswer({ status, checkpoints }: ClusterJob): CheckpointStatistics {
  const { completed, failed, inProgress } = status.checkpoints
  const history = checkpoints.map(checkpointOf)
  const written = statisticsOf(checkpoints.map(({ writtenBytes }) => writtenBytes))
  const nothing = statisticsOf([])
  return {
    counts: {
      restored: 0,
      total: completed + failed + Number(inProgress),
      in_progress: Number(inProgress),
      completed,
      failed,
    },
    summary: {
      checkpointed_size: written,
      state_size: written,
      end_to_end_duration: statisticsOf(checkpoints.map(({ durationMs }) => durationMs)),
      alignment_buffered: nothing,
      processed_data: nothing,
      persisted_data: nothing,
    },
    latest: { completed: history[0] ?? null, savepoint: null, failed: null, restored: null },
    history,
  }
}

function checkpointOf(checkpoint: ObservedCheckpoint): CheckpointStatistics['history'][number] {
  const { id, triggeredAt, durationMs, writtenBytes, subtasks } = checkpoint
  return {
    className: 'completed',
    id,
    status: 'COMPLETED',
    is_savepoint: false,
    savepointFormat: null,
    trigger_timestamp: triggeredAt,
    latest_ack_timestamp: triggeredAt + Math.round(durationMs),
    checkpointed_size: writtenBytes,
    state_size: writtenBytes,
    end_to_end_duration: Math.round(durationMs),
    alignment_buffered: 0,
    processed_data: 0,
    persisted_data: 0,
    num_subtasks: subtasks,
    num_acknowledged_subtasks: subtasks,
    checkpoint_type: 'CHECKPOINT',
    tasks: {},
    external_path: `chk-${id}`,
    discarded: false,
  }
}

/** Of no values: zeros. Quantiles are those of the nearest rank. */
function statisticsOf(values: readonly number[]): Statistics {
  const sorted = values.toSorted((left, right) => left - right)
  const quantile = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
  const sum = sorted.reduce((total, value) => total + value, 0)
  return {
    min: Math.round(sorted[0] ?? 0),
    max: Math.round(sorted.at(-1) ?? 0),
    avg: sorted.length === 0 ? 0 : Math.round(sum / sorted.length),
    p50: quantile(0.5),
    p90: quantile(0.9),
    p95: quantile(0.95),
    p99: quantile(0.99),
    p999: quantile(0.999),
  }
}

/** Of a job without checkpoints Flink gives an interval that never passes. */
const never = Number.MAX_SAFE_INTEGER

export function checkpointConfigurationAnswer(
  { plan }: ClusterJob,
  storage: string,
): z.infer<typeof checkpointConfiguration> {
  const { checkpointing } = plan.configuration
  return {
    mode: checkpointing?.mode === 'at-least-once' ? 'at_least_once' : 'exactly_once',
    interval: checkpointing?.intervalMs ?? never,
    timeout: checkpointing?.timeoutMs ?? 0,
    min_pause: checkpointing?.minPauseMs ?? 0,
    max_concurrent: 1,
    externalization: { enabled: false, delete_on_cancellation: true },
    state_backend: 'memory',
    checkpoint_storage: storage,
    unaligned_checkpoints: false,
    tolerable_failed_checkpoints: checkpointing?.tolerableFailedCheckpoints ?? 0,
    aligned_checkpoint_timeout: 0,
    checkpoints_after_tasks_finish: true,
    state_changelog_enabled: false,
    changelog_periodic_materialization_interval: 0,
    changelog_storage: '',
  }
}
