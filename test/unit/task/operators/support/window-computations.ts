import fc from 'fast-check'
import type { AggregateFunction, Key, OutputTag, ProcessWindowFunction } from '../../../../../src/api/functions.ts'
import type { DataType } from '../../../../../src/formats/data-type.ts'
import type { EventTimeWindowAssigner, WindowComputation } from '../../../../../src/graph/operator-spec.ts'
import type { Firing, Item, Step } from './window-reference.ts'

export const lateTag: OutputTag<Item> = { id: 'late', type: { kind: 'untyped' } }
export const keys = ['a', 'b', 'c', 'd', 'e']

/** What every computation of these tests emits: enough to tell which records went into it. */
export interface Result {
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
export interface Kept {
  readonly key: string
  readonly ids: number[]
}

export const collectIds: AggregateFunction<Item, number[], readonly number[]> = {
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
export const itemType: DataType<unknown> = {
  kind: 'record',
  name: 'Item',
  fields: [
    { name: 'id', type: { kind: 'int32' } },
    { name: 'key', type: { kind: 'string' } },
    { name: 'amount', type: { kind: 'double' } },
  ],
}

export interface Computation {
  readonly name: string
  readonly compute: WindowComputation
  /** What a record is for the operator, and what comes out of it as a result. */
  input(item: Item): unknown
  result(value: unknown): Result
}

export type Erased = ProcessWindowFunction<unknown, unknown, Key>
export const asIs = (value: unknown): Result => value as Result

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
          // An evictor may have left nothing.
          const ids = (kept as Kept | undefined)?.ids ?? []
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

export interface SumAndCount {
  sum: number
  count: number
}
export const sumAndCount: AggregateFunction<Item, SumAndCount, SumAndCount> = {
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

export const computations: readonly Computation[] = [
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

export const assigners: Readonly<Record<string, fc.Arbitrary<EventTimeWindowAssigner>>> = {
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
export const steps: fc.Arbitrary<Step[]> = fc
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

export const latenesses = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 }))

export function sortedResults(results: readonly Result[]): string[] {
  return results
    .map(({ key, start, end, ids }) => JSON.stringify([end, key, start, ids.toSorted((left, right) => left - right)]))
    .toSorted()
}

export function expectedResults(firings: readonly Firing[]): string[] {
  return sortedResults(firings.map(({ items, ...window }) => ({ ...window, ids: items.map(({ id }) => id) })))
}

/** Reduced records carry their identity in a list. */
export function idOf(value: Item | Kept): number | undefined {
  return 'ids' in value ? value.ids[0] : value.id
}

export function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const field of Object.values(value)) deepFrozen(field)
    Object.freeze(value)
  }
  return value
}
