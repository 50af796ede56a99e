import { describe, expect, test } from 'vitest'
import type { KeyedProcessFunction, OutputTag } from '../../../../src/api/functions.ts'
import type { ValueState } from '../../../../src/api/state.ts'
import { noTimestamp } from '../../../../src/common/timestamps.ts'
import { OperatorHarness } from '../../../../src/testing/operator-harness.ts'

interface Event {
  readonly key: string
  readonly at?: number
}

const keySelector = ({ key }: Event): string => key
const side: OutputTag<string> = { id: 'side', type: { kind: 'untyped' } }

/** Registers a timer at `at` and emits key, time and domain when it fires. */
const alarm = (domain: 'event-time' | 'processing-time'): KeyedProcessFunction<string, Event, string> => ({
  processElement({ at = 0 }, { timers }) {
    if (domain === 'event-time') timers.registerEventTimeTimer(at)
    else timers.registerProcessingTimeTimer(at)
  },
  onTimer(timestamp, context, out) {
    out.collect(`${context.key} ${timestamp} ${context.timeDomain} ${context.timestamp}`)
    context.output(side, context.key)
  },
})

describe('Timers', () => {
  test('An event-time timer fires when the watermark reaches it, once, and its output carries its time.', async () => {
    const harness = await OperatorHarness.keyedProcess(alarm('event-time'), keySelector)
    harness.processElement({ key: 'a', at: 10 }, 1)
    harness.processElement({ key: 'a', at: 10 }, 2)
    harness.processWatermark(9)
    expect(harness.output).toEqual([])
    harness.processWatermark(10)
    harness.processWatermark(20)
    expect(harness.output).toEqual([{ value: 'a 10 event-time 10', timestamp: 10 }])
    expect(harness.sideOutput(side)).toEqual([{ value: 'a', timestamp: 10 }])
  })

  test('A processing-time timer fires by the clock, and its output has no timestamp.', async () => {
    const harness = await OperatorHarness.keyedProcess(alarm('processing-time'), keySelector)
    harness.processElement({ key: 'a', at: 100 }, 1)
    expect(harness.operator.nextProcessingTime()).toBe(100)
    harness.advanceProcessingTime(99)
    expect(harness.output).toEqual([])
    harness.advanceProcessingTime(100)
    expect(harness.output).toEqual([{ value: 'a 100 processing-time 100', timestamp: noTimestamp }])
    expect(harness.sideOutput(side)).toEqual([{ value: 'a', timestamp: noTimestamp }])
    expect(harness.operator.nextProcessingTime()).toBe(Number.POSITIVE_INFINITY)
  })

  test('A processing-time timer that is left when the input ends is dropped: a restored task has ended, too (R12).', async () => {
    const harness = await OperatorHarness.keyedProcess(alarm('processing-time'), keySelector)
    harness.processElement({ key: 'a', at: 100 }, 1)
    harness.processElement({ key: 'b', at: 200 }, 1)
    harness.endInput()
    expect(harness.operator.nextProcessingTime()).toBe(Number.POSITIVE_INFINITY)
    const restore = await harness.snapshot()
    const restored = await OperatorHarness.keyedProcess(alarm('processing-time'), keySelector, { restore })
    restored.advanceProcessingTime(300)
    expect(restored.output).toEqual([])
  })

  test('Timers fire in the order of time over all keys, also before the epoch.', async () => {
    const harness = await OperatorHarness.keyedProcess(alarm('event-time'), keySelector)
    for (const [key, at] of [
      ['a', 5],
      ['b', -20],
      ['c', 3],
      ['a', -7],
    ] as const)
      harness.processElement({ key, at }, 0)
    harness.processWatermark(Number.POSITIVE_INFINITY)
    expect(harness.output.map(({ timestamp }) => timestamp)).toEqual([-20, -7, 3, 5])
  })

  test('One that is registered while its own time fires fires again, and an earlier one goes before the rest.', async () => {
    const again = new Map([
      ['a', 10],
      ['b', 5],
    ])
    const harness = await OperatorHarness.keyedProcess<string, Event, string>(
      {
        processElement(_event, { timers }) {
          timers.registerEventTimeTimer(10)
        },
        onTimer(timestamp, { key, timers }, out) {
          out.collect(`${key} ${timestamp}`)
          const next = again.get(key)
          again.delete(key)
          if (next !== undefined) timers.registerEventTimeTimer(next)
        },
      },
      keySelector,
    )
    for (const key of ['a', 'b', 'c']) harness.processElement({ key }, 0)
    harness.processWatermark(20)
    const fired = harness.output.map(({ value }) => value)
    expect(fired.toSorted()).toEqual(['a 10', 'a 10', 'b 10', 'b 5', 'c 10'])
    expect(fired.indexOf('b 5')).toBe(fired.indexOf('b 10') + 1)
  })

  test('They fire in slices, in one step however many there are (R33).', async () => {
    const harness = await OperatorHarness.keyedProcess(alarm('event-time'), keySelector)
    for (let index = 0; index < 10; index++) harness.processElement({ key: `k${index}`, at: index % 3 }, 0)
    const slices: number[] = []
    let done = false
    while (!done) {
      const before = harness.output.length
      done = harness.operator.advanceWatermark(5, 4)
      slices.push(harness.output.length - before)
    }
    expect(slices).toEqual([4, 4, 2])
  })

  test('A timer at a fraction of a millisecond is an error of the function.', async () => {
    const harness = await OperatorHarness.keyedProcess(alarm('event-time'), keySelector)
    expect(() => harness.processElement({ key: 'a', at: 1.5 }, 0)).toThrow(
      expect.objectContaining({ code: 'MR_USER_FUNCTION', message: expect.stringMatching(/timer at 1.5/) }),
    )
  })

  test('They are restored with their keys, at another parallelism too.', async () => {
    const harness = await OperatorHarness.keyedProcess(alarm('event-time'), keySelector)
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`)
    keys.forEach((key, index) => {
      harness.processElement({ key, at: index }, 0)
    })
    const restore = await harness.snapshot()
    const restored = await Promise.all(
      [0, 1, 2].map((subtaskIndex) =>
        OperatorHarness.keyedProcess(alarm('event-time'), keySelector, { restore, subtaskIndex, parallelism: 3 }),
      ),
    )
    for (const one of restored) one.endInput()
    const fired = restored.map(({ output }) => output.map(({ value }) => value.split(' ')[0] ?? ''))
    expect(fired.flat().toSorted()).toEqual(keys.toSorted())
    restored.forEach((one, index) => {
      expect(fired[index]?.every((key) => one.owns(key))).toBe(true)
    })
  })
})

describe('Keyed state of a function', () => {
  const counting = (): KeyedProcessFunction<string, Event, string> => {
    let count: ValueState<number>
    return {
      open(context) {
        count = context.valueState({ kind: 'value', name: 'count', type: { kind: 'untyped' } })
      },
      processElement(_event, { key }, out) {
        count.update((count.value() ?? 0) + 1)
        out.collect(`${key} ${count.value()}`)
      },
    }
  }

  test('belongs to the key of the record, and is restored.', async () => {
    const harness = await OperatorHarness.keyedProcess(counting(), keySelector)
    for (const key of ['a', 'b', 'a']) harness.processElement({ key }, 5)
    expect(harness.output.map(({ value }) => value)).toEqual(['a 1', 'b 1', 'a 2'])
    const restored = await OperatorHarness.keyedProcess(counting(), keySelector, { restore: await harness.snapshot() })
    restored.processElement({ key: 'a' }, 6)
    expect(restored.output).toEqual([{ value: 'a 3', timestamp: 6 }])
  })
})
