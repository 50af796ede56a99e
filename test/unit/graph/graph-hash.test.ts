import { describe, expect, test } from 'vitest'
import { count, sum } from '../../../src/api/aggregates.ts'
import type { JobBuilder } from '../../../src/api/job.ts'
import { SlidingEventTimeWindows, TumblingEventTimeWindows } from '../../../src/api/windows.ts'
import { double, record } from '../../../src/formats/types.ts'
import { declaredSink, jobGraphOf } from './sample-jobs.ts'

const sink = declaredSink()
const base: JobBuilder = (env) =>
  env
    .fromSequence(1, 10)
    .map((value) => ({ value }))
    .keyBy(({ value }) => value % 3)
    .window(TumblingEventTimeWindows.of('10s'))
    .aggregate(count())
    .sinkTo(sink)

const hashOf = (build: JobBuilder, configuration = {}): string => jobGraphOf(build, configuration).hash

describe('the hash of a graph stays (R38)', () => {
  test('from one evaluation and from one version to the next', () => {
    expect(hashOf(base)).toBe(hashOf(base))
    // Checkpoints hold it: a change here makes older checkpoints look like those of another job.
    expect(hashOf(base)).toMatchInlineSnapshot(`"c6f62b7da7a13411ea03f774f905056ac95ef94865b07f5d1ae0bc9c7287381b"`)
  })

  test('at another parallelism, although chains differ', () => {
    const serial = jobGraphOf(base, { 'parallelism.default': 1 })
    const parallel = jobGraphOf(base, { 'parallelism.default': 4 })
    expect(parallel.vertices.length).not.toBe(serial.vertices.length)
    expect(parallel.hash).toBe(serial.hash)
  })

  test('with other function text, settings and window sizes', () => {
    const other: JobBuilder = (env) =>
      env
        .enableCheckpointing('1s')
        .fromSequence(5, 7)
        .map((value) => ({ value: value + 1 }))
        .setParallelism(3)
        .keyBy(({ value }) => value % 7)
        .window(TumblingEventTimeWindows.of('1min'))
        .allowedLateness('5s')
        .aggregate(count())
        .disableChaining()
        .sinkTo(sink)
    expect(hashOf(other)).toBe(hashOf(base))
  })
})

describe('the hash of a graph changes', () => {
  const changes: readonly (readonly [string, JobBuilder])[] = [
    ['with another uid', (env) => env.fromSequence(1, 10).map(Number).uid('numbers').sinkTo(sink)],
    [
      'with another name, from which the uid is derived',
      (env) => env.fromSequence(1, 10).map(Number).name('n').sinkTo(sink),
    ],
    ['with another kind', (env) => env.fromSequence(1, 10).filter(Boolean).sinkTo(sink)],
    ['with another type', (env) => env.fromSequence(1, 10).map(Number).returns(double()).sinkTo(sink)],
    ['with another partitioner', (env) => env.fromSequence(1, 10).map(Number).rebalance().sinkTo(sink)],
    ['with another connector', (env) => env.fromSequence(1, 10).map(Number).sinkTo(declaredSink('other'))],
    [
      'with another operator',
      (env) => {
        env.fromSequence(1, 10).map(Number).filter(Boolean).sinkTo(sink)
      },
    ],
  ]
  const plain = hashOf((env) => env.fromSequence(1, 10).map(Number).sinkTo(sink))
  for (const [title, build] of changes) test(title, () => expect(hashOf(build)).not.toBe(plain))

  test('with another accumulator or kind of window', () => {
    const windowed = (aggregate: 'count' | 'sum', sliding: boolean): string =>
      hashOf((env) => {
        const stream = env
          .fromSequence(1, 10)
          .keyBy((value) => value % 3)
          .window(sliding ? SlidingEventTimeWindows.of('10s', '5s') : TumblingEventTimeWindows.of('10s'))
        const results = aggregate === 'count' ? stream.aggregate(count()) : stream.aggregate(sum((value) => value))
        results.name('results').sinkTo(sink)
      })
    const hashes = [windowed('count', false), windowed('sum', false), windowed('count', true)]
    expect(new Set(hashes).size).toBe(3)
  })

  test('with another record type of a reduce', () => {
    const reduced = (fields: Parameters<typeof record>[0]): string =>
      hashOf((env) =>
        env
          .fromSequence(1, 10)
          .map((value) => ({ value }))
          .returns(record(fields) as never)
          .keyBy(({ value }) => value)
          .reduce((left) => left)
          .sinkTo(sink),
      )
    expect(reduced({ value: double() })).not.toBe(reduced({ value: double(), other: double() }))
  })
})
