import { expect, test } from 'vitest'
import type { DeadLetter } from '../../../src/api/dead-letters.ts'
import { outputTag } from '../../../src/api/descriptors.ts'
import type {
  PollResult,
  Source,
  SourceOutput,
  SourceReader,
  SourceSplit,
  UndecodedRecord,
} from '../../../src/api/source.ts'
import type { WatermarkSpecification } from '../../../src/api/watermarks.ts'
import { endWatermark } from '../../../src/common/timestamps.ts'
import { DeadLetterOutput } from '../../../src/task/dead-letter-output.ts'
import { SourceInput, type SourceInputOptions } from '../../../src/task/source-input.ts'
import { barrier, TestClock } from './support.ts'

type Item =
  | { readonly split: string; readonly timestamp: number; readonly value?: unknown }
  | { readonly finished: string }
  | { readonly deadLetter: UndecodedRecord }

/** Emits what the test pushes; ends when told. */
class ScriptedReader implements SourceReader<unknown> {
  readonly items: Item[] = []
  readonly splits: SourceSplit[] = []
  ended = false
  blocked = false
  polls = 0

  addSplits(splits: readonly SourceSplit[]): void {
    this.splits.push(...splits)
  }

  noMoreSplits(): void {}

  poll(output: SourceOutput<unknown>): PollResult {
    this.polls++
    if (this.blocked) return 'blocked'
    if (this.items.length === 0) return this.ended ? 'ended' : 'waiting'
    for (const item of this.items.splice(0)) {
      if ('finished' in item) output.splitFinished(item.finished)
      else if ('deadLetter' in item) output.deadLetter(item.deadLetter)
      else {
        output.useSplit(item.split)
        output.collect(item.value ?? item.timestamp, item.timestamp)
      }
    }
    return 'records'
  }

  snapshot(): readonly SourceSplit[] {
    return this.splits
  }

  currentPlace(): string {
    return 'topic-0 at 17'
  }

  async close(): Promise<void> {}
}

/** Watermark = highest timestamp. */
const ascending: WatermarkSpecification<unknown> = {
  timestampOf: undefined,
  idleTimeoutMs: undefined,
  createGenerator: () => {
    let highest = Number.NEGATIVE_INFINITY
    return {
      onEvent: (_value, timestamp) => {
        highest = Math.max(highest, timestamp)
      },
      onPeriodicEmit: (output) => output.emitWatermark(highest),
    }
  },
}

const split = (id: string): SourceSplit => ({ id, position: 0 })

interface Given {
  readonly watermarks?: WatermarkSpecification<unknown>
  readonly splits?: readonly string[]
  readonly intervalMs?: number
  readonly receive?: (value: unknown) => void
  readonly deadLetters?: boolean
}

function sourceOf(given: Given = {}) {
  const clock = new TestClock()
  const reader = new ScriptedReader()
  const log: string[] = []
  const source: Source<unknown> = {
    boundedness: 'continuous',
    description: { connector: 'scripted', options: null },
    type: { kind: 'untyped' },
    createReader: () => reader,
  }
  const metrics = { recordsIn: 0, recordsOut: 0, lateRecordsDropped: 0, deadLetters: 0 }
  const options: SourceInputOptions = {
    spec: { kind: 'source', source, watermarks: given.watermarks ?? ascending },
    operatorName: 'ads',
    subtaskIndex: 0,
    parallelism: 1,
    splits: (given.splits ?? ['a']).map(split),
    noMoreSplits: true,
    receiver: {
      processElement: (value, timestamp) => {
        given.receive?.(value)
        log.push(`record ${timestamp}`)
      },
    },
    deadLetters: given.deadLetters
      ? new DeadLetterOutput({
          spec: { tag: outputTag('dead'), budget: undefined },
          operatorName: 'ads',
          receiver: { processElement: (value) => log.push(`dead letter ${(value as DeadLetter).place}`) },
          metrics,
        })
      : undefined,
    metrics,
    autoWatermarkIntervalMs: given.intervalMs ?? 0,
    clock,
    wake: () => {},
    fail: (error) => log.push(`failed ${String(error)}`),
    onActive: () => log.push('active'),
  }
  const input = new SourceInput(options)
  /** Polls until nothing is left, as a subtask does that is not backpressured. */
  const run = (): string[] => {
    for (;;) {
      input.advanceActiveTime(true)
      const event = input.poll()
      if (event.type === 'nothing') return log.splice(0)
      if (event.type === 'watermark') log.push(`watermark ${event.watermark}`)
      else if (event.type === 'barrier') log.push(`barrier ${event.barrier.id}`)
      else if (event.type !== 'progress') log.push(event.type)
    }
  }
  return { clock, reader, input, run, metrics }
}

