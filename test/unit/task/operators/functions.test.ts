import { describe, expect, test } from 'vitest'
import { operatorListStateDescriptor } from '../../../../src/api/descriptors.ts'
import type { OutputTag, ProcessFunction, RuntimeContext } from '../../../../src/api/functions.ts'
import type { OperatorListState } from '../../../../src/api/state.ts'
import { noTimestamp } from '../../../../src/common/timestamps.ts'
import type { OperatorSpec } from '../../../../src/graph/operator-spec.ts'
import { OperatorHarness } from '../../../../src/testing/operator-harness.ts'

const valuesOf = (harness: OperatorHarness): unknown[] => harness.output.map(({ value }) => value)

describe('map, filter and flatMap', () => {
  test('A map gives one record for each, with its timestamp.', async () => {
    const harness = await OperatorHarness.of<number, number>({ kind: 'map', map: (value) => (value as number) * 2 })
    harness.processElement(1, 10)
    harness.processElement(2)
    expect(harness.output).toEqual([
      { value: 2, timestamp: 10 },
      { value: 4, timestamp: noTimestamp },
    ])
    expect(harness.metrics).toMatchObject({ recordsIn: 2, recordsOut: 2 })
  })

  test('A filter passes the very record on.', async () => {
    const harness = await OperatorHarness.of({ kind: 'filter', filter: (value) => (value as { a: number }).a > 1 })
    const kept = { a: 2 }
    harness.processElement({ a: 1 }, 1)
    harness.processElement(kept, 2)
    expect(harness.output).toHaveLength(1)
    expect(harness.output[0]?.value).toBe(kept)
    expect(harness.metrics).toMatchObject({ recordsIn: 2, recordsOut: 1 })
  })

  test('A flatMap takes arrays and generators.', async () => {
    const harness = await OperatorHarness.of<number, number>({
      kind: 'flatMap',
      flatMap: function* (value) {
        for (let index = 0; index < (value as number); index++) yield index
      },
    })
    harness.processElement(0, 5)
    harness.processElement(3, 6)
    expect(harness.output).toEqual([0, 1, 2].map((value) => ({ value, timestamp: 6 })))
  })

  test.each<[string, OperatorSpec]>([
    ['map', { kind: 'map', map: fail }],
    ['filter', { kind: 'filter', filter: fail }],
    ['flatMap', { kind: 'flatMap', flatMap: fail }],
    ['processElement', { kind: 'process', process: { processElement: fail } }],
  ])('An error of %s names function and operator.', async (name, spec) => {
    const harness = await OperatorHarness.of(spec)
    expect(() => harness.processElement(1)).toThrow(
      expect.objectContaining({
        code: 'MR_USER_FUNCTION',
        operator: 'tested',
        message: `${name} of operator "tested" threw RangeError: no good`,
        cause: expect.any(RangeError),
      }),
    )
  })
})

function fail(): never {
  throw new RangeError('no good')
}

