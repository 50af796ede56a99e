import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { count } from '../../../src/api/aggregates.ts'
import type { AggregateFunction, Key } from '../../../src/api/functions.ts'
import { hashKey } from '../../../src/common/key.ts'
import type { OperatorSpec, WindowSpec } from '../../../src/graph/operator-spec.ts'
import {
  type CombinableAggregate,
  shuffleCombinationOf,
  type WindowCombination,
  windowCombinationOf,
} from '../../../src/graph/window-combining.ts'
import { WindowCombiner } from '../../../src/task/window-combiner.ts'
import { WindowPartial, windowPartialCodec } from '../../../src/task/window-partial.ts'

const counted = count() as unknown as CombinableAggregate
const seconds: WindowCombination = { kind: 'slices', sliceMs: 1000, offsetMs: 0, aggregate: counted }

interface Sent {
  readonly key: Key
  readonly start: number
  readonly end: number
  readonly count: number
}

function combiner(combination: WindowCombination, keyOf = (value: unknown): Key => value as Key) {
  const sent: Sent[] = []
  const made = new WindowCombiner({
    combination,
    receiverName: 'windows',
    keyOf,
    hashOf: hashKey,
    send: ({ key, start, end, count: records, contents }, keyHash) => {
      expect(keyHash).toBe(hashKey(key))
      expect(contents).toEqual({ count: records })
      sent.push({ key, start, end, count: records })
    },
  })
  return { combiner: made, take: () => sent.splice(0) }
}

describe('records of a key and slice go out as one', () => {
  test('when they are flushed, and not before', () => {
    const { combiner: combining, take } = combiner(seconds)
    for (const timestamp of [0, 999, 1000, 1, -1]) combining.add('a', timestamp)
    combining.add('b', 5)
    expect(combining.buffered).toBe(true)
    expect(take()).toEqual([])
    combining.flush()
    expect(combining.buffered).toBe(false)
    expect(take()).toEqual([
      { key: 'a', start: 0, end: 1000, count: 3 },
      { key: 'b', start: 0, end: 1000, count: 1 },
      { key: 'a', start: 1000, end: 2000, count: 1 },
      { key: 'a', start: -1000, end: 0, count: 1 },
    ])
    combining.flush()
    expect(take()).toEqual([])
  })

  test('but singly where the watermark of the sender has passed their slice', () => {
    const { combiner: combining, take } = combiner(seconds)
    combining.advanceWatermark(999)
    combining.add('a', 10)
    combining.add('a', 11)
    combining.add('a', 1000)
    expect(take().map((partial) => partial.count)).toEqual([1, 1])
    combining.flush()
    expect(take()).toEqual([{ key: 'a', start: 1000, end: 2000, count: 1 }])
  })

  test('of many keys go out in between', () => {
    const { combiner: combining, take } = combiner(seconds)
    for (let key = 0; key < 5000; key++) combining.add(key, 0)
    expect(take()).toHaveLength(4096)
    combining.flush()
    expect(take()).toHaveLength(5000 - 4096)
  })
})

test('where combining saves less than half of the records they go singly for a while', () => {
  let sent = 0
  const combining = new WindowCombiner({
    combination: seconds,
    receiverName: 'windows',
    keyOf: (value) => value as Key,
    hashOf: hashKey,
    send: () => {
      sent++
    },
  })
  for (let key = 0; key < 8192; key++) combining.add(key, 0)
  expect(sent).toBe(8192)
  for (let record = 0; record < 16 * 8192; record++) combining.add('a', 0)
  expect(sent).toBe(17 * 8192)
  combining.add('a', 0)
  expect(sent).toBe(17 * 8192)
  expect(combining.buffered).toBe(true)
})

test('sessions of a key grow together where they touch', () => {
  const { combiner: combining, take } = combiner({ kind: 'sessions', gapMs: 10, aggregate: counted })
  for (const timestamp of [0, 10, 5, -10]) combining.add('a', timestamp)
  combining.add('a', 31)
  expect(take()).toEqual([{ key: 'a', start: -10, end: 20, count: 4 }])
  combining.flush()
  expect(take()).toEqual([{ key: 'a', start: 31, end: 41, count: 1 }])
})

