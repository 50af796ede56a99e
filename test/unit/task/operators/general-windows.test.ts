import { describe, expect, test } from 'vitest'
import { count, sum } from '../../../../src/api/aggregates.ts'
import { listStateDescriptor, reducingStateDescriptor, valueStateDescriptor } from '../../../../src/api/descriptors.ts'
import type { StreamExecutionEnvironment } from '../../../../src/api/environment.ts'
import type { Collector } from '../../../../src/api/functions.ts'
import type { KeyedStream } from '../../../../src/api/keyed-stream.ts'
import {
  ContinuousEventTimeTrigger,
  CountTrigger,
  EventTimeTrigger,
  type Trigger,
} from '../../../../src/api/triggers.ts'
import {
  EventTimeSessionWindows,
  GlobalWindows,
  ProcessingTimeSessionWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
} from '../../../../src/api/windows.ts'
import { isMillraceError } from '../../../../src/common/errors.ts'
import { noTimestamp } from '../../../../src/common/timestamps.ts'
import type { OperatorSpec } from '../../../../src/graph/operator-spec.ts'
import type { OperatorHarnessOptions } from '../../../../src/testing/harness-start.ts'
import { OperatorHarness } from '../../../../src/testing/operator-harness.ts'
import { declaredSink, graphOf } from '../../graph/sample-jobs.ts'

type Click = readonly [key: string, value: number]
type Declared = { sinkTo(sink: ReturnType<typeof declaredSink>): unknown }

/** The operator that a job declares on clicks by key. */
function specOf(declare: (clicks: KeyedStream<Click, string>) => Declared): OperatorSpec {
  const build = (env: StreamExecutionEnvironment): void => {
    const clicks = env.fromCollection<Click>([['a', 1]]).keyBy(([key]) => key)
    declare(clicks).sinkTo(declaredSink())
  }
  const node = graphOf(build).nodes.find(({ spec }) => spec.kind === 'window')
  if (node === undefined) throw new Error('no window')
  return node.spec
}

function harnessOf(
  declare: (clicks: KeyedStream<Click, string>) => Declared,
  options: OperatorHarnessOptions<Click> = {},
): Promise<OperatorHarness<Click, unknown>> {
  return OperatorHarness.of<Click, unknown>(specOf(declare), { ...options, keySelector: ([key]) => key })
}

const take = (harness: OperatorHarness<Click, unknown>): unknown[] => harness.output.splice(0).map(({ value }) => value)
const listed = (key: string, window: { start: number }, clicks: readonly Click[], out: Collector<string>): void =>
  out.collect(`${key} ${window.start}: ${clicks.map(([, value]) => value).join(' ')}`)
const withKey = (key: string, result: number): string => `${key} ${result}`

describe('Windows by the wall clock', () => {
  const tumbling = (clicks: KeyedStream<Click, string>) =>
    clicks.window(TumblingProcessingTimeWindows.of(10)).apply(listed)

  test('fire when the clock reaches their last millisecond, whatever the watermark is.', async () => {
    const harness = await harnessOf(tumbling, { startTimeMs: 1_000_003 })
    harness.processWatermark(Number.MAX_SAFE_INTEGER)
    harness.processElement(['a', 1])
    harness.processElement(['b', 2], 5)
    harness.advanceProcessingTime(1_000_008)
    harness.processElement(['a', 3], 7)
    expect(harness.output).toEqual([])
    harness.advanceProcessingTime(1_000_009)
    expect(
      harness.output.splice(0).toSorted((left, right) => (String(left.value) < String(right.value) ? -1 : 1)),
    ).toEqual([
      { value: 'a 1000000: 1 3', timestamp: 1_000_009 },
      { value: 'b 1000000: 2', timestamp: 1_000_009 },
    ])
    expect(harness.metrics.lateRecordsDropped).toBe(0)
  })

  test('that are overdue after a restart fire at once.', async () => {
    const harness = await harnessOf(tumbling, { startTimeMs: 3 })
    harness.processElement(['a', 1])
    const snapshot = await harness.snapshot()
    const restored = await harnessOf(tumbling, { startTimeMs: 5_000, restore: snapshot })
    expect(restored.operator.nextProcessingTime()).toBe(9)
    restored.advanceProcessingTime(5_000)
    expect(take(restored)).toEqual(['a 0: 1'])
  })

  test('that have not ended give nothing at the end of the input (R12).', async () => {
    const harness = await harnessOf(tumbling)
    harness.processElement(['a', 1])
    harness.endInput()
    expect(harness.operator.nextProcessingTime()).toBe(Number.POSITIVE_INFINITY)
    expect(harness.output).toEqual([])
  })

  test('as sessions end after a gap.', async () => {
    const harness = await harnessOf((clicks) => clicks.window(ProcessingTimeSessionWindows.withGap(10)).apply(listed))
    harness.processElement(['a', 1])
    harness.advanceProcessingTime(8)
    harness.processElement(['a', 2])
    harness.advanceProcessingTime(16)
    expect(take(harness)).toEqual([])
    harness.advanceProcessingTime(17)
    expect(take(harness)).toEqual(['a 0: 1 2'])
  })
})

