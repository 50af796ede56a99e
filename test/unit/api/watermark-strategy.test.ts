import { expect, test } from 'vitest'
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.ts'
import { errorOf } from './error-of.ts'

function emitted(strategy: WatermarkStrategy<unknown>, timestamps: readonly number[]): readonly number[] {
  const generator = strategy.specification.createGenerator?.()
  const watermarks: number[] = []
  const output = { emitWatermark: (watermark: number) => void watermarks.push(watermark), markIdle() {} }
  generator?.onPeriodicEmit(output)
  for (const timestamp of timestamps) {
    generator?.onEvent(undefined, timestamp, output)
    generator?.onPeriodicEmit(output)
  }
  return watermarks
}

test('a watermark stays behind the highest timestamp by the bound and a millisecond', () => {
  expect(emitted(WatermarkStrategy.forBoundedOutOfOrderness('5s'), [10_000, 8000, 12_000])).toEqual([4999, 4999, 6999])
  expect(emitted(WatermarkStrategy.forMonotonousTimestamps(), [10, 20])).toEqual([9, 19])
  expect(emitted(WatermarkStrategy.noWatermarks(), [10, 20])).toEqual([])
})

test('there is no watermark before a record has a timestamp', () => {
  expect(emitted(WatermarkStrategy.forMonotonousTimestamps(), [Number.NEGATIVE_INFINITY])).toEqual([])
})

test('every split has a generator of its own', () => {
  const { createGenerator } = WatermarkStrategy.forMonotonousTimestamps().specification
  expect(createGenerator?.()).not.toBe(createGenerator?.())
})

test('timestamps and idleness add to a strategy without changing it', () => {
  const plain = WatermarkStrategy.forMonotonousTimestamps()
  const full = plain.withIdleness('1min').withTimestamps((value: { at: number }, before) => value.at + before)
  expect(plain.specification).toMatchObject({ timestampOf: undefined, idleTimeoutMs: undefined })
  expect(full.specification.idleTimeoutMs).toBe(60_000)
  expect(full.specification.timestampOf?.({ at: 1 }, 2)).toBe(3)
})

test('wrong durations name the call and its place', () => {
  expect(errorOf(() => WatermarkStrategy.forBoundedOutOfOrderness('late')).message).toMatch(
    /^WatermarkStrategy\.forBoundedOutOfOrderness \(declared at .*watermark-strategy\.test\.ts:\d+\)/,
  )
  expect(errorOf(() => WatermarkStrategy.noWatermarks().withIdleness(0)).message).toContain('1 at least')
})
