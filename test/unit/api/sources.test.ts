import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { collectionEnumerator, collectionSource } from '../../../src/api/collection-source.ts'
import { sequenceEnumerator, sequenceSource } from '../../../src/api/sequence-source.ts'
import {
  noTimestamp,
  type PollResult,
  type Source,
  type SourceReader,
  type SourceSplit,
} from '../../../src/api/source.ts'
import { isMillraceError } from '../../../src/common/errors.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import { errorOf } from './error-of.ts'

interface Read<T> {
  readonly values: T[]
  readonly finished: string[]
}

function readerOf<T>(source: Source<T>, splits: readonly SourceSplit[]): SourceReader<T> {
  const reader = source.createReader({
    subtaskIndex: 0,
    parallelism: 1,
    operatorName: 'source',
    clock: systemClock,
    wake() {},
    fail(error) {
      throw error
    },
  })
  reader.addSplits(splits)
  return reader
}

function poll<T>(reader: SourceReader<T>, read: Read<T>, maxRecords: number): PollResult {
  return reader.poll(
    {
      useSplit() {},
      collect(value, timestamp) {
        expect(timestamp).toBe(noTimestamp)
        read.values.push(value)
      },
      deadLetter() {},
      splitFinished: (splitId) => void read.finished.push(splitId),
    },
    maxRecords,
  )
}

function readAll<T>(reader: SourceReader<T>, maxRecords: number): Read<T> {
  const read: Read<T> = { values: [], finished: [] }
  reader.noMoreSplits()
  while (poll(reader, read, maxRecords) !== 'ended');
  return read
}

describe('a collection', () => {
  test('is read in order, a few records a poll, by one subtask', async () => {
    const source = collectionSource(new Set(['a', 'b', 'c']))
    const splits = await collectionEnumerator(source.description.options).start(1)
    const reader = readerOf(source, splits)
    const read: Read<string> = { values: [], finished: [] }
    expect(poll(reader, read, 2)).toBe('records')
    expect(read).toEqual({ values: ['a', 'b'], finished: [] })
    expect(reader.snapshot()).toEqual([{ id: 'collection', position: { next: 2, end: 3 } }])
    expect(poll(reader, read, 2)).toBe('records')
    expect(read).toEqual({ values: ['a', 'b', 'c'], finished: ['collection'] })
    expect(poll(reader, read, 2)).toBe('waiting')
    reader.noMoreSplits()
    expect(poll(reader, read, 2)).toBe('ended')
    expect(source.maxParallelism).toBe(1)
  })

  test('keeps its items out of description and splits, and does not see later changes', async () => {
    const items = [{ secret: 1 }]
    const source = collectionSource(items)
    const splits = await collectionEnumerator(source.description.options).start(1)
    expect(JSON.stringify([source.description, splits])).not.toContain('secret')
    items.push({ secret: 2 })
    expect(readAll(readerOf(source, splits), 10).values).toEqual([{ secret: 1 }])
  })

  test('may be empty', async () => {
    const source = collectionSource([])
    const splits = await collectionEnumerator(source.description.options).start(1)
    expect(readAll(readerOf(source, splits), 10)).toEqual({ values: [], finished: ['collection'] })
  })

  test('of another length is not restored', async () => {
    const enumerator = collectionEnumerator({ length: 3 })
    const kept = [{ id: 'collection', position: { next: 1, end: 3 } }]
    expect(await enumerator.restore(kept, 1)).toEqual(kept)
    const other = enumerator.restore([{ id: 'collection', position: { next: 1, end: 4 } }], 1)
    const error = await other.then(undefined, (reason: unknown) => reason)
    expect(isMillraceError(error) && error.code).toBe('MR_STATE_INCOMPATIBLE')
    expect(isMillraceError(error) && error.message).toContain('a collection of 4 items')
  })
})

describe('a sequence', () => {
  const bounds = fc
    .record({ from: fc.integer({ min: -50, max: 50 }), length: fc.integer({ min: 1, max: 60 }) })
    .map(({ from, length }) => ({ from, to: from + length - 1 }))

  test('gives every number once, for any parallelism, also restored in the middle at another', async () => {
    const cases = fc.record({
      range: bounds,
      parallelism: fc.integer({ min: 1, max: 9 }),
      maxRecords: fc.integer({ min: 1, max: 7 }),
      polls: fc.integer({ min: 0, max: 20 }),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ range, parallelism, maxRecords, polls }) => {
        const source = sequenceSource(range.from, range.to)
        const enumerator = sequenceEnumerator(source.description.options)
        const splits = await enumerator.start(parallelism)
        const before: Read<number> = { values: [], finished: [] }
        const reader = readerOf(source, splits)
        for (let count = 0; count < polls; count++) poll(reader, before, maxRecords)
        const restored = await enumerator.restore(reader.snapshot(), parallelism + 1)
        const after = readAll(readerOf(source, restored), maxRecords)
        const all = [...before.values, ...after.values].sort((left, right) => left - right)
        expect(all).toEqual(Array.from({ length: range.to - range.from + 1 }, (_, index) => range.from + index))
        expect(after.finished.sort()).toEqual(splits.map((split) => split.id).sort())
      }),
    )
  })

  test('is dealt out evenly, without empty splits', async () => {
    const splits = await sequenceEnumerator({ from: 1, to: 10 }).start(4)
    expect(splits.map((split) => split.position)).toEqual([
      { next: 1, end: 4 },
      { next: 4, end: 7 },
      { next: 7, end: 9 },
      { next: 9, end: 11 },
    ])
    expect((await sequenceEnumerator({ from: 1, to: 2 }).start(8)).length).toBe(2)
  })

  test('needs whole bounds in order', () => {
    expect(errorOf(() => sequenceSource(2, 1)).message).toContain('from 2 is above to 1')
    expect(errorOf(() => sequenceSource(0.5, 1)).message).toContain('a whole number')
  })
})
