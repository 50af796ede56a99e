import type { RestartStrategy } from '../graph/job-configuration.ts'
import { unreachable } from './decision.ts'

/** What a restart strategy remembers of the failures so far. Plain data. */
export interface RestartState {
  readonly failures: number
  /** Times of the last failures, oldest first; as many as the strategy looks at. */
  readonly recentMs: readonly number[]
  /** Exponential delay: the last delay, before jitter. */
  readonly backoffMs: number
}

export const initialRestartState: RestartState = { failures: 0, recentMs: [], backoffMs: 0 }

export type RestartDecision =
  | { readonly type: 'restart'; readonly delayMs: number; readonly state: RestartState }
  /** `reason` completes the sentence "not restarted: …". */
  | { readonly type: 'giveUp'; readonly reason: string; readonly state: RestartState }

/** `now`: milliseconds of any one clock. `random`: uniform in [0, 1), for the jitter. */
interface FailureMoment {
  readonly now: number
  readonly random: number
}

/** One more failure: whether and when to restart. Flink's strategies as its documentation has them. */
export function decideRestart(strategy: RestartStrategy, before: RestartState, moment: FailureMoment): RestartDecision {
  const state = { ...before, failures: before.failures + 1 }
  switch (strategy.type) {
    case 'none':
      return { type: 'giveUp', reason: 'restart-strategy.type is none', state }
    case 'fixed-delay':
      if (state.failures <= strategy.attempts) return { type: 'restart', delayMs: strategy.delayMs, state }
      return {
        type: 'giveUp',
        reason: `restart-strategy fixed-delay allows ${strategy.attempts} ${strategy.attempts === 1 ? 'restart' : 'restarts'}`,
        state,
      }
    case 'failure-rate':
      return failureRate(strategy, state, moment)
    case 'exponential-delay':
      return exponentialDelay(strategy, state, moment)
    default:
      return unreachable(strategy)
  }
}

type Strategy<Type extends RestartStrategy['type']> = Extract<RestartStrategy, { readonly type: Type }>

/** Gives up on the first failure beyond `maxFailuresPerInterval` within one interval. */
function failureRate(
  strategy: Strategy<'failure-rate'>,
  before: RestartState,
  { now }: FailureMoment,
): RestartDecision {
  const { maxFailuresPerInterval, failureRateIntervalMs, delayMs } = strategy
  const recentMs = [...before.recentMs.filter((failedMs) => failedMs > now - failureRateIntervalMs), now]
  const state = { ...before, recentMs }
  if (recentMs.length <= maxFailuresPerInterval) return { type: 'restart', delayMs, state }
  const reason = `restart-strategy failure-rate allows ${maxFailuresPerInterval} failures in ${failureRateIntervalMs} ms`
  return { type: 'giveUp', reason, state }
}

/** Never gives up. The delay starts anew after `resetBackoffThresholdMs` without a failure, counted from the last restart. */
function exponentialDelay(
  strategy: Strategy<'exponential-delay'>,
  before: RestartState,
  { now, random }: FailureMoment,
): RestartDecision {
  const { initialBackoffMs, maxBackoffMs } = strategy
  const last = before.recentMs.at(-1)
  const calm = last === undefined || now - last >= strategy.resetBackoffThresholdMs + before.backoffMs
  const backoffMs = calm ? initialBackoffMs : Math.min(maxBackoffMs, before.backoffMs * strategy.backoffMultiplier)
  const jitterMs = (2 * random - 1) * strategy.jitterFactor * backoffMs
  const delayMs = Math.round(Math.max(initialBackoffMs, Math.min(maxBackoffMs, backoffMs + jitterMs)))
  return { type: 'restart', delayMs, state: { ...before, recentMs: [now], backoffMs } }
}
