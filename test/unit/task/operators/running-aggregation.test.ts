import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AggregateFunction } from '../../../../src/api/functions.ts'
import type { DataType } from '../../../../src/formats/data-type.ts'
import type { OperatorSpec } from '../../../../src/graph/operator-spec.ts'
import { OperatorHarness } from '../../../../src/testing/operator-harness.ts'
import { disturbances, run } from './support/scenario.ts'

interface Sum {
  readonly key: string
  total: number
}

const untyped: DataType<unknown> = { kind: 'untyped' }
const double: DataType<unknown> = { kind: 'double' }
const numbers: DataType<unknown> = {
  kind: 'record',
  name: 'Sum',
  fields: [{ name: 'total', type: { kind: 'double' } }],
}
const withText: DataType<unknown> = {
  kind: 'record',
  name: 'Sum',
  fields: [
    { name: 'key', type: { kind: 'string' } },
    { name: 'total', type: { kind: 'double' } },
  ],
}

const keySelector = ({ key }: { readonly key: string }): string => key

function reduceOf(reduce: (left: Sum, right: Sum) => Sum, type = untyped): Promise<OperatorHarness<Sum, Sum>> {
  const spec: OperatorSpec = { kind: 'reduce', type, reduce: (left, right) => reduce(left as Sum, right as Sum) }
  return OperatorHarness.of(spec, { keySelector })
}

const valuesOf = <Out>(harness: OperatorHarness<never, Out>): Out[] => harness.output.map(({ value }) => value)

describe('A running reduce', () => {
  const mutating = (left: Sum, right: Sum): Sum => {
    left.total += right.total
    return left
  }

  test.each([
    ['untyped', untyped],
    ['declared', withText],
  ])('that changes its left value emits 1, 3, 6 for 1, 2, 3, and what it emitted stays (R7): %s.', async (_, type) => {
    const harness = await reduceOf(mutating, type)
    const records = [1, 2, 3].map((total) => Object.freeze({ key: 'a', total }))
    for (const record of records) harness.processElement(record, record.total)
    expect(valuesOf(harness).map(({ total }) => total)).toEqual([1, 3, 6])
    expect(harness.output.map(({ timestamp }) => timestamp)).toEqual([1, 2, 3])
    expect(new Set(valuesOf(harness)).size).toBe(3)
  })

  test('of records of numbers alone does the same off the heap.', async () => {
    const harness = await OperatorHarness.of<Sum, Sum>(
      { kind: 'reduce', type: numbers, reduce: (left, right) => mutating(left as Sum, right as Sum) },
      { keySelector: () => 'all' },
    )
    for (const total of [1, 2, 3]) harness.processElement(Object.freeze({ key: 'a', total }))
    expect(valuesOf(harness).map(({ total }) => total)).toEqual([1, 3, 6])
  })

  test('that gives the record itself does not let a later one change it.', async () => {
    const harness = await reduceOf((left, right) => (right.total > 10 ? right : mutating(left, right)))
    const records = [1, 20, 3].map((total) => ({ key: 'a', total }))
    for (const record of records) harness.processElement(record)
    expect(records.map(({ total }) => total)).toEqual([1, 20, 3])
    expect(valuesOf(harness).map(({ total }) => total)).toEqual([1, 20, 23])
  })

  test('that gives new objects keeps them from what was emitted.', async () => {
    const harness = await reduceOf((left, right) => ({ key: left.key, total: left.total + right.total }))
    for (const total of [1, 2, 3]) harness.processElement({ key: 'a', total })
    const emitted = valuesOf(harness)
    if (emitted[1] !== undefined) emitted[1].total = 1000
    harness.processElement({ key: 'a', total: 4 })
    expect(valuesOf(harness).map(({ total }) => total)).toEqual([1, 1000, 6, 10])
  })

  test('takes plain numbers.', async () => {
    const harness = await OperatorHarness.of<number, number>(
      { kind: 'reduce', type: double, reduce: (left, right) => (left as number) + (right as number) },
      { keySelector: (value) => value % 2 },
    )
    for (const value of [1, 2, 3, 4, 5]) harness.processElement(value)
    expect(valuesOf(harness)).toEqual([1, 2, 4, 6, 9])
  })

  test('that throws names the operator.', async () => {
    const harness = await reduceOf(() => {
      throw new Error('no sum')
    })
    harness.processElement({ key: 'a', total: 1 })
    expect(() => harness.processElement({ key: 'a', total: 2 })).toThrow(
      expect.objectContaining({
        code: 'MR_USER_FUNCTION',
        operator: 'tested',
        message: expect.stringMatching(/no sum/),
      }),
    )
  })

  test('of a wrong key names the operator.', async () => {
    const harness = await OperatorHarness.of<Sum, Sum>(
      { kind: 'reduce', type: untyped, reduce: (left) => left },
      { keySelector: () => Number.NaN },
    )
    expect(() => harness.processElement({ key: 'a', total: 1 })).toThrow(
      expect.objectContaining({ code: 'MR_KEY', operator: 'tested', message: expect.stringMatching(/"tested"/) }),
    )
  })
})

