import { describe, expect, test } from 'vitest'
import type { AggregateFunction, Key, OutputTag, ProcessWindowFunction } from '../../../../src/api/functions.ts'
import { noTimestamp } from '../../../../src/common/timestamps.ts'
import type { OperatorSpec, WindowAssigner, WindowSpec } from '../../../../src/graph/operator-spec.ts'
import { OperatorHarness } from '../../../../src/testing/operator-harness.ts'

type Click = readonly [key: string, value: number]

const late: OutputTag<Click> = { id: 'late', type: { kind: 'untyped' } }
const tumbling: WindowAssigner = { kind: 'tumbling', sizeMs: 10, offsetMs: 0 }
const session: WindowAssigner = { kind: 'session', gapMs: 10 }

/** Emits `key [start, end) values`. */
const listed: ProcessWindowFunction<Click, string, string> = {
  process(key, { window }, elements, out) {
    out.collect(`${key} [${window.start}, ${window.end}) ${elements.map(([, value]) => value).join(' ')}`)
  },
}

function specOf(assigner: WindowAssigner, given: Partial<WindowSpec> = {}): OperatorSpec {
  return {
    kind: 'window',
    assigner,
    allowedLatenessMs: 0,
    lateTag: undefined,
    compute: {
      kind: 'process',
      type: { kind: 'untyped' },
      process: listed as ProcessWindowFunction<unknown, unknown, Key>,
    },
    ...given,
  }
}

const keySelector = ([key]: Click): string => key

function windowsOf(assigner: WindowAssigner, given: Partial<WindowSpec> = {}): Promise<OperatorHarness<Click, string>> {
  return OperatorHarness.of(specOf(assigner, given), { keySelector })
}

const take = (harness: OperatorHarness<Click, string>): string[] => harness.output.splice(0).map(({ value }) => value)