describe('Count windows', () => {
  test('give a result whenever they are full, and carry no timestamp.', async () => {
    const harness = await harnessOf((clicks) =>
      clicks.countWindow(2).reduce(([key, left], [, right]) => [key, left + right]),
    )
    for (const value of [1, 2, 3]) harness.processElement(['a', value], value)
    harness.processElement(['b', 4], 4)
    harness.endInput()
    expect(harness.output).toEqual([{ value: ['a', 3], timestamp: noTimestamp }])
  })

  test('that slide look back over their size.', async () => {
    const harness = await harnessOf((clicks) =>
      clicks.countWindow(3, 2).aggregate(
        sum(([, value]) => value),
        { withKey },
      ),
    )
    for (const value of [1, 2, 3, 4, 5, 6]) harness.processElement(['a', value], value)
    expect(take(harness)).toEqual(['a 3', 'a 9', 'a 15'])
  })
})

describe('Global windows', () => {
  const global = (clicks: KeyedStream<Click, string>) => clicks.window(GlobalWindows.create())

  test('never fire by themselves.', async () => {
    const harness = await harnessOf((clicks) => global(clicks).aggregate(count()))
    harness.processElement(['a', 1], 1)
    harness.advanceProcessingTime(1e15)
    harness.endInput()
    expect(harness.output).toEqual([])
  })

  test('fire at the end of the input by an event-time trigger, also after a restart.', async () => {
    const declare = (clicks: KeyedStream<Click, string>) =>
      global(clicks).trigger(EventTimeTrigger.create()).aggregate(count(), { withKey })
    const harness = await harnessOf(declare)
    for (const value of [1, 2]) harness.processElement(['a', value], value)
    harness.processWatermark(Number.MAX_SAFE_INTEGER)
    expect(harness.output).toEqual([])
    const restored = await harnessOf(declare, { restore: await harness.snapshot() })
    restored.processElement(['a', 3], 3)
    restored.endInput()
    expect(restored.output).toEqual([{ value: 'a 3', timestamp: noTimestamp }])
  })

  test('fire at intervals by a continuous trigger, and once more at the end of the input.', async () => {
    const harness = await harnessOf((clicks) =>
      global(clicks).trigger(ContinuousEventTimeTrigger.of(10)).aggregate(count(), { withKey }),
    )
    harness.processElement(['a', 1], 4)
    harness.processWatermark(20)
    expect(take(harness)).toEqual(['a 1', 'a 1'])
    harness.processElement(['a', 2], 21)
    harness.endInput()
    expect(take(harness)).toEqual(['a 2', 'a 2'])
  })
})

