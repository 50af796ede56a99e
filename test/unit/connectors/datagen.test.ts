import { expect, test } from 'vitest'
import type { SourceOutput, SourceReaderContext } from '../../../src/api/source.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import { datagen, datagenEnumerator } from '../../../src/connectors/datagen/datagen-source.ts'

function collecting() {
  const values: number[] = []
  const finished: string[] = []
  const output: SourceOutput<number> = {
    useSplit: () => {},
    collect: (value) => void values.push(value),
    deadLetter: () => {},
    splitFinished: (id) => void finished.push(id),
  }
  return { values, finished, output }
}
const contextOf = (parallelism: number, clock: SourceReaderContext['clock'] = systemClock): SourceReaderContext => ({
  subtaskIndex: 0,
  parallelism,
  operatorName: 'numbers',
  clock,
  wake: () => {},
  fail: () => {},
})

test('every index is generated once over all splits, and a restored reader goes on where the snapshot was', async () => {
  const source = datagen({ generate: (index) => index, count: 100 })
  const splits = await datagenEnumerator(source.description.options).start(3)
  const first = source.createReader(contextOf(1))
  first.addSplits(splits)
  first.noMoreSplits()
  const { values, output } = collecting()
  for (let i = 0; i < 5; i++) expect(first.poll(output, 7)).toBe('records')
  const second = source.createReader(contextOf(1))
  second.addSplits(JSON.parse(JSON.stringify(first.snapshot())))
  second.noMoreSplits()
  while (second.poll(output, 7) !== 'ended');
  expect(values.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
})

test('the rate is kept over all subtasks', async () => {
  let now = 0
  const clock: SourceReaderContext['clock'] = {
    now: () => now,
    monotonicMs: () => now,
    schedule: () => ({ cancel: () => {} }),
  }
  const source = datagen({ generate: (index) => index, recordsPerSecond: 100 })
  const reader = source.createReader(contextOf(2, clock))
  reader.addSplits(await datagenEnumerator(source.description.options).start(2))
  const { values, output } = collecting()
  for (now = 0; now < 1000; now++) while (reader.poll(output, 10) === 'records');
  expect(values.length).toBe(50)
})

test('a count or rate that makes no sense is refused', () => {
  expect(() => datagen({ generate: (i) => i, count: -1 })).toThrow('count')
  expect(() => datagen({ generate: (i) => i, recordsPerSecond: 0 })).toThrow('recordsPerSecond')
})

test('a restored split that is at its end already is told as finished, so that it holds back no watermark', () => {
  const reader = datagen({ generate: (index) => index, count: 10 }).createReader(contextOf(1))
  reader.addSplits([
    { id: 'done', position: { next: 10, step: 2, end: 10 } },
    { id: 'open', position: { next: 7, step: 2, end: 10 } },
  ])
  reader.noMoreSplits()
  const { values, finished, output } = collecting()
  while (reader.poll(output, 10) !== 'ended');
  expect(values).toEqual([7, 9])
  expect(finished).toEqual(['done', 'open'])
})
