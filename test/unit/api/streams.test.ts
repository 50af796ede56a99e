import { describe, expect, test } from 'vitest'
import { count } from '../../../src/api/aggregates.ts'
import { outputTag, valueStateDescriptor } from '../../../src/api/descriptors.ts'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import type { AggregateFunction, Collector, ProcessWindowContext } from '../../../src/api/functions.ts'
import { buildJob, type JobBuilder, job } from '../../../src/api/job.ts'
import { EventTimeSessionWindows, SlidingEventTimeWindows, TumblingEventTimeWindows } from '../../../src/api/windows.ts'
import { double, record } from '../../../src/formats/types.ts'
import type { OperatorSpec, WindowSpec } from '../../../src/graph/operator-spec.ts'
import type { StreamNode } from '../../../src/graph/stream-graph.ts'
import { declaredSink, graphOf } from '../graph/sample-jobs.ts'
import { errorOf } from './error-of.ts'

const sink = declaredSink()
const keyed = (env: StreamExecutionEnvironment) => env.fromSequence(1, 10).keyBy((value) => value % 3)

function nodeOf(kind: OperatorSpec['kind'], build: JobBuilder): StreamNode {
  const node = graphOf(build).nodes.find((candidate) => candidate.spec.kind === kind)
  if (node === undefined) throw new Error(`no ${kind}`)
  return node
}

function windowOf(build: JobBuilder): WindowSpec {
  const { spec } = nodeOf('window', build)
  if (spec.kind !== 'window') throw new Error('no window')
  return spec
}

