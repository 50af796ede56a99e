import type { Duration } from '../common/duration.ts'
import type { RestartStrategy } from '../graph/job-configuration.ts'
import { declaredDurationMs, declaredInteger, definitionError } from './declaration.ts'

export type { RestartStrategy } from '../graph/job-configuration.ts'

/**
 * How often and when a region that failed starts again; Flink's strategies, for `env.setRestartStrategy`. All throw
 * MillraceError MR_JOB_DEFINITION where a value is out of range.
 * @example
 * ```ts
 * import { job, RestartStrategies, type Sink } from 'millrace'
 *
 * declare const sink: Sink<number>
 * export default job('patient', (env) => {
 *   env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 5, delay: '10s' }))
 *   env.fromSequence(1, 100).sinkTo(sink)
 * })
 * ```
 */
export const RestartStrategies = {
  /** The first failure fails the job. */
  none(): RestartStrategy {
    return { type: 'none' }
  },

  /** A number of restarts in all, each after the same delay. Default: 1 after 1 s. */
  fixedDelay(options: { readonly attempts?: number; readonly delay?: Duration } = {}): RestartStrategy {
    const subject = 'RestartStrategies.fixedDelay'
    return {
      type: 'fixed-delay',
      attempts: declaredInteger(options.attempts ?? 1, subject, 'attempts', 0),
      delayMs: declaredDurationMs(options.delay ?? 1000, subject, 'delay', 0),
    }
  },

  /** As long as there are no more failures than this in an interval. Default: 1 in 60 s, restarted after 1 s. */
  failureRate(
    options: {
      readonly maxFailuresPerInterval?: number
      readonly failureRateInterval?: Duration
      readonly delay?: Duration
    } = {},
  ): RestartStrategy {
    const subject = 'RestartStrategies.failureRate'
    return {
      type: 'failure-rate',
      maxFailuresPerInterval: declaredInteger(
        options.maxFailuresPerInterval ?? 1,
        subject,
        'maxFailuresPerInterval',
        1,
      ),
      failureRateIntervalMs: declaredDurationMs(
        options.failureRateInterval ?? 60_000,
        subject,
        'failureRateInterval',
        1,
      ),
      delayMs: declaredDurationMs(options.delay ?? 1000, subject, 'delay', 0),
    }
  },

  /**
   * For ever, after a delay that grows with each failure and is reset when the job has run long enough. Default: from 1 s
   * to 60 s by 1.5, reset after 1 h, jitter 0.1. The default of jobs with checkpoints.
   */
  exponentialDelay(
    options: {
      readonly initialBackoff?: Duration
      readonly maxBackoff?: Duration
      readonly backoffMultiplier?: number
      readonly resetBackoffThreshold?: Duration
      /** Fraction of the delay that is added or taken at random, 0 to 1. */
      readonly jitterFactor?: number
    } = {},
  ): RestartStrategy {
    const subject = 'RestartStrategies.exponentialDelay'
    const { backoffMultiplier = 1.5, jitterFactor = 0.1 } = options
    if (!(backoffMultiplier > 1 && Number.isFinite(backoffMultiplier))) {
      throw definitionError(subject, `backoffMultiplier is ${backoffMultiplier}; it has to be a number above 1`)
    }
    if (!(jitterFactor >= 0 && jitterFactor <= 1)) {
      throw definitionError(subject, `jitterFactor is ${jitterFactor}; it has to be a number from 0 to 1`)
    }
    return {
      type: 'exponential-delay',
      initialBackoffMs: declaredDurationMs(options.initialBackoff ?? 1000, subject, 'initialBackoff', 1),
      maxBackoffMs: declaredDurationMs(options.maxBackoff ?? 60_000, subject, 'maxBackoff', 1),
      backoffMultiplier,
      resetBackoffThresholdMs: declaredDurationMs(
        options.resetBackoffThreshold ?? 3_600_000,
        subject,
        'resetBackoffThreshold',
        1,
      ),
      jitterFactor,
    }
  },
}
