import { expect, test } from 'vitest'
import type { StreamExecutionEnvironment } from '../../../../src/api/environment.ts'
import type { KeyedStream } from '../../../../src/api/keyed-stream.ts'
import type { Trigger } from '../../../../src/api/triggers.ts'
import {
  ProcessingTimeSessionWindows,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
} from '../../../../src/api/windows.ts'
import type { OperatorSpec } from '../../../../src/graph/operator-spec.ts'
import { OperatorHarness } from '../../../../src/testing/operator-harness.ts'
import { declaredSink, graphOf } from '../../graph/sample-jobs.ts'

type Click = readonly [key: string, value: number]
type Declared = { sinkTo(sink: ReturnType<typeof declaredSink>): unknown }

function specOf(declare: (clicks: KeyedStream<Click, string>) => Declared): OperatorSpec {
  const build = (env: StreamExecutionEnvironment): void => {
    declare(env.fromCollection<Click>([['a', 1]]).keyBy(([key]) => key)).sinkTo(declaredSink())
  }
  const node = graphOf(build).nodes.find(({ spec }) => spec.kind === 'window')
  if (node === undefined) throw new Error('no window')
  return node.spec
}

const keySelector = ([key]: Click): string => key
const quiet: Trigger<unknown> = {
  onElement: () => 'CONTINUE',
  onEventTime: () => 'FIRE',
  onProcessingTime: () => 'FIRE',
  onMerge: () => {},
  clear: () => {},
}
const throwing = (): never => {
  throw new Error('no')
}
const sessionsOf = (trigger: Trigger<unknown>) =>
  specOf((clicks) =>
    clicks
      .window(ProcessingTimeSessionWindows.withGap(10))
      .trigger(trigger)
      .reduce(([key, left], [, right]) => (right < 0 ? throwing() : [key, left + right])),
  )

// What throws makes a dead letter of its record where there is such an output; the operator goes on, as here.

test.each([
  ['its trigger can not follow', { ...quiet, onMerge: throwing }, 2],
  ['the new record can not be added', quiet, -2],
])('A session that grows is fired and over in its time where %s.', async (_name, trigger, value) => {
  const harness = await OperatorHarness.of<Click, Click>(sessionsOf(trigger), { keySelector })
  harness.processElement(['a', 1])
  harness.advanceProcessingTime(5)
  expect(() => harness.processElement(['a', value])).toThrow('no')
  expect(harness.operator.nextProcessingTime()).toBe(14)
  harness.advanceProcessingTime(14)
  expect(harness.output).toEqual([{ value: ['a', 1], timestamp: 14 }])
  expect(harness.operator.nextProcessingTime()).toBe(Number.POSITIVE_INFINITY)
  harness.processElement(['a', 3])
  harness.advanceProcessingTime(23)
  expect(harness.output.length).toBe(2)
})

test.each([
  ['as it ends', { ...quiet, onEventTime: throwing }],
  ['as it is cleared', { ...quiet, clear: throwing }],
])('A window whose trigger throws %s is over all the same.', async (_name, trigger) => {
  const windows = (latenessMs: number, of: Trigger<unknown>) =>
    specOf((clicks) =>
      clicks
        .window(TumblingEventTimeWindows.of(10))
        .trigger(of)
        .allowedLateness(latenessMs)
        .apply((key, _window, all, out) => out.collect(`${key} ${all.map(([, value]) => value).join(' ')}`)),
    )
  const harness = await OperatorHarness.of<Click, string>(windows(0, trigger), { keySelector })
  harness.processElement(['a', 1], 1)
  expect(() => harness.processWatermark(9)).toThrow('no')
  // More lateness than before shows what is still there.
  const always: Trigger<unknown> = { ...quiet, onElement: () => 'FIRE' }
  const restore = await harness.snapshot()
  const restored = await OperatorHarness.of<Click, string>(windows(100, always), { keySelector, restore })
  restored.processElement(['a', 2], 2)
  expect(restored.output.map(({ value }) => value)).toEqual(['a 2'])
})

test('A window from slices whose merge throws for a key gives no result of that key, and its other results once.', async () => {
  const spec = specOf((clicks) =>
    clicks.window(SlidingEventTimeWindows.of(20, 10)).aggregate(
      {
        combinable: true,
        createAccumulator: () => ({ sum: 0 }),
        add: ({ sum }: { sum: number }, [, value]: Click) => ({ sum: sum + value }),
        merge: (left, right) => (right.sum < 0 ? throwing() : { sum: left.sum + right.sum }),
        getResult: ({ sum }) => sum,
      },
      { withKey: (key, sum) => `${key} ${sum}` },
    ),
  )
  const harness = await OperatorHarness.of<Click, string>(spec, { keySelector })
  // Of a the first slice can not be merged, of b the second one.
  for (const [key, first, second] of [
    ['a', -1, 1],
    ['b', 2, -2],
    ['c', 3, 3],
  ] as const) {
    harness.processElement([key, first], 1)
    harness.processElement([key, second], 11)
  }
  // As the subtask does where there is a dead-letter output.
  let failures = 0
  for (const watermark of [9, 19, 29]) {
    for (let done = false; !done; ) {
      try {
        harness.processWatermark(watermark)
        done = true
      } catch {
        failures++
      }
    }
  }
  const results = harness.output.map(({ value, timestamp }) => `${timestamp} ${value}`)
  expect(results).toEqual(['9 b 2', '9 c 3', '19 c 6', '29 a 1', '29 c 3'])
  expect(failures).toBe(4)
})