describe('streams', () => {
  test('are not changed by what is declared on them', () => {
    const graph = graphOf((env) => {
      const numbers = env.fromSequence(1, 10)
      numbers.rebalance()
      numbers.broadcast()
      numbers.map(String).sinkTo(sink)
      numbers.filter(Boolean).sinkTo(sink)
    })
    expect(graph.edges.map(({ from, to, partitioner }) => [from, to, partitioner.kind])).toEqual([
      [0, 1, 'forward'],
      [1, 2, 'forward'],
      [0, 3, 'forward'],
      [3, 4, 'forward'],
    ])
  })

  test('give operators their settings, whenever they are set', () => {
    const graph = graphOf((env) => {
      const mapped = env.fromSequence(1, 10).map(String)
      mapped.sinkTo(sink).name('end').uid('the end').setParallelism(1).disableChaining()
      mapped.name('text').uid('to text').setParallelism(3).setMaxParallelism(64).startNewChain()
    })
    expect(graph.nodes[1]).toMatchObject({
      name: 'text',
      uid: 'to text',
      parallelism: 3,
      maxParallelism: 64,
      chaining: 'head',
    })
    expect(graph.nodes[2]).toMatchObject({ name: 'end', uid: 'the end', parallelism: 1, chaining: 'never' })
  })

  test('key every united input, each by its own edge', () => {
    const graph = graphOf((env) => {
      const [a, b] = [env.fromSequence(1, 2, { name: 'a' }), env.fromSequence(1, 2, { name: 'b' })]
      a.rebalance()
        .union(b)
        .keyBy((value) => value)
        .reduce((left) => left)
        .sinkTo(sink)
    })
    expect(graph.edges.map((edge) => edge.partitioner.kind)).toEqual(['hash', 'hash', 'forward'])
    expect(graph.nodes.find((node) => node.spec.kind === 'reduce')?.keySelector?.(5)).toBe(5)
  })

  test('carry a declared type as far as records stay the same', () => {
    const type = record({ value: double() })
    const graph = graphOf((env) => {
      const values = env.fromSequence(1, 10).map((value) => ({ value }))
      values.returns(type)
      values
        .filter(() => true)
        .keyBy(({ value }) => value)
        .reduce((left) => left)
        .map(({ value }) => value)
        .sinkTo(sink)
    })
    expect(graph.nodes.map((node) => node.outputType.kind)).toEqual([
      'double',
      'record',
      'record',
      'record',
      'untyped',
      'untyped',
    ])
    expect(graph.edges.map((edge) => edge.type.kind)).toEqual(['double', 'record', 'record', 'record', 'untyped'])
  })

  test('refuse a union of one, and streams of another job', () => {
    expect(errorOf(() => graphOf((env) => env.fromSequence(1, 2).union().sinkTo(sink))).message).toContain(
      'there is no other stream to unite with',
    )
    let other: ReturnType<StreamExecutionEnvironment['fromSequence']> | undefined
    graphOf((env) => {
      other = env.fromSequence(1, 2)
      other.sinkTo(sink)
    })
    const united: JobBuilder = (env) => {
      if (other !== undefined) env.fromSequence(1, 2).union(other).sinkTo(sink)
    }
    expect(errorOf(() => graphOf(united)).message).toContain('a stream of another job')
  })

  test('refuse a type that comes too late', () => {
    const build: JobBuilder = (env) => {
      const mapped = env.fromSequence(1, 2).map(Number)
      mapped.sinkTo(sink)
      mapped.returns(double())
    }
    expect(errorOf(() => graphOf(build)).message).toMatch(/^Map \(declared at .*streams\.test\.ts:\d+\): returns/)
  })

  test('refuse what is no function, which types can not keep out of a bundle', () => {
    const wrong = undefined as never
    const builders: readonly JobBuilder[] = [
      (env) => env.fromSequence(1, 2).map(wrong),
      (env) => env.fromSequence(1, 2).flatMap(wrong),
      (env) => env.fromSequence(1, 2).filter(wrong),
      (env) => env.fromSequence(1, 2).process(wrong),
      (env) => env.fromSequence(1, 2).keyBy(wrong),
      (env) => env.fromSequence(1, 2).sinkTo(wrong),
      (env) => env.fromSource(wrong, wrong, 'source'),
      (env) => env.fromCollection(wrong),
      (env) => keyed(env).reduce(wrong),
      (env) => keyed(env).aggregate(wrong),
      (env) => keyed(env).process(wrong),
      (env) => keyed(env).window(TumblingEventTimeWindows.of('1s')).process(wrong),
      (env) => keyed(env).window(TumblingEventTimeWindows.of('1s')).reduce(wrong),
      (env) => keyed(env).window(TumblingEventTimeWindows.of('1s')).aggregate(wrong),
    ]
    for (const builder of builders) {
      const error = errorOf(() => graphOf(builder))
      expect(error.message).toMatch(/declared at .*streams\.test\.ts:\d+/)
      expect(error.message).toContain('it has to be a function')
    }
    expect(errorOf(() => outputTag('')).message).toContain('is empty')
    expect(errorOf(() => valueStateDescriptor(' ')).message).toContain('is empty')
  })

  test('refuse async functions, which types let pass where nothing is returned', () => {
    const later = (async () => undefined) as never
    const aggregate = { createAccumulator: () => 0, add: () => 0, getResult: () => 0 }
    const builders: readonly JobBuilder[] = [
      (env) => env.fromSequence(1, 2).map(later),
      (env) => env.fromSequence(1, 2).filter(later),
      (env) => env.fromSequence(1, 2).flatMap(async function* () {} as never),
      (env) => env.fromSequence(1, 2).process({ async processElement() {} }),
      (env) => keyed(env).process({ processElement() {}, async onTimer() {} }),
      (env) => keyed(env).process({ async open() {}, processElement() {} }),
      (env) => keyed(env).aggregate({ ...aggregate, add: later }),
      (env) =>
        keyed(env)
          .window(TumblingEventTimeWindows.of('1s'))
          .process({ async process() {} }),
    ]
    for (const builder of builders) {
      expect(errorOf(() => graphOf(builder)).message).toMatch(/declared at .*streams\.test\.ts:\d+.* is async/)
    }
  })
})