describe('The general window operator', () => {
  const always: Trigger<unknown> = { ...CountTrigger.of(1) }
  const tumbling = (clicks: KeyedStream<Click, string>) =>
    clicks.window(TumblingEventTimeWindows.of(10)).trigger(always)

  async function errorWith(trigger: Trigger<unknown>): Promise<unknown> {
    const harness = await harnessOf((clicks) =>
      clicks.window(TumblingEventTimeWindows.of(10)).trigger(trigger).aggregate(count()),
    )
    try {
      harness.processElement(['a', 1], 1)
      harness.processWatermark(100)
    } catch (error) {
      return error
    }
    return undefined
  }

  test('names operator and method where a trigger fails, or says nothing.', async () => {
    const silent = await errorWith({ ...always, onElement: () => undefined as never })
    expect(silent).toMatchObject({ code: 'MR_USER_FUNCTION', operator: 'tested' })
    expect(String(silent)).toMatch(/onElement of the trigger .*it gave undefined/)
    const failing = await errorWith({
      ...always,
      clear() {
        throw new Error('broken')
      },
    })
    expect(String(failing)).toMatch(/clear of the trigger .*broken/)
    const timeless = await errorWith({
      ...always,
      onElement(_element, _timestamp, _window, context) {
        context.registerEventTimeTimer(0.5)
        return 'CONTINUE'
      },
    })
    expect(String(timeless)).toMatch(/a timer at 0\.5/)
  })

  test('refuses gaps that are none.', async () => {
    for (const gap of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const harness = await harnessOf((clicks) =>
        clicks.window(EventTimeSessionWindows.withDynamicGap(() => gap)).aggregate(count()),
      )
      expect(() => harness.processElement(['a', 1], 1)).toThrow(/the gap function .*the gap of a record is/)
    }
  })

  test('asks for timestamps by event time.', async () => {
    const harness = await harnessOf((clicks) => tumbling(clicks).aggregate(count()))
    expect(() => harness.processElement(['a', 1])).toThrow(/no timestamp reached the event-time window/)
  })

  test('has no window state for sessions.', async () => {
    const harness = await harnessOf((clicks) =>
      clicks.window(EventTimeSessionWindows.withGap(10)).process<number>({
        process: (_key, context, _elements, out) =>
          out.collect(context.windowState.valueState(valueStateDescriptor<number>('n')).value() ?? 0),
      }),
    )
    harness.processElement(['a', 1], 1)
    expect(() => harness.processWatermark(100)).toThrow(/use globalState/)
  })

  test('fires in slices, in one step however many keys and windows there are (R33).', async () => {
    const harness = await harnessOf((clicks) =>
      clicks.window(TumblingEventTimeWindows.of(10)).trigger(ContinuousEventTimeTrigger.of(5)).aggregate(count()),
    )
    for (let index = 0; index < 10; index++) harness.processElement([`k${index}`, index], 1)
    const slices: number[] = []
    for (let done = false; !done; slices.push(harness.output.splice(0).length)) {
      done = harness.operator.advanceWatermark(100, 6)
    }
    expect(slices).toEqual([6, 6, 6, 2])
  })

  test('calls clear once for each window, at its cleanup time.', async () => {
    const cleared: string[] = []
    const harness = await harnessOf((clicks) =>
      clicks
        .window(TumblingEventTimeWindows.of(10))
        .allowedLateness(5)
        .process<number>({
          process: (_key, _context, elements, out) => out.collect(elements.length),
          clear: ({ window, currentWatermark }) => cleared.push(`${window.start} at ${currentWatermark}`),
        }),
    )
    harness.processElement(['a', 1], 1)
    harness.processElement(['a', 1], 11)
    harness.processWatermark(9)
    expect([take(harness), cleared]).toEqual([[1], []])
    harness.processElement(['a', 2], 2)
    harness.processWatermark(14)
    expect([take(harness), cleared]).toEqual([[2], ['0 at 14']])
    harness.endInput()
    expect([take(harness), cleared]).toEqual([[1], ['0 at 14', '10 at Infinity']])
  })

  test.each([
    [0, 20, ['a 0: 1 2'], 0],
    [20, 0, [], 1],
  ])('takes another lateness after a restart: %i ms, then %i ms.', async (before, after, output, late) => {
    const declare = (latenessMs: number) => (clicks: KeyedStream<Click, string>) =>
      clicks
        .window(EventTimeSessionWindows.withDynamicGap(() => 10))
        .allowedLateness(latenessMs)
        .apply(listed)
    const harness = await harnessOf(declare(before))
    harness.processElement(['a', 1], 0)
    const restored = await harnessOf(declare(after), { restore: await harness.snapshot() })
    restored.processWatermark(15)
    expect(take(restored)).toEqual(['a 0: 1'])
    restored.processElement(['a', 2], 0)
    expect(take(restored)).toEqual(output)
    expect(restored.metrics.lateRecordsDropped).toBe(late)
    restored.endInput()
    expect(take(restored)).toEqual([])
  })

  test.each([
    ['a record', always],
    ['a timer', ContinuousEventTimeTrigger.of(1)],
  ])('hands out elements that later records do not change, when %s fires it (R7).', async (_name, trigger) => {
    const harness = await harnessOf((clicks) =>
      clicks
        .window(TumblingEventTimeWindows.of(10))
        .trigger(trigger)
        .process<readonly Click[]>({ process: (_key, _context, elements, out) => out.collect(elements) }),
    )
    for (const value of [1, 2, 3]) {
      harness.processElement(['a', value], value - 1)
      harness.processWatermark(value)
    }
    expect(take(harness)).toEqual([
      [['a', 1]],
      [
        ['a', 1],
        ['a', 2],
      ],
      [
        ['a', 1],
        ['a', 2],
        ['a', 3],
      ],
    ])
  })

  test('leaves no timers of windows that went into others, and clears their triggers.', async () => {
    const calls: string[] = []
    const recording: Trigger<unknown> = {
      onElement(_element, _timestamp, { start, end }) {
        calls.push(`element ${start} ${end}`)
        return 'CONTINUE'
      },
      onEventTime: () => 'CONTINUE',
      onProcessingTime: () => 'FIRE',
      onMerge: ({ start, end }) => void calls.push(`merge ${start} ${end}`),
      clear: ({ start, end }) => void calls.push(`clear ${start} ${end}`),
    }
    const harness = await harnessOf((clicks) =>
      clicks.window(ProcessingTimeSessionWindows.withGap(10)).trigger(recording).apply(listed),
    )
    harness.processElement(['a', 1])
    harness.advanceProcessingTime(5)
    harness.processElement(['a', 2])
    expect(harness.operator.nextProcessingTime()).toBe(14)
    harness.advanceProcessingTime(14)
    expect(take(harness)).toEqual(['a 0: 1 2'])
    expect(harness.operator.nextProcessingTime()).toBe(Number.POSITIVE_INFINITY)
    expect(calls).toEqual(['element 0 10', 'merge 0 15', 'clear 0 10', 'element 0 15', 'clear 0 15'])
  })

  test('keeps state of windows out of a snapshot that drains while it changes (R6).', async () => {
    const total = reducingStateDescriptor<{ n: number }>('total', (left, right) => {
      left.n += right.n
      return left
    })
    const all = listStateDescriptor<number>('all')
    const declare = (clicks: KeyedStream<Click, string>) =>
      tumbling(clicks).process<string>({
        process(_key, { windowState }, elements, out) {
          windowState.reducingState(total).add({ n: 1 })
          windowState.listState(all).add(elements.length)
          out.collect(`${windowState.reducingState(total).get()?.n} ${windowState.listState(all).get().length}`)
        },
      })
    const harness = await harnessOf(declare)
    harness.processElement(['a', 1], 1)
    const checkpoint = harness.beginCheckpoint()
    harness.processElement(['a', 2], 2)
    harness.processElement(['a', 3], 3)
    const restored = await harnessOf(declare, { restore: await checkpoint.complete() })
    restored.processElement(['a', 2], 2)
    expect([take(harness), take(restored)]).toEqual([['1 1', '2 2', '3 3'], ['2 2']])
  })

  test('refuses windows that are kept in another way, and does not lose them (R35).', async () => {
    const plain = (clicks: KeyedStream<Click, string>) =>
      clicks.window(TumblingEventTimeWindows.of(10)).aggregate(count())
    const general = (clicks: KeyedStream<Click, string>) => tumbling(clicks).aggregate(count())
    const evicting = (clicks: KeyedStream<Click, string>) => clicks.countWindow(3, 2).aggregate(count())
    for (const [before, after] of [
      [plain, general],
      [general, plain],
      [evicting, general],
    ] as const) {
      const harness = await harnessOf(before)
      harness.processElement(['a', 1], 1)
      const snapshot = await harness.snapshot()
      const refused = await harnessOf(after, { restore: snapshot }).catch((error: unknown) => error)
      expect(isMillraceError(refused) && refused.code).toBe('MR_STATE_INCOMPATIBLE')
      await harnessOf(before, { restore: snapshot })
    }
  })
})
