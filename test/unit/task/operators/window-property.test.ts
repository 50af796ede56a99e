import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AggregateFunction, Key, OutputTag, ProcessWindowFunction } from '../../../../src/api/functions.ts'
import type { DataType } from '../../../../src/formats/data-type.ts'
import type { OperatorSpec, WindowAssigner, WindowComputation } from '../../../../src/graph/operator-spec.ts'
import { disturbances, run } from './support/scenario.ts'
import { type Firing, type Item, referenceWindows, type Step } from './support/window-reference.ts'

const lateTag: OutputTag<Item> = { id: 'late', type: { kind: 'untyped' } }
const keys = ['a', 'b', 'c', 'd', 'e']

/** What every computation of these tests emits: enough to tell which records went into it. */
interface Result {
  readonly key: string
  readonly start: number
  readonly end: number
  readonly ids: readonly number[]
}

const byKeyAndWindow: ProcessWindowFunction<readonly number[], Result, string> = {
  process(key, { window }, [ids], out) {
    out.collect({ key, start: window.start, end: window.end, ids: ids ?? [] })
  },
}

/** Changes what is kept in place, which no emitted value and no record that came in may show (R7). */
interface Kept {
  readonly key: string
  readonly ids: number[]
}

const collectIds: AggregateFunction<Item, number[], readonly number[]> = {
  createAccumulator: () => [],
  add(accumulator, item) {
    accumulator.push(item.id)
    return accumulator
  },
  getResult: (accumulator) => [...accumulator],
  merge(left, right) {
    left.push(...right)
    return left
  },
}

const untyped: DataType<unknown> = { kind: 'untyped' }
const keptType: DataType<unknown> = {
  kind: 'record',
  name: 'Kept',
  fields: [
    { name: 'key', type: { kind: 'string' } },
    { name: 'ids', type: { kind: 'array', items: { kind: 'int32' } } },
  ],
}
const itemType: DataType<unknown> = {
  kind: 'record',
  name: 'Item',
  fields: [
    { name: 'id', type: { kind: 'int32' } },
    { name: 'key', type: { kind: 'string' } },
    { name: 'amount', type: { kind: 'double' } },
  ],
}

interface Computation {
  readonly name: string
  readonly compute: WindowComputation
  /** What a record is for the operator, and what comes out of it as a result. */
  input(item: Item): unknown
  result(value: unknown): Result
}

type Erased = ProcessWindowFunction<unknown, unknown, Key>
const asIs = (value: unknown): Result => value as Result

function reduceBy(name: string, type: DataType<unknown>): Computation {
  return {
    name,
    compute: {
      kind: 'reduce',
      type,
      reduce: (left, right) => {
        ;(left as Kept).ids.push(...(right as Kept).ids)
        return left
      },
      process: {
        process(key, { window }, [kept], out) {
          const { ids } = kept as Kept
          out.collect({ key, start: window.start, end: window.end, ids })
        },
      },
    },
    input: ({ id, key }) => ({ key, ids: [id] }),
    result: asIs,
  }
}

function processBy(name: string, type: DataType<unknown>): Computation {
  const process: ProcessWindowFunction<Item, Result, string> = {
    process(key, { window }, items, out) {
      out.collect({ key, start: window.start, end: window.end, ids: items.map(({ id }) => id) })
    },
  }
  return { name, compute: { kind: 'process', type, process: process as Erased }, input: (item) => item, result: asIs }
}

interface SumAndCount {
  sum: number
  count: number
}
const sumAndCount: AggregateFunction<Item, SumAndCount, SumAndCount> = {
  accumulatorType: {
    kind: 'record',
    name: 'SumAndCount',
    fields: [
      { name: 'sum', type: { kind: 'double' } },
      { name: 'count', type: { kind: 'double' } },
    ],
  },
  createAccumulator: () => ({ sum: 0, count: 0 }),
  add(accumulator, item) {
    accumulator.sum += item.id
    accumulator.count++
    return accumulator
  },
  // Not the fresh value that it owes: the engine copies it (R7).
  getResult: (accumulator) => accumulator,
  merge(left, right) {
    left.sum += right.sum
    left.count += right.count
    return left
  },
}

const computations: readonly Computation[] = [
  reduceBy('a mutating reduce', untyped),
  reduceBy('a mutating reduce of a declared type', keptType),
  {
    name: 'an aggregate',
    compute: { kind: 'aggregate', aggregate: collectIds, process: byKeyAndWindow as Erased },
    input: (item) => item,
    result: asIs,
  },
  processBy('all elements', untyped),
  processBy('all elements of a declared type', itemType),
]

const assigners: Readonly<Record<string, fc.Arbitrary<WindowAssigner>>> = {
  tumbling: fc.record({
    kind: fc.constant('tumbling' as const),
    sizeMs: fc.integer({ min: 1, max: 20 }),
    offsetMs: fc.constantFrom(0, 0, 3, -2),
  }),
  sliding: fc.record({
    kind: fc.constant('sliding' as const),
    sizeMs: fc.integer({ min: 1, max: 20 }),
    slideMs: fc.integer({ min: 1, max: 25 }),
    offsetMs: fc.constantFrom(0, 0, 1, -1),
  }),
  session: fc.record({ kind: fc.constant('session' as const), gapMs: fc.integer({ min: 1, max: 12 }) }),
}

