import { expect, test } from 'vitest'
import type { WatermarkGenerator, WatermarkSpecification } from '../../../../src/api/watermarks.ts'
import { OperatorHarness } from '../../../../src/testing/operator-harness.ts'

interface Reading {
  readonly at: number
}

const highestMinusOne = (): WatermarkGenerator<Reading> => {
  let highest = Number.NEGATIVE_INFINITY
  return {
    onEvent: (_value, timestamp) => {
      highest = Math.max(highest, timestamp)
    },
    onPeriodicEmit: (output) => output.emitWatermark(highest - 1),
  }
}

function harnessOf(
  given: Partial<WatermarkSpecification<Reading>>,
  options: { readonly autoWatermarkIntervalMs?: number } = {},
): Promise<OperatorHarness<Reading, Reading>> {
  const watermarks: WatermarkSpecification<Reading> = {
    timestampOf: ({ at }) => at,
    createGenerator: highestMinusOne,
    idleTimeoutMs: undefined,
    ...given,
  }
  const erased = watermarks as WatermarkSpecification<unknown>
  return OperatorHarness.of({ kind: 'timestampsAndWatermarks', watermarks: erased }, options)
}

test('Records get the timestamps of the strategy.', async () => {
  const harness = await harnessOf({})
  harness.processElement({ at: 7 }, 3)
  expect(harness.output).toEqual([{ value: { at: 7 }, timestamp: 7 }])
})

test('Without a timestamp function records keep their own.', async () => {
  const harness = await harnessOf({ timestampOf: undefined })
  harness.processElement({ at: 7 }, 3)
  expect(harness.output).toEqual([{ value: { at: 7 }, timestamp: 3 }])
})

test('The watermark comes from the generator, every interval, and never sinks.', async () => {
  const harness = await harnessOf({}, { autoWatermarkIntervalMs: 100 })
  harness.processElement({ at: 50 })
  expect(harness.watermark).toBe(Number.NEGATIVE_INFINITY)
  harness.advanceProcessingTime(99)
  expect(harness.watermark).toBe(Number.NEGATIVE_INFINITY)
  harness.advanceProcessingTime(100)
  expect(harness.watermark).toBe(49)
  harness.processElement({ at: 20 })
  harness.advanceProcessingTime(250)
  expect(harness.watermark).toBe(49)
})

test('With the interval 0 a watermark follows every batch, and no turn is asked for without records.', async () => {
  const harness = await harnessOf({}, { autoWatermarkIntervalMs: 0 })
  expect(harness.operator.nextProcessingTime()).toBe(Number.POSITIVE_INFINITY)
  harness.processElement({ at: 50 })
  harness.advanceProcessingTime(0)
  expect(harness.watermark).toBe(49)
  expect(harness.operator.nextProcessingTime()).toBe(Number.POSITIVE_INFINITY)
})

test('A generator may emit with a record.', async () => {
  const harness = await harnessOf({
    createGenerator: () => ({
      onEvent: (_value, timestamp, output) => output.emitWatermark(timestamp),
      onPeriodicEmit: () => {},
    }),
  })
  harness.processElement({ at: 50 })
  expect(harness.watermark).toBe(50)
})

test('Watermarks of the input are ignored, but for the last one.', async () => {
  const harness = await harnessOf({})
  harness.processElement({ at: 50 })
  harness.processWatermark(1000)
  expect(harness.watermark).toBe(Number.NEGATIVE_INFINITY)
  harness.endInput()
  expect(harness.watermark).toBe(Number.POSITIVE_INFINITY)
})

test('After a restore the watermark does not sink below what was sent.', async () => {
  const harness = await harnessOf({})
  harness.processElement({ at: 50 })
  harness.advanceProcessingTime(200)
  const snapshot = await harness.snapshot()
  const restored = await OperatorHarness.of<Reading, Reading>(
    {
      kind: 'timestampsAndWatermarks',
      watermarks: { timestampOf: undefined, createGenerator: highestMinusOne, idleTimeoutMs: undefined },
    } as never,
    { restore: snapshot },
  )
  expect(restored.watermark).toBe(49)
  restored.processElement({ at: 1 }, 1)
  restored.advanceProcessingTime(200)
  expect(restored.watermark).toBe(49)
})

test('It is idle after the timeout without records, until the next one.', async () => {
  const harness = await harnessOf({ idleTimeoutMs: 1000 }, { autoWatermarkIntervalMs: 100 })
  harness.processElement({ at: 50 })
  harness.advanceProcessingTime(900)
  expect(harness.operator.generated?.idle).toBe(false)
  harness.advanceProcessingTime(1100)
  expect(harness.operator.generated?.idle).toBe(true)
  harness.processElement({ at: 60 })
  expect(harness.operator.generated?.idle).toBe(false)
  harness.advanceProcessingTime(1200)
  expect(harness.operator.generated).toMatchObject({ watermark: 59, idle: false })
})

test.each([
  ['with watermarks after every batch', { idleTimeoutMs: 1000 }],
  ['without watermarks', { idleTimeoutMs: 1000, createGenerator: undefined }],
])('It is idle after the timeout, not before, also %s.', async (_, given) => {
  const harness = await harnessOf(given, { autoWatermarkIntervalMs: 0 })
  harness.processElement({ at: 50 })
  harness.advanceProcessingTime(999)
  expect(harness.operator.generated?.idle).toBe(false)
  harness.advanceProcessingTime(1500)
  expect(harness.operator.generated?.idle).toBe(true)
  harness.processElement({ at: 60 })
  expect(harness.operator.generated?.idle).toBe(false)
})

test('One long gap between two turns is no idle time (R19).', async () => {
  const harness = await harnessOf({ idleTimeoutMs: 1000 }, { autoWatermarkIntervalMs: 0 })
  harness.processElement({ at: 50 })
  harness.advanceProcessingTime(0)
  harness.clock.advanceTo(60_000)
  harness.operator.advanceProcessingTime(60_000, 500)
  expect(harness.operator.generated?.idle).toBe(false)
})

test('A timestamp that is no number is an error that says what came.', async () => {
  const harness = await harnessOf({ timestampOf: () => undefined as never })
  expect(() => harness.processElement({ at: 1 })).toThrow(
    expect.objectContaining({
      code: 'MR_USER_FUNCTION',
      operator: 'tested',
      message: expect.stringMatching(/undefined/),
    }),
  )
})