describe('process', () => {
  const odd: OutputTag<number> = { id: 'odd', type: { kind: 'untyped' } }

  test('It emits to the main and to side outputs, with the timestamp of the record.', async () => {
    const harness = await OperatorHarness.process<number, number>({
      processElement(value, context, out) {
        if (value % 2 === 1) context.output(odd, value)
        else out.collect(value)
      },
    })
    for (const value of [1, 2, 3]) harness.processElement(value, value * 10)
    expect(harness.output).toEqual([{ value: 2, timestamp: 20 }])
    expect(harness.sideOutput(odd)).toEqual([
      { value: 1, timestamp: 10 },
      { value: 3, timestamp: 30 },
    ])
  })

  test('Its context tells timestamp, watermark and processing time.', async () => {
    const harness = await OperatorHarness.process<number, unknown>(
      {
        processElement(_value, context, out) {
          out.collect([context.timestamp, context.currentWatermark, context.currentProcessingTime])
        },
      },
      { startTimeMs: 1000 },
    )
    harness.processElement(1)
    harness.processWatermark(5)
    harness.advanceProcessingTime(1500)
    harness.processElement(1, 7)
    expect(valuesOf(harness)).toEqual([
      [noTimestamp, Number.NEGATIVE_INFINITY, 1000],
      [7, 5, 1500],
    ])
  })

  test('It is opened before the first record and closed at the end of the input.', async () => {
    const calls: string[] = []
    const harness = await OperatorHarness.process<string, never>({
      open: ({ operatorName, subtaskIndex, parallelism }) => {
        calls.push(`open ${operatorName} ${subtaskIndex}/${parallelism}`)
      },
      processElement: (value) => {
        calls.push(value)
      },
      close: () => {
        calls.push('close')
      },
    })
    harness.processElement('record')
    harness.endInput()
    expect(calls).toEqual(['open tested 0/1', 'record', 'close'])
  })

  const remembering = (): ProcessFunction<string, readonly string[]> => {
    let seen: { get(): readonly string[]; add(value: string): void }
    return {
      open(context) {
        seen = context.operatorListState<string>({
          name: 'seen',
          type: { kind: 'untyped' },
          redistribution: 'union',
        })
      },
      processElement(value, _context, out) {
        seen.add(value)
        out.collect([...seen.get()])
      },
    }
  }

  test('Its operator state is in snapshots.', async () => {
    const harness = await OperatorHarness.process(remembering())
    harness.processElement('a')
    const snapshot = await harness.snapshot()
    harness.processElement('lost')
    const restored = await OperatorHarness.process(remembering(), { restore: snapshot })
    restored.processElement('b')
    expect(valuesOf(restored)).toEqual([['a', 'b']])
  })

  /** Emits what its lists hold, and adds the record to both. */
  const listing = (): ProcessFunction<
    string,
    { readonly dealt: readonly string[]; readonly all: readonly string[] }
  > => {
    let dealt: OperatorListState<string>
    let all: OperatorListState<string>
    return {
      open(context) {
        dealt = context.operatorListState(operatorListStateDescriptor<string>('dealt'))
        all = context.operatorListState(operatorListStateDescriptor<string>('all', { redistribution: 'union' }))
      },
      processElement(value, _context, out) {
        dealt.add(value)
        all.add(value)
        out.collect({ dealt: dealt.get(), all: all.get() })
      },
    }
  }

  for (const parallelism of [1, 2, 3]) {
    test(`Even-split lists are dealt out, union lists reach every subtask, from 2 subtasks to ${parallelism}.`, async () => {
      const written = await Promise.all(
        ['ab', 'cde'].map(async (letters, subtaskIndex) => {
          const harness = await OperatorHarness.process(listing(), { subtaskIndex, parallelism: 2 })
          for (const letter of letters) harness.processElement(letter)
          return harness.snapshot()
        }),
      )
      const restored = await Promise.all(
        Array.from({ length: parallelism }, async (_, subtaskIndex) => {
          const harness = await OperatorHarness.process(listing(), { subtaskIndex, parallelism, restore: written })
          harness.processElement('new')
          return harness.output[0]?.value
        }),
      )
      const old = (letters: readonly string[]) => letters.filter((letter) => letter !== 'new').toSorted()
      expect(old(restored.flatMap((lists) => lists?.dealt ?? []))).toEqual([...'abcde'])
      for (const lists of restored) expect(old(lists?.all ?? [])).toEqual([...'abcde'])
      const sizes = restored.map((lists) => old(lists?.dealt ?? []).length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    })
  }

  test('State can not be asked for after open.', async () => {
    let kept: RuntimeContext | undefined
    const harness = await OperatorHarness.process<string, never>({
      open: (context) => {
        kept = context
      },
      processElement: () => {
        kept?.operatorListState({ name: 'late', type: { kind: 'untyped' }, redistribution: 'union' })
      },
    })
    expect(() => harness.processElement('a')).toThrow(/state "late" was asked for outside of open\(\)/)
  })
})