/** Records around a time that moves on, some far behind it, and watermarks behind that; from before the epoch. */
const steps: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.integer({ min: -120, max: 20 }),
    fc.array(
      fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({
            type: fc.constant('record' as const),
            key: fc.constantFrom(...keys),
            delay: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 60 })),
            advance: fc.integer({ min: 0, max: 6 }),
          }),
        },
        {
          weight: 1,
          arbitrary: fc.record({ type: fc.constant('watermark' as const), lag: fc.integer({ min: 0, max: 8 }) }),
        },
      ),
      { minLength: 1, maxLength: 60 },
    ),
  )
  .map(([start, moves]) => {
    let now = start
    const made = moves.map((move, id): Step => {
      if (move.type === 'watermark') return { type: 'watermark', watermark: now - move.lag }
      now += move.advance
      return { type: 'record', value: { id, key: move.key, amount: id }, timestamp: now - move.delay }
    })
    return [...made, { type: 'watermark', watermark: Number.POSITIVE_INFINITY }]
  })

const latenesses = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 }))

function sortedResults(results: readonly Result[]): string[] {
  return results
    .map(({ key, start, end, ids }) => JSON.stringify([end, key, start, ids.toSorted((left, right) => left - right)]))
    .toSorted()
}

function expectedResults(firings: readonly Firing[]): string[] {
  return sortedResults(firings.map(({ items, ...window }) => ({ ...window, ids: items.map(({ id }) => id) })))
}

/** Reduced records carry their identity in a list. */
function idOf(value: Item | Kept): number | undefined {
  return 'ids' in value ? value.ids[0] : value.id
}

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const field of Object.values(value)) deepFrozen(field)
    Object.freeze(value)
  }
  return value
}

describe.each(Object.keys(assigners))('%s windows', (kind) => {
  const assignerOf = assigners[kind] as fc.Arbitrary<WindowAssigner>

  test.each(computations)('equal the reference computation: $name', async ({ compute, input, result }) => {
    const all = steps.chain((made) => fc.tuple(fc.constant(made), disturbances(made.length)))
    await fc.assert(
      fc.asyncProperty(assignerOf, latenesses, all, async (assigner, allowedLatenessMs, [made, disturbed]) => {
        const outputs = await run<Step, Item, unknown>({
          spec: (): OperatorSpec => ({ kind: 'window', assigner, allowedLatenessMs, lateTag, compute }),
          options: { keySelector: ({ key }) => key, maxFirings: 2 },
          sideOutput: lateTag,
          steps: made,
          disturbed,
          apply: (group, step) => {
            if (step.type === 'watermark') group.processWatermark(step.watermark)
            else group.processElement(deepFrozen(input(step.value)) as Item, step.timestamp)
          },
        })
        const expected = referenceWindows(assigner, allowedLatenessMs, made)
        made.forEach((_, index) => {
          const main = outputs[index]?.main ?? []
          expect(sortedResults(main.map(({ value }) => result(value)))).toEqual(
            expectedResults(expected.firings[index] ?? []),
          )
          for (const { value, timestamp } of main) expect(timestamp).toBe(result(value).end - 1)
        })
        const late = outputs.flatMap(({ side }) => side.map(({ value }) => idOf(value)))
        expect(late).toEqual(expected.late.map(({ id }) => id))
      }),
      { numRuns: 150 },
    )
  })

  test('of a declared accumulator equal the reference computation', async () => {
    const all = steps.chain((made) => fc.tuple(fc.constant(made), disturbances(made.length)))
    const compute: WindowComputation = { kind: 'aggregate', aggregate: sumAndCount, process: undefined }
    await fc.assert(
      fc.asyncProperty(assignerOf, latenesses, all, async (assigner, allowedLatenessMs, [made, disturbed]) => {
        const outputs = await run<Step, Item, SumAndCount>({
          spec: (): OperatorSpec => ({ kind: 'window', assigner, allowedLatenessMs, lateTag: undefined, compute }),
          options: { keySelector: ({ key }) => key, maxFirings: 3 },
          steps: made,
          disturbed,
          apply: (group, step) => {
            if (step.type === 'watermark') group.processWatermark(step.watermark)
            else group.processElement(deepFrozen(step.value), step.timestamp)
          },
        })
        const { firings } = referenceWindows(assigner, allowedLatenessMs, made)
        made.forEach((_, index) => {
          const main = (outputs[index]?.main ?? []).map(({ value, timestamp }) => [timestamp, value.count, value.sum])
          const expected = (firings[index] ?? []).map(({ end, items }) => [
            end - 1,
            items.length,
            items.reduce((sum, { id }) => sum + id, 0),
          ])
          expect(main.map(String).toSorted()).toEqual(expected.map(String).toSorted())
        })
      }),
      { numRuns: 150 },
    )
  })
})
