import { durationMs } from '../common/duration.ts'
import { MillraceError } from '../common/errors.ts'
import type { JsonValue } from '../common/json.ts'
import { defaultMaxParallelism } from '../common/key-groups.ts'
import type { CheckpointingConfiguration, JobConfiguration, RestartStrategy } from './job-configuration.ts'

/** Flink's keys with their values, as flags, environment and millrace.yaml give them; other keys are not a job's. */
export type ConfigurationValues = Readonly<Record<string, JsonValue>>

/** The keys that belong to a job; `resolveConfiguration` reads these. */
export const jobConfigurationKeys = [
  'parallelism.default',
  'pipeline.max-parallelism',
  'pipeline.auto-watermark-interval',
  'pipeline.columns',
  'execution.buffer-timeout.interval',
  'execution.checkpointing.interval',
  'execution.checkpointing.mode',
  'execution.checkpointing.timeout',
  'execution.checkpointing.min-pause',
  'execution.checkpointing.tolerable-failed-checkpoints',
  'state.checkpoints.num-retained',
  'restart-strategy.type',
  'restart-strategy.fixed-delay.attempts',
  'restart-strategy.fixed-delay.delay',
  'restart-strategy.failure-rate.max-failures-per-interval',
  'restart-strategy.failure-rate.failure-rate-interval',
  'restart-strategy.failure-rate.delay',
  'restart-strategy.exponential-delay.initial-backoff',
  'restart-strategy.exponential-delay.max-backoff',
  'restart-strategy.exponential-delay.backoff-multiplier',
  'restart-strategy.exponential-delay.reset-backoff-threshold',
  'restart-strategy.exponential-delay.jitter-factor',
  'task.cancellation.timeout',
] as const

export type JobConfigurationKey = (typeof jobConfigurationKeys)[number]

/** Flink's upper bound. */
export const highestMaxParallelism = 32_768

/**
 * The settings of a job from configuration keys. Text and numbers are taken alike, since flags are text.
 * @throws MillraceError MR_CONFIGURATION, naming key, value and what is allowed
 */
export function resolveConfiguration(values: ConfigurationValues): JobConfiguration {
  const checkpointing = checkpointingOf(values)
  return {
    parallelism: integer(values, 'parallelism.default', 1, { from: 1 }),
    maxParallelism: integer(values, 'pipeline.max-parallelism', defaultMaxParallelism, {
      from: 1,
      to: highestMaxParallelism,
    }),
    bufferTimeoutMs: duration(values, 'execution.buffer-timeout.interval', 5),
    autoWatermarkIntervalMs: duration(values, 'pipeline.auto-watermark-interval', 200),
    columns: choice(values, 'pipeline.columns', 'auto', ['auto', 'off']),
    checkpointing,
    restartStrategy: restartStrategyOf(values, checkpointing !== undefined),
    cancellationTimeoutMs: duration(values, 'task.cancellation.timeout', 30_000),
  }
}

function checkpointingOf(values: ConfigurationValues): CheckpointingConfiguration | undefined {
  const key = 'execution.checkpointing.interval'
  if (values[key] === undefined || values[key] === null) return undefined
  return {
    intervalMs: duration(values, key, 0, 1),
    mode: choice(values, 'execution.checkpointing.mode', 'exactly-once', ['exactly-once', 'at-least-once']),
    timeoutMs: duration(values, 'execution.checkpointing.timeout', 240_000, 1),
    minPauseMs: duration(values, 'execution.checkpointing.min-pause', 0),
    tolerableFailedCheckpoints: integer(values, 'execution.checkpointing.tolerable-failed-checkpoints', 0, { from: 0 }),
    retained: integer(values, 'state.checkpoints.num-retained', 2, { from: 1 }),
  }
}

/** Flink 2: with checkpoints a job restarts with exponential delay unless told otherwise, without them it does not. */
function restartStrategyOf(values: ConfigurationValues, checkpointing: boolean): RestartStrategy {
  const key = 'restart-strategy.type'
  const types = ['none', 'fixed-delay', 'failure-rate', 'exponential-delay'] as const
  const type = choice(values, key, checkpointing ? 'exponential-delay' : 'none', types)
  switch (type) {
    case 'none':
      return { type }
    case 'fixed-delay':
      return {
        type,
        attempts: integer(values, 'restart-strategy.fixed-delay.attempts', 1, { from: 0 }),
        delayMs: duration(values, 'restart-strategy.fixed-delay.delay', 1000),
      }
    case 'failure-rate':
      return {
        type,
        maxFailuresPerInterval: integer(values, 'restart-strategy.failure-rate.max-failures-per-interval', 1, {
          from: 1,
        }),
        failureRateIntervalMs: duration(values, 'restart-strategy.failure-rate.failure-rate-interval', 60_000, 1),
        delayMs: duration(values, 'restart-strategy.failure-rate.delay', 1000),
      }
    case 'exponential-delay':
      return exponentialDelay(values)
    default: {
      const never: never = type
      throw new TypeError(`unknown restart strategy ${String(never)}`)
    }
  }
}

