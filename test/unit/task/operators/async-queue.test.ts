import { expect, test } from 'vitest'
import { AsyncCall, type AsyncCalls } from '../../../../src/task/operators/async-call.ts'
import { AsyncQueue } from '../../../../src/task/operators/async-queue.ts'
import { VirtualClock } from '../../../../src/testing/virtual-clock.ts'

test('watermarks behind a call that takes long do not pile up', () => {
  const calls: AsyncCalls = {
    spec: {
      ...{ kind: 'async', mode: 'ordered', capacity: 1, timeoutMs: 1 },
      ...{ retry: undefined, onTimeout: undefined, invoke: async () => [] },
    },
    clock: new VirtualClock(0),
    operatorName: 'tested',
    settled: () => {},
  }
  const queue = new AsyncQueue(true, 0)
  const [first, second] = [new AsyncCall('a', 1, calls), new AsyncCall('b', 2, calls)]
  queue.add(first)
  for (let watermark = 1; watermark <= 1000; watermark++) queue.addWatermark(watermark)
  queue.add(second)
  queue.addWatermark(1001)
  expect([...queue.entries()].map(({ after }) => after)).toEqual([0, 1000])
  queue.settled(first)
  expect(queue.take()).toBe(first)
  expect(queue.passSegment()).toBe(1000)
  expect(queue.passSegment()).toBeUndefined()
  queue.settled(second)
  expect(queue.take()).toBe(second)
  expect(queue.passSegment()).toBe(1001)
  expect(queue.isEmpty).toBe(true)
})
