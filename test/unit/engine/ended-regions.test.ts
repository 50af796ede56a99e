import { type DataStream, type JobBuilder, WatermarkStrategy } from 'millrace'
import { collectingSink, PAUSE, scriptedSource, startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'

const noWatermarks = WatermarkStrategy.noWatermarks()

function numbersOver(edge: string, numbers: DataStream<number>): DataStream<number> {
  if (edge === 'rebalance') return numbers.rebalance()
  if (edge === 'broadcast') return numbers.broadcast()
  if (edge === 'forward') return numbers
  const byKey = numbers.keyBy((value) => value)
  return byKey.reduce((left, right) => left + right).setParallelism(2)
}

test.each(['forward', 'hash', 'rebalance', 'broadcast'])(
  'a region that had ended when its job was suspended is closed by the next run, over an edge of kind %s (R12)',
  async (edge) => {
    const ended = collectingSink<number>()
    const open = collectingSink<number>()
    await using cluster = startTestCluster()
    const build: JobBuilder = (env) => {
      env.enableCheckpointing('10ms')
      const numbers = env.fromSource(scriptedSource([[1, 2, 3]]), noWatermarks, 'short').disableChaining()
      numbersOver(edge, numbers).sinkTo(ended, 'ended')
      env.fromSource(scriptedSource([[4, PAUSE, 5]]), noWatermarks, 'long').sinkTo(open, 'open')
    }
    const first = await cluster.start(build)
    await first.untilPaused()
    expect(await first.suspend()).toMatchObject({ state: 'SUSPENDED', error: undefined })
    const second = await cluster.start(build, { from: first })
    await second.untilPaused()
    second.resumeSources()
    expect(await second.result()).toMatchObject({ state: 'FINISHED', error: undefined })
    expect(ended.records.toSorted()).toEqual([1, 2, 3])
    expect(open.records).toEqual([4, 5])
  },
)