describe('windows', () => {
  const emitted = (spec: WindowSpec, elements: readonly unknown[]): readonly unknown[] => {
    const results: unknown[] = []
    const seen = { window: { start: 0, end: 10 }, currentWatermark: 9, output() {} }
    const context = seen as unknown as ProcessWindowContext
    spec.compute.process?.process('ada', context, elements, { collect: (result) => results.push(result) })
    return results
  }

  test('are what their assigners say', () => {
    expect(TumblingEventTimeWindows.of('10s')).toEqual({ kind: 'tumbling', sizeMs: 10_000, offsetMs: 0 })
    expect(TumblingEventTimeWindows.of('1d', '-8h')).toEqual({
      kind: 'tumbling',
      sizeMs: 86_400_000,
      offsetMs: 57_600_000,
    })
    expect(TumblingEventTimeWindows.of(1000, -1)).toMatchObject({ offsetMs: 999 })
    expect(SlidingEventTimeWindows.of('10s', '2s', 500)).toEqual({
      kind: 'sliding',
      sizeMs: 10_000,
      slideMs: 2000,
      offsetMs: 500,
    })
    expect(EventTimeSessionWindows.withGap('30min')).toEqual({ kind: 'session', gapMs: 1_800_000 })
  })

  test('refuse sizes, slides, gaps and offsets that are out of range', () => {
    for (const wrong of [
      () => TumblingEventTimeWindows.of(-1),
      () => TumblingEventTimeWindows.of(0),
      () => TumblingEventTimeWindows.of('0.5ms'),
      () => TumblingEventTimeWindows.of('ten seconds'),
      () => TumblingEventTimeWindows.of('1s', '1s'),
      () => TumblingEventTimeWindows.of('1s', '-2s'),
      () => SlidingEventTimeWindows.of('1s', 0),
      () => SlidingEventTimeWindows.of('-1s', '1s'),
      () => EventTimeSessionWindows.withGap(0),
    ]) {
      expect(errorOf(wrong).message).toMatch(/Windows\.\w+ \(declared at .*streams\.test\.ts:\d+\)/)
    }
  })

  test('take lateness and a tag for what is too late', () => {
    const late = outputTag<number>('late')
    const spec = windowOf((env) =>
      keyed(env)
        .window(TumblingEventTimeWindows.of('10s'))
        .allowedLateness('1min')
        .sideOutputLateData(late)
        .aggregate(count())
        .sinkTo(sink),
    )
    expect(spec).toMatchObject({ allowedLatenessMs: 60_000, lateTag: late })
  })

  test('make their record of key, result and window', () => {
    const windows = (env: StreamExecutionEnvironment) => keyed(env).window(TumblingEventTimeWindows.of('10s'))
    const withKey = (key: number, result: number, window: { readonly end: number }) => [key, result, window.end]
    const aggregated = windowOf((env) => windows(env).aggregate(count(), { withKey }).sinkTo(sink))
    const reduced = windowOf((env) =>
      windows(env)
        .reduce((left) => left, { withKey })
        .sinkTo(sink),
    )
    expect([emitted(aggregated, [3]), emitted(reduced, [4])]).toEqual([[['ada', 3, 10]], [['ada', 4, 10]]])
    const processed = windowOf((env) =>
      windows(env)
        .aggregate(count(), { process: (_key, _context, [result], out: Collector<unknown>) => out.collect(result) })
        .sinkTo(sink),
    )
    expect(emitted(processed, [5])).toEqual([5])
  })

  test('of sessions need an aggregate that can merge', () => {
    const { merge: _, ...unmergeable } = count()
    const aggregate: AggregateFunction<unknown, { count: number }, number> = unmergeable
    const build: JobBuilder = (env) =>
      keyed(env).window(EventTimeSessionWindows.withGap('1s')).aggregate(aggregate).sinkTo(sink)
    expect(errorOf(() => graphOf(build)).message).toMatch(
      /^EventTimeSessionWindows \(declared at .*streams\.test\.ts:\d+\): sessions grow together/,
    )
  })
})

test('a job is built anew at each evaluation, with function objects of its own', () => {
  const definition = job('fresh', (env) => env.fromSequence(1, 2).map(String).sinkTo(sink))
  expect(buildJob(definition).nodes[1]).not.toBe(buildJob(definition).nodes[1])
})