test('the watermark is the minimum over the splits, behind the records of its batch', () => {
  const { reader, run } = sourceOf({ splits: ['a', 'b'] })
  reader.items.push({ split: 'a', timestamp: 10 })
  expect(run()).toEqual(['record 10'])
  reader.items.push({ split: 'b', timestamp: 4 }, { split: 'a', timestamp: 12 })
  expect(run()).toEqual(['record 4', 'record 12', 'watermark 4'])
  reader.items.push({ split: 'b', timestamp: 20 })
  expect(run()).toEqual(['record 20', 'watermark 12'])
})

test('a finished split holds back no watermark', () => {
  const { reader, run } = sourceOf({ splits: ['a', 'b'] })
  reader.items.push({ split: 'a', timestamp: 10 }, { split: 'b', timestamp: 4 })
  expect(run()).toEqual(['record 10', 'record 4', 'watermark 4'])
  reader.items.push({ finished: 'b' })
  expect(run()).toEqual(['watermark 10'])
})

test('watermarks come at the interval, not with every batch', () => {
  const { clock, reader, run } = sourceOf({ intervalMs: 200 })
  reader.items.push({ split: 'a', timestamp: 10 })
  expect(run()).toEqual(['record 10'])
  clock.advance(199)
  expect(run()).toEqual([])
  clock.advance(1)
  expect(run()).toEqual(['watermark 10'])
})

test('a subtask without splits is idle by itself, and active with its first split (R19)', () => {
  const { input, run } = sourceOf({ splits: [] })
  expect(run()).toEqual(['idle'])
  input.addSplits([split('late')])
  expect(run()).toEqual(['active'])
})

test('splits that it has already are not added again, wherever a new leader says they begin (R22, R23)', () => {
  const { input, reader } = sourceOf({ splits: ['a'] })
  for (let leader = 0; leader < 2; leader++) input.addSplits([split('a'), split('late')])
  expect(reader.splits.map(({ id }) => id)).toEqual(['a', 'late'])
})

const withIdleness: WatermarkSpecification<unknown> = { ...ascending, idleTimeoutMs: 1000 }

test('a split without records for the idle timeout holds back nothing; its next record makes it active first', () => {
  const { clock, reader, run } = sourceOf({ splits: ['a', 'b'], watermarks: withIdleness, intervalMs: 100 })
  reader.items.push({ split: 'a', timestamp: 10 })
  const seen: string[] = []
  for (let step = 0; step < 30; step++) {
    clock.advance(100)
    reader.items.push({ split: 'a', timestamp: 11 })
    seen.push(...run())
  }
  expect(seen.filter((text) => !text.startsWith('record'))).toEqual(['watermark 11'])
  for (let step = 0; step < 15; step++) {
    clock.advance(100)
    seen.push(...run())
  }
  expect(seen.at(-1)).toBe('idle')
  reader.items.push({ split: 'b', timestamp: 30 })
  expect(run().slice(0, 2)).toEqual(['active', 'record 30'])
})

test('idle time does not run while the task is backpressured (R19)', () => {
  const { clock, input, run } = sourceOf({ watermarks: withIdleness, intervalMs: 100 })
  run()
  for (let step = 0; step < 50; step++) {
    input.advanceActiveTime(false)
    clock.advance(100)
  }
  expect(run()).toEqual([])
  const seen: string[] = []
  for (let step = 0; step < 15; step++) {
    clock.advance(100)
    seen.push(...run())
  }
  expect(seen).toEqual(['idle'])
})

test('idle time does not run while records wait for what they are decoded with (R19)', () => {
  const { clock, reader, run } = sourceOf({ watermarks: withIdleness, splits: ['a'] })
  reader.items.push({ split: 'a', timestamp: 5 })
  run()
  reader.blocked = true
  const seen: string[] = []
  for (let turn = 0; turn < 10; turn++) {
    clock.advance(400)
    seen.push(...run())
  }
  expect(seen).toEqual([])
  reader.blocked = false
  for (let turn = 0; turn < 5; turn++) {
    clock.advance(400)
    seen.push(...run())
  }
  expect(seen).toEqual(['idle'])
})