describe('Tumbling windows', () => {
  test('fire when the watermark reaches end − 1, with that timestamp.', async () => {
    const harness = await windowsOf(tumbling)
    harness.processElement(['a', 1], 0)
    harness.processElement(['a', 2], 9)
    harness.processElement(['a', 3], 10)
    harness.processWatermark(8)
    expect(harness.output).toEqual([])
    harness.processWatermark(9)
    expect(harness.output).toEqual([{ value: 'a [0, 10) 1 2', timestamp: 9 }])
    harness.endInput()
    expect(harness.output.slice(1)).toEqual([{ value: 'a [10, 20) 3', timestamp: 19 }])
  })

  test('of negative timestamps begin before them (R35).', async () => {
    const harness = await windowsOf(tumbling)
    for (const timestamp of [-1, -10, -11]) harness.processElement(['a', timestamp], timestamp)
    harness.processWatermark(-1)
    expect(take(harness)).toEqual(['a [-20, -10) -11', 'a [-10, 0) -1 -10'])
  })

  test('start at multiples of their size plus the offset.', async () => {
    const harness = await windowsOf({ kind: 'tumbling', sizeMs: 10, offsetMs: 3 })
    for (const timestamp of [2, 3, 12]) harness.processElement(['a', timestamp], timestamp)
    harness.endInput()
    expect(take(harness)).toEqual(['a [-7, 3) 2', 'a [3, 13) 3 12'])
  })

  test('count a record that is behind the watermark, where nothing takes it.', async () => {
    const harness = await windowsOf(tumbling)
    harness.processWatermark(9)
    harness.processElement(['a', 1], 9)
    harness.processElement(['a', 2], 10)
    expect(harness.metrics.lateRecordsDropped).toBe(1)
    harness.endInput()
    expect(take(harness)).toEqual(['a [10, 20) 2'])
  })

  test('send it to the side output where there is one.', async () => {
    const harness = await windowsOf(tumbling, { lateTag: late as OutputTag<unknown> })
    harness.processWatermark(9)
    harness.processElement(['a', 1], 3)
    expect(harness.sideOutput(late)).toEqual([{ value: ['a', 1], timestamp: 3 }])
    expect(harness.metrics.lateRecordsDropped).toBe(0)
  })

  test('fire again for each record within the allowed lateness, and are gone after it.', async () => {
    const harness = await windowsOf(tumbling, { allowedLatenessMs: 5 })
    harness.processElement(['a', 1], 1)
    harness.processElement(['b', 1], 1)
    harness.processWatermark(9)
    expect(take(harness).toSorted()).toEqual(['a [0, 10) 1', 'b [0, 10) 1'])
    harness.processElement(['a', 2], 2)
    harness.processElement(['c', 3], 3)
    expect(take(harness)).toEqual(['a [0, 10) 1 2', 'c [0, 10) 3'])
    harness.processWatermark(13)
    harness.processElement(['a', 4], 4)
    expect(take(harness)).toEqual(['a [0, 10) 1 2 4'])
    harness.processWatermark(14)
    harness.processElement(['a', 5], 5)
    expect(take(harness)).toEqual([])
    expect(harness.metrics.lateRecordsDropped).toBe(1)
  })

  test('fire in slices, in one step however many keys there are (R33).', async () => {
    const harness = await windowsOf(tumbling)
    for (let index = 0; index < 10; index++) harness.processElement([`k${index}`, index], (index % 2) * 10)
    const slices: number[] = []
    let done = false
    while (!done) {
      const before = harness.output.length
      done = harness.operator.advanceWatermark(30, 3)
      slices.push(harness.output.length - before)
    }
    expect(slices.every((count) => count <= 3)).toBe(true)
    expect(harness.output).toHaveLength(10)
    expect(harness.output.map(({ timestamp }) => timestamp)).toEqual([9, 9, 9, 9, 9, 19, 19, 19, 19, 19])
  })

  test('that have fired do not fire again after a restore.', async () => {
    const harness = await windowsOf(tumbling, { allowedLatenessMs: 100 })
    harness.processElement(['a', 1], 1)
    harness.processWatermark(20)
    expect(take(harness)).toEqual(['a [0, 10) 1'])
    const restored = await OperatorHarness.of<Click, string>(specOf(tumbling, { allowedLatenessMs: 100 }), {
      keySelector,
      restore: await harness.snapshot(),
    })
    restored.processWatermark(30)
    expect(take(restored)).toEqual([])
    restored.processElement(['a', 2], 2)
    expect(take(restored)).toEqual(['a [0, 10) 1 2'])
  })

  test('leave no state behind after the allowed lateness.', async () => {
    const harness = await windowsOf(tumbling, { allowedLatenessMs: 5 })
    harness.processElement(['a', 1], 1)
    harness.processWatermark(9)
    harness.processWatermark(14)
    // More lateness than before shows what is still there.
    const restored = await OperatorHarness.of<Click, string>(specOf(tumbling, { allowedLatenessMs: 100 }), {
      keySelector,
      restore: await harness.snapshot(),
    })
    restored.processElement(['a', 2], 2)
    expect(take(restored)).toEqual(['a [0, 10) 2'])
  })

  test('emit lists that later records do not change (R7).', async () => {
    const all: ProcessWindowFunction<Click, readonly Click[], string> = {
      process: (_key, _context, elements, out) => out.collect(elements),
    }
    const harness = await OperatorHarness.of<Click, readonly Click[]>(
      specOf(tumbling, {
        allowedLatenessMs: 5,
        compute: {
          kind: 'process',
          type: { kind: 'untyped' },
          process: all as ProcessWindowFunction<unknown, unknown, Key>,
        },
      }),
      { keySelector },
    )
    harness.processElement(['a', 1], 1)
    harness.processWatermark(9)
    harness.processElement(['a', 2], 2)
    expect(harness.output.map(({ value }) => value.length)).toEqual([1, 2])
  })

  test('of a reduce that gives the record itself do not change it later (R7).', async () => {
    const reduce = (left: unknown, right: unknown): unknown => {
      const [kept, value] = [left as { total: number }, right as { total: number }]
      if (value.total > 10) return value
      kept.total += value.total
      return kept
    }
    const harness = await OperatorHarness.of<{ total: number }, { total: number }>(
      specOf(tumbling, { compute: { kind: 'reduce', reduce, type: { kind: 'untyped' }, process: undefined } }),
      { keySelector: () => 'all' },
    )
    const records = [1, 20, 3].map((total) => ({ total }))
    for (const record of records) harness.processElement(record, 1)
    harness.endInput()
    expect(harness.output).toEqual([{ value: { total: 23 }, timestamp: 9 }])
    expect(records.map(({ total }) => total)).toEqual([1, 20, 3])
  })

  test.each([noTimestamp, Number.NaN])(
    'refuse a record with the timestamp %d and say what is missing.',
    async (timestamp) => {
      const harness = await windowsOf(tumbling)
      expect(() => harness.processElement(['a', 1], timestamp)).toThrow(
        expect.objectContaining({
          code: 'MR_JOB_DEFINITION',
          operator: 'tested',
          message: expect.stringMatching(/WatermarkStrategy with timestamps/),
        }),
      )
    },
  )
})

