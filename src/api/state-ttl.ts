import { type Duration, durationMs } from '../common/duration.ts'
import { MillraceError } from '../common/errors.ts'

/**
 * How long keyed state lives after it was last written, or used: Flink's StateTtlConfig. Time is processing time. Items
 * of a list and entries of a map have a life of their own.
 *
 * What has expired is not in checkpoints that are written afterwards, is judged again at a restore, and is removed from
 * memory when it is read, and in passing (`incrementalCleanup`). State may get a time to live, lose it, or get another
 * one from one run of a job to the next. A value that had none lives from the restore on. With a longer time, or none,
 * values that had expired may come back, as far as older checkpoint files still hold them.
 * @example
 * ```ts
 * import { type StateTtlConfig, valueStateDescriptor } from 'millrace'
 *
 * const forADay: StateTtlConfig = { timeToLive: '1d', updateType: 'onReadAndWrite' }
 * const seen = valueStateDescriptor<boolean>('seen', undefined, { ttl: forADay })
 * ```
 */
export interface StateTtlConfig {
  /** More than 0. */
  readonly timeToLive: Duration
  /** What starts the time anew: writing (default), or reading, too. */
  readonly updateType?: 'onCreateAndWrite' | 'onReadAndWrite'
  /**
   * `neverReturnExpired` (default): what has expired is as if it were not there. `returnExpiredIfNotCleanedUp`: it is
   * given out once if it is still in memory, and removed. What is added to reducing and aggregating state is never
   * combined with what has expired.
   */
  readonly visibility?: 'neverReturnExpired' | 'returnExpiredIfNotCleanedUp'
  /** Removes expired entries in passing; false: only what is read is removed. */
  readonly incrementalCleanup?: IncrementalCleanup | false
}

/** Removal of expired entries, a few at a time, going round all keys. */
export interface IncrementalCleanup {
  /** How many entries each access to the state looks at, from 1; default 5. */
  readonly entriesPerAccess?: number
  /** Also with each record of the operator, whether or not it uses the state; default false. */
  readonly onEveryRecord?: boolean
}

/** Options of state descriptors. */
export interface StateOptions {
  readonly ttl?: StateTtlConfig
}

/**
 * A checked part of a descriptor.
 * @throws MillraceError MR_JOB_DEFINITION, MR_CONFIGURATION for what is no duration
 */
export function ttlOf(name: string, { ttl }: StateOptions): StateOptions {
  if (ttl === undefined) return {}
  const what = `timeToLive of state "${name}"`
  const entries = ttl.incrementalCleanup === false ? 1 : (ttl.incrementalCleanup?.entriesPerAccess ?? 1)
  if (durationMs(ttl.timeToLive, what) <= 0) {
    throw new MillraceError('MR_JOB_DEFINITION', `${what}: ${JSON.stringify(ttl.timeToLive)} is not more than 0.`)
  }
  if (!Number.isInteger(entries) || entries < 1) {
    throw new MillraceError('MR_JOB_DEFINITION', `entriesPerAccess of state "${name}": ${entries} is no number from 1.`)
  }
  return { ttl }
}