test('errors name the operator that reads the records', () => {
  const wrong = combiner(seconds, () => Number.NaN)
  expect(() => wrong.combiner.add('x', 0)).toThrow(expect.objectContaining({ code: 'MR_KEY' }))
  const { combiner: combining } = combiner(seconds)
  expect(() => combining.add('x', Number.NaN)).toThrow('windows')
  const throwing: CombinableAggregate = {
    ...counted,
    add: () => {
      throw new Error('no price')
    },
  }
  const broken = combiner({ ...seconds, aggregate: throwing })
  expect(() => broken.combiner.add('x', 0)).toThrow(
    expect.objectContaining({ code: 'MR_USER_FUNCTION', operator: 'windows' }),
  )
})

describe('windows may be combined (R34, R35)', () => {
  const aggregateOf = (aggregate: AggregateFunction<unknown, unknown, unknown>): WindowSpec['compute'] => ({
    kind: 'aggregate',
    aggregate,
    process: undefined,
  })
  const spec: WindowSpec = {
    kind: 'window',
    assigner: { kind: 'sliding', sizeMs: 60_000, slideMs: 25_000, offsetMs: 7_000 },
    allowedLatenessMs: 0,
    lateTag: undefined,
    compute: aggregateOf(counted),
  }

  test('by the greatest slice that windows share', () => {
    expect(windowCombinationOf(spec)).toMatchObject({ kind: 'slices', sliceMs: 5000, offsetMs: 2000 })
  })

  const { merge: _, ...unmergeable } = counted
  const refused: Readonly<Record<string, OperatorSpec>> = {
    'late records are told apart': { ...spec, lateTag: { id: 'late', type: { kind: 'untyped' } } },
    'the aggregate does not say so': { ...spec, compute: aggregateOf({ ...counted, combinable: false }) },
    'the aggregate can not merge': { ...spec, compute: aggregateOf(unmergeable) },
    'a window has more than 64 slices': { ...spec, assigner: { kind: 'sliding', sizeMs: 65, slideMs: 1, offsetMs: 0 } },
    'there is time between windows': { ...spec, assigner: { kind: 'sliding', sizeMs: 10, slideMs: 20, offsetMs: 0 } },
  }
  test.each(Object.entries(refused))('not where %s', (_, refusedSpec) => {
    expect(windowCombinationOf(refusedSpec)).toBeUndefined()
  })

  test('before the shuffle not where late records fire again', () => {
    const late: WindowSpec = { ...spec, allowedLatenessMs: 1 }
    expect(windowCombinationOf(late)).toBeDefined()
    expect(shuffleCombinationOf(late)).toBeUndefined()
  })
})

test('partials come out of a batch as they went in, whatever their keys and accumulators', () => {
  const key: fc.Arbitrary<Key> = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.integer(),
    fc.bigInt(),
    fc.boolean(),
    fc.uint8Array().map((bytes) => new Uint8Array(bytes)),
    fc.tuple(fc.string({ unit: 'grapheme' }), fc.integer()),
  )
  const partials = fc.array(
    fc
      .record({ key, start: fc.maxSafeInteger(), length: fc.nat(), count: fc.nat(), sum: fc.integer() })
      .map(({ start, length, count: records, sum, ...rest }) => {
        const partial = new WindowPartial({ ...rest, keyHash: 0, start, end: start + length, contents: { sum } })
        partial.count = records
        return partial
      }),
    { minLength: 1, maxLength: 40 },
  )
  const declared = windowPartialCodec({
    kind: 'record',
    name: 'Sum',
    fields: [{ name: 'sum', type: { kind: 'double' } }],
  })
  const untyped = windowPartialCodec({ kind: 'untyped' })
  fc.assert(
    fc.property(partials, fc.integer({ min: 0, max: 7 }), (batch, offset) => {
      for (const codec of [declared, untyped]) {
        const encoded = codec.encode([...batch, undefined], batch.length)
        const placed = new Uint8Array(offset + encoded.length)
        placed.set(encoded, offset)
        expect(codec.decode(placed.subarray(offset), batch.length)).toEqual(batch)
      }
    }),
    { numRuns: 200 },
  )
})