describe('Sliding windows', () => {
  test('whose size is no multiple of the slide hold a record in each that contains it.', async () => {
    const harness = await windowsOf({ kind: 'sliding', sizeMs: 10, slideMs: 4, offsetMs: 0 })
    harness.processElement(['a', 1], 9)
    harness.endInput()
    expect(take(harness)).toEqual(['a [0, 10) 1', 'a [4, 14) 1', 'a [8, 18) 1'])
  })

  test('leave out what is between them where the slide is above the size, without calling it late.', async () => {
    const harness = await windowsOf({ kind: 'sliding', sizeMs: 3, slideMs: 10, offsetMs: 0 })
    harness.processElement(['a', 1], 5)
    harness.processElement(['a', 2], 12)
    harness.endInput()
    expect(take(harness)).toEqual(['a [10, 13) 2'])
    expect(harness.metrics.lateRecordsDropped).toBe(0)
  })

  test('take a record into those that are still open.', async () => {
    const harness = await windowsOf({ kind: 'sliding', sizeMs: 10, slideMs: 5, offsetMs: 0 })
    harness.processWatermark(9)
    harness.processElement(['a', 1], 7)
    harness.endInput()
    expect(take(harness)).toEqual(['a [5, 15) 1'])
    expect(harness.metrics.lateRecordsDropped).toBe(0)
  })
})

describe('Session windows', () => {
  test('end a gap after their last record.', async () => {
    const harness = await windowsOf(session)
    harness.processElement(['a', 1], 0)
    harness.processElement(['a', 2], 9)
    harness.processElement(['a', 3], 30)
    harness.processWatermark(17)
    expect(take(harness)).toEqual([])
    harness.processWatermark(18)
    expect(take(harness)).toEqual(['a [0, 19) 1 2'])
    harness.endInput()
    expect(take(harness)).toEqual(['a [30, 40) 3'])
  })

  test('become one by a record between them.', async () => {
    const harness = await windowsOf(session)
    harness.processElement(['a', 1], 0)
    harness.processElement(['a', 2], 18)
    harness.processElement(['b', 9], 9)
    harness.processElement(['a', 3], 9)
    harness.endInput()
    expect(take(harness)).toEqual(['b [9, 19) 9', 'a [0, 28) 1 2 3'])
  })

  test('take a record that is late by itself into a live session.', async () => {
    const harness = await windowsOf(session)
    harness.processElement(['a', 1], 20)
    harness.processWatermark(25)
    harness.processElement(['a', 2], 12)
    harness.processElement(['b', 3], 12)
    expect(harness.metrics.lateRecordsDropped).toBe(1)
    harness.endInput()
    expect(take(harness)).toEqual(['a [12, 30) 1 2'])
  })

  test('that have fired fire again when a record within the allowed lateness makes them longer.', async () => {
    const harness = await windowsOf(session, { allowedLatenessMs: 20 })
    harness.processElement(['a', 1], 0)
    harness.processWatermark(15)
    expect(take(harness)).toEqual(['a [0, 10) 1'])
    harness.processElement(['a', 2], 8)
    expect(take(harness)).toEqual([])
    harness.processWatermark(17)
    expect(take(harness)).toEqual(['a [0, 18) 1 2'])
    harness.processElement(['a', 3], 7)
    expect(take(harness)).toEqual(['a [0, 18) 1 2 3'])
    harness.processWatermark(37)
    harness.processElement(['a', 4], 7)
    expect(take(harness)).toEqual([])
    expect(harness.metrics.lateRecordsDropped).toBe(1)
  })

  test('refuse an aggregate without merge.', async () => {
    const aggregate: AggregateFunction<unknown, unknown, unknown> = {
      createAccumulator: () => 0,
      add: (accumulator) => accumulator,
      getResult: (accumulator) => accumulator,
    }
    await expect(
      windowsOf(session, { compute: { kind: 'aggregate', aggregate, process: undefined } }),
    ).rejects.toMatchObject({ code: 'MR_JOB_DEFINITION', message: expect.stringMatching(/merge\(\)/) })
  })
})

test.each([
  ['tumbling', tumbling],
  ['session', session],
] as const)(
  '%s windows that had fired do not fire again where a restart lowers the allowed lateness.',
  async (_, assigner) => {
    const harness = await windowsOf(assigner, { allowedLatenessMs: 100 })
    harness.processElement(['a', 1], 0)
    harness.processWatermark(20)
    expect(take(harness)).toEqual(['a [0, 10) 1'])
    const restored = await OperatorHarness.of<Click, string>(specOf(assigner), {
      keySelector,
      restore: await harness.snapshot(),
    })
    restored.processWatermark(30)
    restored.processWatermark(200)
    expect(take(restored)).toEqual([])
  },
)
