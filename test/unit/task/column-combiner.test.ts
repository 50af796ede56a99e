import fc from 'fast-check'
import { count, max, sum } from 'millrace'
import { int32, nullable, record, string } from 'millrace/formats'
import { expect, test } from 'vitest'
import type { Key } from '../../../src/api/functions.ts'
import { aggregateFunctionOf, checkAggregateOf, type NamedAggregate } from '../../../src/columns/aggregate.ts'
import type { CombinePlan } from '../../../src/columns/column-plan.ts'
import { hashKey } from '../../../src/common/key.ts'
import type { CombinableAggregate, WindowCombination } from '../../../src/graph/window-combining.ts'
import { ColumnCombiner } from '../../../src/task/columns/column-combiner.ts'
import { ColumnReceiver } from '../../../src/task/columns/column-receiver.ts'
import { WindowCombiner } from '../../../src/task/window-combiner.ts'
import type { WindowPartial } from '../../../src/task/window-partial.ts'

const type = record({ key: string(), size: int32(), bonus: nullable(int32()) })
interface Row {
  readonly key: string
  readonly size: number
  readonly bonus: number | null
}
const columns = { n: count().column, sizes: sum('size').column, high: max('bonus').column }
const results = Object.entries(columns).map(([name, column]) => checkAggregateOf(name, column, type) as NamedAggregate)
const aggregate = { keyFields: ['key'], results }
const functions = aggregateFunctionOf(aggregate) as unknown as CombinableAggregate
const plan: CombinePlan = {
  record: type,
  aggregate,
  values: [
    { expression: { kind: 'field', name: 'size' }, nullable: false },
    { expression: { kind: 'field', name: 'bonus' }, nullable: true },
  ],
  valueOf: [-1, 0, 1],
  scan: { record: type, timestamp: undefined, conditions: [], keys: [], values: [] },
}
const slices: WindowCombination = { kind: 'slices', sliceMs: 10, offsetMs: 3, aggregate: functions }
const sessions: WindowCombination = { kind: 'sessions', gapMs: 7, aggregate: functions }
const keyOf = (value: unknown): Key => (value as Row).key

/** What both combiners have sent since the last look, in one order. */
function combiners(combination: WindowCombination) {
  const sent: { readonly objects: string[]; readonly columns: string[] } = { objects: [], columns: [] }
  const sender = (list: string[]) => (partial: WindowPartial, keyHash: number) => {
    list.push(JSON.stringify([{ ...partial }, keyHash]))
  }
  const receiverName = 'windows'
  const objects = new WindowCombiner({ combination, receiverName, keyOf, hashOf: hashKey, send: sender(sent.objects) })
  const column = new ColumnCombiner({ plan, combination, receiverName, send: sender(sent.columns) })
  const receiver = new ColumnReceiver(plan, [column.target], (value) => hashKey(keyOf(value)))
  return {
    add(row: Row, timestamp: number) {
      objects.add(row, timestamp)
      receiver.processElement(row, timestamp)
    },
    flush() {
      objects.flush()
      column.flush()
    },
    advanceWatermark(watermark: number) {
      this.flush()
      objects.advanceWatermark(watermark)
      column.advanceWatermark(watermark)
    },
    take: () => [sent.objects.splice(0).toSorted(), sent.columns.splice(0).toSorted()] as const,
    buffered: () => [objects.buffered, column.buffered] as const,
  }
}

const row: fc.Arbitrary<Row> = fc.record({
  key: fc.oneof(fc.constantFrom('', 'a', 'é', 'abcdefghi'), fc.string({ maxLength: 6 })),
  size: fc.integer({ min: -9, max: 9 }),
  bonus: fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constant(null)),
})
const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.tuple(fc.constant('add' as const), row, fc.integer({ min: -30, max: 60 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('watermark' as const), fc.integer({ min: -30, max: 60 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('flush' as const)) },
  ),
  { maxLength: 120 },
)

test.each([slices, sessions])('columns are combined to what objects are: $kind', (combination) => {
  fc.assert(
    fc.property(steps, (list) => {
      const both = combiners(combination)
      for (const step of list) {
        if (step[0] === 'add') both.add(step[1], step[2])
        else if (step[0] === 'watermark') both.advanceWatermark(step[1])
        else both.flush()
        if (step[0] === 'add') continue
        const [objects, column] = both.take()
        expect(column).toEqual(objects)
      }
      both.flush()
      const [objects, column] = both.take()
      expect(column).toEqual(objects)
      expect(both.buffered()).toEqual([false, false])
    }),
    { numRuns: 100 },
  )
})

test.each([slices, sessions])(
  'also where many keys fill the table, and combining does not pay: $kind',
  (combination) => {
    const both = combiners(combination)
    for (let index = 0; index < 30_000; index++) {
      both.add({ key: `key ${index}`, size: index, bonus: null }, index % 20)
    }
    both.flush()
    const [objects, column] = both.take()
    expect(column).toHaveLength(30_000)
    expect(column).toEqual(objects)
  },
)

test('keys that are very long do not wait for the table to fill', () => {
  const both = combiners(slices)
  for (let index = 0; index < 600; index++) {
    both.add({ key: `${index} ${'k'.repeat(4000)}`, size: index, bonus: null }, 0)
  }
  expect(both.take()[1].length).toBeGreaterThan(200)
  both.flush()
  expect(both.take()[0]).toHaveLength(600)
})

test('a record without a timestamp is refused', () => {
  const column = new ColumnCombiner({ plan, combination: slices, receiverName: 'windows', send: () => undefined })
  const receiver = new ColumnReceiver(plan, [column.target], (value) => hashKey(keyOf(value)))
  receiver.processElement({ key: 'a', size: 1, bonus: null }, Number.NaN)
  expect(() => column.flush()).toThrow('reached the event-time window "windows"')
})
