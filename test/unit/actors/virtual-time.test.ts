import { expect, test } from 'vitest'
import { RestartStrategies } from '../../../src/api/restart-strategies.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import { turn } from '../../../src/task/turn.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { InlineCluster, TransactionalList } from './inline-cluster.ts'

/** Moves the clock from one due time to the next, with turns for everything that is asynchronous in between. */
async function withTime<T>(clock: VirtualClock, result: Promise<T>): Promise<T> {
  let done = false
  void result.finally(() => {
    done = true
  })
  const startedMs = systemClock.monotonicMs()
  while (!done) {
    for (let turns = 0; turns < 20; turns++) await turn()
    if (clock.nextDueMs < Number.POSITIVE_INFINITY) clock.advanceTo(clock.nextDueMs)
    if (systemClock.monotonicMs() - startedMs > 20_000) throw new Error(`stuck at ${clock.now()} ms`)
  }
  return result
}

test('nothing needs real time: restarts after ten minutes each pass in no time, with every output once', async () => {
  const clock = new VirtualClock()
  const output = new TransactionalList<number>()
  let failures = 0
  const cluster = new InlineCluster(
    (env) => {
      env.enableCheckpointing('1h').setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 3, delay: '10min' }))
      env
        .fromCollection([1, 2, 3, 4, 5])
        .map((value) => {
          if (value === 4 && failures++ < 3) throw new Error('not yet')
          return value * 2
        })
        .sinkTo(output)
    },
    { slots: 1, clock },
  )
  const client = await cluster.submit()
  const result = await withTime(clock, client.result)
  expect(result).toMatchObject({ state: 'FINISHED', restarts: 3 })
  expect(clock.now()).toBeGreaterThanOrEqual(30 * 60_000)
  expect(clock.now()).toBeLessThan(31 * 60_000)
  expect(output.committed).toEqual([2, 4, 6, 8, 10])
})
