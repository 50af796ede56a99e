import { expect, test } from 'vitest'
import { count, sum } from '../../../src/api/aggregates.ts'
import {
  aggregatingStateDescriptor,
  listStateDescriptor,
  mapStateDescriptor,
  reducingStateDescriptor,
} from '../../../src/api/descriptors.ts'
import type { KeyedProcessFunction } from '../../../src/api/functions.ts'
import type { AggregatingState, ListState, MapState, ReducingState } from '../../../src/api/state.ts'
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.ts'
import { EventTimeSessionWindows, SlidingEventTimeWindows, TumblingEventTimeWindows } from '../../../src/api/windows.ts'
import { double, nullable, record, string, type TypeOf } from '../../../src/formats/index.ts'
import { startTestCluster } from '../../../src/testing/index.ts'

const keys = ['__proto__', '__proto_', 'constructor', 'toString', '', ' ', '0', '-0', '\u0000', 'é', 'e\u0301', '𝒳']
const type = record({ key: string(), 'a b': nullable(double()), constructor: string(), '"\\`${': double() })
type Hostile = TypeOf<typeof type>
type Seen = readonly [key: string, mapKeys: readonly string[], listed: number, reduced: number, aggregated: number]

function inEveryKindOfState(): KeyedProcessFunction<string, Hostile, Seen> {
  let map: MapState<string, Hostile>
  let list: ListState<Hostile>
  let reducing: ReducingState<number>
  let aggregating: AggregatingState<number, number>
  return {
    open(context) {
      map = context.mapState(mapStateDescriptor<string, Hostile>('__proto__', type))
      list = context.listState(listStateDescriptor<Hostile>('constructor'))
      reducing = context.reducingState(reducingStateDescriptor<number>('toString', (left, right) => left + right))
      aggregating = context.aggregatingState(
        aggregatingStateDescriptor(
          'hasOwnProperty',
          sum((value: number) => value),
        ),
      )
    },
    processElement(value, { key }, out) {
      map.put('__proto__', value)
      map.put('x', value)
      list.add(value)
      reducing.add(1)
      aggregating.add(2)
      const [listed, reduced, aggregated] = [list.get().length, reducing.get() ?? 0, aggregating.get() ?? 0]
      out.collect([key, [...map.keys()], listed, reduced, aggregated])
    },
  }
}

for (const parallelism of [1, 3]) {
  test(`hostile keys, field names and names of state are data, by ${parallelism} subtasks`, async () => {
    const items = [...keys, ...keys].map((key, index): Hostile => {
      return { key, 'a b': index % 2 === 0 ? -0 : null, constructor: 'c', '"\\`${': Number.NaN }
    })
    await using cluster = startTestCluster()
    const seen = await cluster.runAndCollect((env) => {
      env.setParallelism(parallelism).enableCheckpointing('10ms')
      const records = env
        .fromCollection(items, { type })
        .rebalance()
        .filter(() => true)
      return records.keyBy(({ key }) => key).process(inEveryKindOfState())
    })
    const last = seen.filter(([, , listed]) => listed === 2)
    expect(last.map(([key]) => key).toSorted()).toEqual(keys.toSorted())
    for (const [, ...rest] of last) expect(rest).toEqual([['__proto__', 'x'], 2, 2, 4])
  })
}

test('windows hold every timestamp that a number holds exactly, before and after the epoch (R35)', async () => {
  const highest = Number.MAX_SAFE_INTEGER
  const times = [-highest, -8.64e15, -(2 ** 52), -1, 0, 1, 2 ** 52, 8.64e15, highest]
  await using cluster = startTestCluster()
  for (const [assigner, windowsOfARecord] of [
    [TumblingEventTimeWindows.of('1s'), 1],
    [SlidingEventTimeWindows.of('3s', '1s'), 3],
    [EventTimeSessionWindows.withGap('1s'), 1],
  ] as const) {
    const strategy = WatermarkStrategy.forBoundedOutOfOrderness(highest).withTimestamps((at: number) => at)
    const counted = await cluster.runAndCollect((env) =>
      env
        .fromCollection(times)
        .assignTimestampsAndWatermarks(strategy)
        .keyBy(() => 'all')
        .window(assigner)
        .aggregate(count(), { withKey: (_key, records, { start, end }) => ({ records, start, end }) }),
    )
    expect(counted.reduce((total, { records }) => total + records, 0)).toBe(times.length * windowsOfARecord)
    for (const { records, start, end } of counted) {
      expect(times.filter((at) => at >= start && at < end)).toHaveLength(records)
    }
  }
})
