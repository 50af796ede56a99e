import { expect, test } from 'vitest'
import { connect } from '../../../src/connectors/redis/redis-connection.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

test('a Redis that was never there is told after 10 seconds, whatever time it may be away later', () => {
  for (const [unreachableMs, limitMs] of [
    [300_000, 10_000],
    [2_000, 2_000],
  ] as const) {
    const clock = new VirtualClock()
    const redis = connect({ url: 'redis://127.0.0.1:1', unreachableMs, clock, fail: () => {} })
    try {
      expect(clock.nextDueMs).toBe(limitMs)
    } finally {
      redis.disconnect()
    }
  }
})