function exponentialDelay(values: ConfigurationValues): RestartStrategy {
  const key = 'restart-strategy.exponential-delay'
  const multiplierKey = `${key}.backoff-multiplier`
  const backoffMultiplier = numberOf(values[multiplierKey], 1.5)
  if (backoffMultiplier === undefined || backoffMultiplier <= 1) {
    return refuse(multiplierKey, values[multiplierKey], 'it has to be a number above 1')
  }
  const jitterKey = `${key}.jitter-factor`
  const jitterFactor = numberOf(values[jitterKey], 0.1)
  if (jitterFactor === undefined || jitterFactor < 0 || jitterFactor > 1) {
    return refuse(jitterKey, values[jitterKey], 'it has to be a number from 0 to 1')
  }
  return {
    type: 'exponential-delay',
    initialBackoffMs: duration(values, `${key}.initial-backoff`, 1000, 1),
    maxBackoffMs: duration(values, `${key}.max-backoff`, 60_000, 1),
    backoffMultiplier,
    resetBackoffThresholdMs: duration(values, `${key}.reset-backoff-threshold`, 3_600_000, 1),
    jitterFactor,
  }
}

function refuse(key: string, value: JsonValue | undefined, allowed: string): never {
  throw new MillraceError('MR_CONFIGURATION', `${key}: ${JSON.stringify(value)} is not allowed; ${allowed}`)
}

interface Range {
  readonly from: number
  readonly to?: number
}

function integer(values: ConfigurationValues, key: string, fallback: number, range: Range): number {
  const { from, to } = range
  const value = numberOf(values[key], fallback)
  if (value !== undefined && Number.isSafeInteger(value) && value >= from && value <= (to ?? value)) return value
  return refuse(key, values[key], `it has to be a whole number, ${from} ${to === undefined ? 'at least' : `to ${to}`}`)
}

/** undefined: no number. */
function numberOf(value: JsonValue | undefined, fallback: number): number | undefined {
  if (value === undefined || value === null) return fallback
  const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof parsed === 'number' && Number.isFinite(parsed) ? parsed : undefined
}

function duration(values: ConfigurationValues, key: string, fallbackMs: number, leastMs = 0): number {
  const value = values[key]
  if (value === undefined || value === null) return fallbackMs
  if (typeof value !== 'number' && typeof value !== 'string') {
    return refuse(key, value, "it has to be milliseconds as a number, or text such as '10s'")
  }
  const milliseconds = durationMs(value, key)
  if (!Number.isSafeInteger(milliseconds) || milliseconds < leastMs) {
    return refuse(key, value, `it has to be whole milliseconds, ${leastMs} at least`)
  }
  return milliseconds
}

/** Flink writes EXACTLY_ONCE in some places and fixed-delay in others: case and `_` play no part. */
function choice<const Choice extends string>(
  values: ConfigurationValues,
  key: string,
  fallback: NoInfer<Choice>,
  choices: readonly Choice[],
): Choice {
  const value = values[key]
  if (value === undefined || value === null) return fallback
  const text = typeof value === 'string' ? value.trim().toLowerCase().replaceAll('_', '-') : ''
  const chosen = choices.find((candidate) => candidate === text)
  return chosen ?? refuse(key, value, `it has to be one of ${choices.join(', ')}`)
}

/** The keys that say the same as a restart strategy. */
export function restartStrategyValues(strategy: RestartStrategy): ConfigurationValues {
  const type = { 'restart-strategy.type': strategy.type }
  switch (strategy.type) {
    case 'none':
      return type
    case 'fixed-delay':
      return {
        ...type,
        'restart-strategy.fixed-delay.attempts': strategy.attempts,
        'restart-strategy.fixed-delay.delay': strategy.delayMs,
      }
    case 'failure-rate':
      return {
        ...type,
        'restart-strategy.failure-rate.max-failures-per-interval': strategy.maxFailuresPerInterval,
        'restart-strategy.failure-rate.failure-rate-interval': strategy.failureRateIntervalMs,
        'restart-strategy.failure-rate.delay': strategy.delayMs,
      }
    case 'exponential-delay':
      return {
        ...type,
        'restart-strategy.exponential-delay.initial-backoff': strategy.initialBackoffMs,
        'restart-strategy.exponential-delay.max-backoff': strategy.maxBackoffMs,
        'restart-strategy.exponential-delay.backoff-multiplier': strategy.backoffMultiplier,
        'restart-strategy.exponential-delay.reset-backoff-threshold': strategy.resetBackoffThresholdMs,
        'restart-strategy.exponential-delay.jitter-factor': strategy.jitterFactor,
      }
    default: {
      const never: never = strategy
      throw new TypeError(`unknown restart strategy ${String(never)}`)
    }
  }
}
