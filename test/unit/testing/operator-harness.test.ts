import { expect, test } from 'vitest'
import { type KeyedProcessFunction, type ValueState, valueStateDescriptor } from '../../../src/index.ts'
import { OperatorHarness } from '../../../src/testing/index.ts'

interface Click {
  readonly user: string
}

const userOf = (click: Click): string => click.user

function clicksInAMinute(): KeyedProcessFunction<string, Click, string> {
  let clicks: ValueState<number>
  return {
    open(context) {
      clicks = context.valueState(valueStateDescriptor<number>('clicks'))
    },
    processElement(_click, context) {
      const before = clicks.value() ?? 0
      if (before === 0) context.timers.registerEventTimeTimer(context.timestamp + 60_000)
      clicks.update(before + 1)
    },
    onTimer(_timestamp, context, out) {
      out.collect(`${context.key}: ${clicks.value()}`)
      clicks.clear()
    },
  }
}

test('The example of the harness gives what it says.', async () => {
  const harness = await OperatorHarness.keyedProcess(clicksInAMinute(), userOf)
  harness.processElement({ user: 'ada' }, 1_000)
  harness.processElement({ user: 'ada' }, 2_000)
  const restored = await OperatorHarness.keyedProcess(clicksInAMinute(), userOf, { restore: await harness.snapshot() })
  restored.processWatermark(61_000)
  expect(restored.output).toEqual([{ value: 'ada: 2', timestamp: 61_000 }])
})

test('A checkpoint holds what was before its barrier, whatever comes while it is written out.', async () => {
  const harness = await OperatorHarness.keyedProcess(clicksInAMinute(), userOf)
  for (const user of ['ada', 'bob', 'ada']) harness.processElement({ user }, 0)
  const checkpoint = harness.beginCheckpoint()
  harness.processElement({ user: 'ada' }, 1)
  harness.processWatermark(60_000)
  const restored = await OperatorHarness.keyedProcess(clicksInAMinute(), userOf, {
    restore: await checkpoint.complete(),
  })
  restored.endInput()
  expect(restored.output.map(({ value }) => value).toSorted()).toEqual(['ada: 2', 'bob: 1'])
  expect(harness.output.map(({ value }) => value).toSorted()).toEqual(['ada: 3', 'bob: 1'])
})

test('An aborted checkpoint loses nothing for the next one.', async () => {
  const harness = await OperatorHarness.keyedProcess(clicksInAMinute(), userOf)
  harness.processElement({ user: 'ada' }, 0)
  await harness.snapshot()
  harness.processElement({ user: 'ada' }, 1)
  harness.beginCheckpoint().abort()
  const restored = await OperatorHarness.keyedProcess(clicksInAMinute(), userOf, { restore: await harness.snapshot() })
  restored.endInput()
  expect(restored.output.map(({ value }) => value)).toEqual(['ada: 2'])
})

test('A keyed operator without a key selector is refused.', async () => {
  const spec = { kind: 'reduce', type: { kind: 'untyped' }, reduce: (left: unknown) => left } as const
  await expect(OperatorHarness.of(spec)).rejects.toThrow(/give a keySelector/)
})
