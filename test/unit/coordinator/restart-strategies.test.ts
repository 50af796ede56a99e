import { expect, test } from 'vitest'
import {
  decideRestart,
  initialRestartState,
  type RestartDecision,
} from '../../../src/coordinator/restart-strategies.ts'
import type { RestartStrategy } from '../../../src/graph/job-configuration.ts'

/** What the strategy says at failures at these times. */
function decisions(strategy: RestartStrategy, times: readonly number[], random = 0.5): readonly (number | 'giveUp')[] {
  let state = initialRestartState
  return times.map((now) => {
    const decision: RestartDecision = decideRestart(strategy, state, { now, random })
    state = decision.state
    return decision.type === 'restart' ? decision.delayMs : 'giveUp'
  })
}

const exponential = {
  type: 'exponential-delay',
  initialBackoffMs: 100,
  maxBackoffMs: 1000,
  backoffMultiplier: 2,
  resetBackoffThresholdMs: 10_000,
  jitterFactor: 0,
} as const

test.each<[string, RestartStrategy, readonly number[], readonly (number | 'giveUp')[]]>([
  ['none gives up at once', { type: 'none' }, [0], ['giveUp']],
  [
    'fixed-delay allows its number of restarts in all',
    { type: 'fixed-delay', attempts: 2, delayMs: 7 },
    [0, 1e9, 2e9],
    [7, 7, 'giveUp'],
  ],
  [
    'failure-rate gives up at one failure more than its maximum in an interval',
    { type: 'failure-rate', maxFailuresPerInterval: 2, failureRateIntervalMs: 100, delayMs: 5 },
    [0, 50, 99],
    [5, 5, 'giveUp'],
  ],
  [
    'failure-rate forgets failures that are an interval old',
    { type: 'failure-rate', maxFailuresPerInterval: 2, failureRateIntervalMs: 100, delayMs: 5 },
    [0, 50, 100, 150, 200],
    [5, 5, 5, 5, 5],
  ],
  ['exponential-delay grows to its maximum', exponential, [0, 1, 2, 3, 4, 5], [100, 200, 400, 800, 1000, 1000]],
  [
    'exponential-delay starts anew after the threshold, counted from the restart',
    exponential,
    [0, 1, 1 + 10_199, 1 + 10_199 + 10_400],
    [100, 200, 400, 100],
  ],
])('%s', (_, strategy, times, expected) => {
  expect(decisions(strategy, times)).toEqual(expected)
})

test('jitter adds or takes a fraction, never below the initial and above the maximum', () => {
  const strategy = { ...exponential, jitterFactor: 0.5 }
  expect(decisions(strategy, [0, 1, 2], 0)).toEqual([100, 100, 200])
  expect(decisions(strategy, [0, 1, 2, 3, 4], 0.999_999)).toEqual([150, 300, 600, 1000, 1000])
})
