import { type JobBuilder, TumblingEventTimeWindows, WatermarkStrategy } from 'millrace'
import { collectingSink, scriptedSource, startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'

const ascending = WatermarkStrategy.forMonotonousTimestamps().withTimestamps((at: number) => at)

test('what the last watermark of a source brings is not late behind another source that is further and goes on', async () => {
  const windows = collectingSink<string>()
  const build: JobBuilder = (env) => {
    env.setAutoWatermarkInterval(0)
    // Ends after 10 ms; its window fires with its last watermark.
    const short = env
      .fromSource(scriptedSource([[5, 7]], { recordsAtOnce: 1, interval: '10ms' }), ascending, 'short')
      .keyBy(() => 'all')
      .window(TumblingEventTimeWindows.of(10))
      .reduce((left, right) => left + right)
      .name('sums')
      .uid('sums')
    const long = env.fromSource(
      scriptedSource([[1, 100, 200, 300]], { recordsAtOnce: 1, interval: '4ms' }),
      ascending,
      'long',
    )
    const counted = short
      .union(long)
      .keyBy(() => 'all')
      .window(TumblingEventTimeWindows.of(10))
      .process<string>({
        process: (_key, { window }, elements, out) => out.collect(`${window.start}: ${elements.toSorted()}`),
      })
      .name('lists')
      .uid('lists')
    counted.sinkTo(windows, 'windows')
  }
  await using cluster = startTestCluster()
  expect(await cluster.run(build)).toMatchObject({ state: 'FINISHED' })
  expect(windows.records).toEqual(['0: 1,12', '100: 100', '200: 200', '300: 300'])
})

test('the last watermark is not told beside an idle source that still holds records back', async () => {
  const windows = collectingSink<string>()
  const build: JobBuilder = (env) => {
    env.setAutoWatermarkInterval('10ms').setParallelism(2)
    const numbers = (
      name: string,
      script: readonly number[],
      strategy: WatermarkStrategy<number>,
      intervalMs: number,
    ) =>
      env
        .fromSource(scriptedSource([script], { recordsAtOnce: 1, interval: intervalMs }), strategy, name)
        .keyBy((value) => value)
        .window(TumblingEventTimeWindows.of(10))
        .reduce((left) => left)
        .name(`windows of ${name}`)
        .uid(`windows of ${name}`)
    numbers('quick', [1, 2, 3], ascending, 100)
      // Idle when the other one ends; what it holds back comes later.
      .union(numbers('slow', [4, 41], ascending.withIdleness('50ms'), 1000))
      .keyBy(() => 'all')
      .process<string>({
        processElement: (value, { timestamp, currentWatermark }, out) =>
          out.collect(`${value}${timestamp <= currentWatermark ? ' is late' : ''}`),
      })
      .sinkTo(windows)
  }
  await using cluster = startTestCluster()
  expect(await cluster.run(build)).toMatchObject({ state: 'FINISHED' })
  expect(windows.records.toSorted()).toEqual(['1', '2', '3', '4', '41'])
})