describe('A running aggregate', () => {
  interface Average {
    sum: number
    count: number
  }
  const average = (accumulatorType: DataType<Average> | undefined): AggregateFunction<Sum, Average, number> => ({
    ...(accumulatorType === undefined ? {} : { accumulatorType }),
    createAccumulator: () => ({ sum: 0, count: 0 }),
    add(accumulator, { total }) {
      accumulator.sum += total
      accumulator.count++
      return accumulator
    },
    getResult: ({ sum, count }) => sum / count,
  })
  const averageType: DataType<Average> = {
    kind: 'record',
    name: 'Average',
    fields: [
      { name: 'sum', type: { kind: 'double' } },
      { name: 'count', type: { kind: 'int32' } },
    ],
  }
  type Erased = AggregateFunction<unknown, unknown, unknown>

  test.each([
    ['untyped', undefined],
    ['declared', averageType],
  ])('emits its result for each record, by key: %s.', async (_, type) => {
    const harness = await OperatorHarness.of<Sum, number>(
      { kind: 'aggregate', aggregate: average(type) as Erased, withKey: undefined },
      { keySelector },
    )
    for (const [key, total] of [
      ['a', 1],
      ['b', 10],
      ['a', 3],
      ['b', 20],
    ] as const)
      harness.processElement({ key, total })
    expect(valuesOf(harness)).toEqual([1, 10, 2, 15])
  })

  test.each([
    ['untyped', undefined],
    ['declared', averageType],
  ])('takes an add that makes new accumulators: %s.', async (_, type) => {
    const aggregate: AggregateFunction<Sum, Average, number> = {
      ...average(type),
      add: ({ sum, count }, { total }) => ({ sum: sum + total, count: count + 1 }),
    }
    const harness = await OperatorHarness.of<Sum, number>(
      { kind: 'aggregate', aggregate: aggregate as Erased, withKey: undefined },
      { keySelector },
    )
    for (const total of [1, 2, 6]) harness.processElement({ key: 'a', total })
    expect(valuesOf(harness)).toEqual([1, 1.5, 3])
  })

  test('can name its key.', async () => {
    const harness = await OperatorHarness.of<Sum, unknown>(
      {
        kind: 'aggregate',
        aggregate: average(undefined) as Erased,
        withKey: (key, result) => ({ key, average: result }),
      },
      { keySelector },
    )
    harness.processElement({ key: 'a', total: 4 }, 9)
    expect(harness.output).toEqual([{ value: { key: 'a', average: 4 }, timestamp: 9 }])
  })

  test('that gives its accumulator as result emits copies (R7).', async () => {
    const harness = await OperatorHarness.of<Sum, Average>(
      {
        kind: 'aggregate',
        aggregate: { ...average(averageType), getResult: (accumulator: Average) => accumulator } as Erased,
        withKey: undefined,
      },
      { keySelector },
    )
    for (const total of [1, 2]) harness.processElement({ key: 'a', total })
    expect(valuesOf(harness)).toEqual([
      { sum: 1, count: 1 },
      { sum: 3, count: 2 },
    ])
  })

  test.each([
    ['untyped', undefined],
    ['declared', averageType],
  ])('gives the same through checkpoints, aborted ones and restarts: %s.', async (_, type) => {
    const record = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), total: fc.integer({ min: -9, max: 9 }) })
    const all = fc
      .array(record, { minLength: 1, maxLength: 60 })
      .chain((steps) => fc.tuple(fc.constant(steps), disturbances(steps.length)))
    await fc.assert(
      fc.asyncProperty(all, async ([steps, disturbed]) => {
        const outputs = await run<Sum, Sum, unknown>({
          spec: (): OperatorSpec => ({
            kind: 'aggregate',
            aggregate: average(type) as Erased,
            withKey: (key, result) => [key, result],
          }),
          options: { keySelector },
          steps,
          disturbed,
          apply: (group, step) => group.processElement(Object.freeze(step), 0),
        })
        const sums = new Map<string, Average>()
        const expected = steps.map(({ key, total }) => {
          const { sum, count } = sums.get(key) ?? { sum: 0, count: 0 }
          sums.set(key, { sum: sum + total, count: count + 1 })
          return [[key, (sum + total) / (count + 1)]]
        })
        expect(outputs.map(({ main }) => main.map(({ value }) => value))).toEqual(expected)
      }),
      { numRuns: 150 },
    )
  })
})
