import { AsyncDataStream, EventTimeSessionWindows, WatermarkStrategy } from 'millrace'
import { collectingSink, PAUSE, scriptedSource, startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'

const watermarks = WatermarkStrategy.forBoundedOutOfOrderness(10).withTimestamps((at: number) => at)

test('after a stop another parallelism before it gives records to a subtask whose input had ended (R33)', async () => {
  const sink = collectingSink<readonly number[]>()
  // The second split ends at once, and with it the input of the second subtask.
  const source = scriptedSource([[0, 20, PAUSE, 18, 19, 60], [1]])
  await using cluster = startTestCluster()
  // In flight when the other subtask has already seen the end.
  const slowly = async (at: number): Promise<number[]> => {
    if (at === 19) await cluster.delay('5s')
    return [at]
  }
  const start = (parallelism: number, from?: Awaited<ReturnType<typeof cluster.start>>) =>
    cluster.start(
      (env) => {
        env.enableCheckpointing('1s').setParallelism(2)
        const numbers = env.fromSource(source, watermarks, 'numbers').setParallelism(parallelism)
        AsyncDataStream.unorderedWait(numbers, slowly, { timeout: '1min' })
          .keyBy(() => 'all')
          .window(EventTimeSessionWindows.withGap(5))
          .process<readonly number[]>({ process: (_key, _context, elements, out) => out.collect([...elements]) })
          .sinkTo(sink)
      },
      from === undefined ? {} : { from },
    )
  const first = await start(2)
  await first.untilPaused()
  await first.triggerCheckpoint()
  await first.suspend()
  const second = await start(1, first)
  await second.untilPaused()
  second.resumeSources()
  expect((await second.result()).state).toBe('FINISHED')
  const sessions = sink.records.map((session) => session.toSorted((left, right) => left - right))
  expect(sessions.toSorted((left, right) => (left[0] as number) - (right[0] as number))).toEqual([
    [0, 1],
    [18, 19, 20],
    [60],
  ])
})