test('a stall of the whole thread makes no split idle (R19, R26)', () => {
  const { clock, run } = sourceOf({ watermarks: withIdleness, intervalMs: 100 })
  run()
  clock.advance(60_000)
  expect(run()).toEqual([])
})

test('the end brings the last watermark, then the end, once', () => {
  const { reader, run, input } = sourceOf()
  reader.items.push({ split: 'a', timestamp: 3 })
  reader.ended = true
  expect(run()).toEqual(['record 3', 'watermark 3', `watermark ${endWatermark}`, 'ended'])
  expect(run()).toEqual([])
  expect(input.watermark).toBe(endWatermark)
})

test('a source whose last split ends is not idle before its end: its last watermark would come behind those of others', () => {
  const { reader, run } = sourceOf({ splits: ['a', 'b'] })
  reader.items.push({ split: 'a', timestamp: 3 }, { finished: 'a' }, { finished: 'b' })
  reader.ended = true
  expect(run()).toEqual(['record 3', `watermark ${endWatermark}`, 'ended'])
  const withoutSplits = sourceOf({ splits: [] })
  withoutSplits.reader.ended = true
  expect(withoutSplits.run()).toEqual([`watermark ${endWatermark}`, 'ended'])
})

test('a watermark of the records before a barrier goes before the barrier: the generators of a restored task begin anew', () => {
  const { reader, run, input } = sourceOf()
  reader.items.push({ split: 'a', timestamp: 3 })
  expect(input.poll()).toEqual({ type: 'progress' })
  input.trigger(barrier(1))
  expect(run()).toEqual(['record 3', 'watermark 3', 'barrier 1'])
})

test('drain ends the input where it is, though the source has more', () => {
  const { reader, run, input } = sourceOf()
  reader.items.push({ split: 'a', timestamp: 3 })
  input.drain()
  expect(run()).toEqual([`watermark ${endWatermark}`, 'ended'])
  expect(reader.polls).toBe(0)
  input.trigger(barrier(1))
  expect(run()).toEqual(['barrier 1'])
})

test('a trigger comes before the next batch, once, and not when it was aborted or is old', () => {
  const { reader, run, input } = sourceOf()
  reader.items.push({ split: 'a', timestamp: 1 })
  input.trigger(barrier(2))
  expect(run()).toEqual(['barrier 2', 'record 1', 'watermark 1'])
  input.trigger(barrier(2))
  input.trigger(barrier(1))
  expect(run()).toEqual([])
  input.trigger(barrier(3))
  input.aborted(3)
  expect(run()).toEqual([])
  input.trigger(barrier(4))
  expect(run()).toEqual(['barrier 4'])
})

test('an error of the chain names the place of the record', () => {
  const { reader, run } = sourceOf({
    receive: () => {
      throw new Error('boom')
    },
  })
  reader.items.push({ split: 'a', timestamp: 1 })
  expect(run).toThrow('the record is at topic-0 at 17 of source "ads"')
})

test.each([Number.NaN, undefined, '12', Number.POSITIVE_INFINITY])('%s is no timestamp', (timestamp) => {
  const { reader, run } = sourceOf({
    watermarks: { ...ascending, timestampOf: () => timestamp as number },
  })
  reader.items.push({ split: 'a', timestamp: 1 })
  expect(run).toThrow(expect.objectContaining({ code: 'MR_USER_FUNCTION', operator: 'ads' }))
})

const letter: UndecodedRecord = { place: 'topic-0 at 5', error: 'no JSON', key: null, value: null, timestamp: 0 }

test('a record that can not be decoded fails the task, naming its place', () => {
  const { reader, run } = sourceOf()
  reader.items.push({ deadLetter: letter })
  expect(run).toThrow(
    expect.objectContaining({ code: 'MR_DESERIALIZATION', message: expect.stringContaining('topic-0 at 5: no JSON') }),
  )
})

test('it goes to the dead-letter output where the source has one', () => {
  const { reader, run, metrics } = sourceOf({ deadLetters: true })
  reader.items.push({ deadLetter: letter })
  expect(run()).toEqual(['dead letter topic-0 at 5'])
  expect(metrics.deadLetters).toBe(1)
})
