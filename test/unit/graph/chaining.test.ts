import { describe, expect, test } from 'vitest'
import { outputTag } from '../../../src/api/descriptors.ts'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import type { JobBuilder } from '../../../src/api/job.ts'
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.ts'
import { declaredSink, declaredSource, jobGraphOf, layoutOf } from './sample-jobs.ts'

const sink = declaredSink()
const noWatermarks = WatermarkStrategy.noWatermarks()
const add = (left: number, right: number): number => left + right
const numbers = (env: StreamExecutionEnvironment, name = 'numbers') => env.fromSequence(1, 10, { name })

interface Case {
  readonly title: string
  readonly build: JobBuilder
  readonly parallelism: number
  readonly layout: readonly string[]
}

const cases: readonly Case[] = [
  {
    title: 'forwards of one parallelism chain from source to sink',
    build: (env) => numbers(env).map(String).filter(Boolean).sinkTo(sink),
    parallelism: 2,
    layout: ['Source: numbers -> Map -> Filter -> Sink: nowhere x2'],
  },
  {
    title: 'another parallelism ends a chain, and its forward is a rebalance',
    build: (env) => numbers(env).map(String).sinkTo(sink).setParallelism(1),
    parallelism: 2,
    layout: ['Source: numbers -> Map x2', 'Sink: nowhere x1', 'Source: numbers -> Map =rebalance=> Sink: nowhere'],
  },
  {
    title: 'a hash does not chain at parallelism 2',
    build: (env) =>
      numbers(env)
        .keyBy((value) => value % 3)
        .reduce(add)
        .sinkTo(sink),
    parallelism: 2,
    layout: [
      'Source: numbers x2',
      'Keyed Reduce -> Sink: nowhere x2',
      'Source: numbers =hash=> Keyed Reduce -> Sink: nowhere',
    ],
  },
  {
    title: 'a hash over one channel is a forward and chains',
    build: (env) =>
      numbers(env)
        .keyBy((value) => value % 3)
        .reduce(add)
        .sinkTo(sink),
    parallelism: 1,
    layout: ['Source: numbers -> Keyed Reduce -> Sink: nowhere x1'],
  },
  {
    title: 'a hash from several subtasks to one is still a hash',
    build: (env) =>
      numbers(env)
        .keyBy((value) => value % 3)
        .reduce(add)
        .setParallelism(1)
        .sinkTo(sink)
        .setParallelism(1),
    parallelism: 2,
    layout: [
      'Source: numbers x2',
      'Keyed Reduce -> Sink: nowhere x1',
      'Source: numbers =hash=> Keyed Reduce -> Sink: nowhere',
    ],
  },
  {
    title: 'an operator of two inputs does not chain to them',
    build: (env) => numbers(env, 'a').union(numbers(env, 'b')).map(String).sinkTo(sink),
    parallelism: 2,
    layout: [
      'Source: a x2',
      'Source: b x2',
      'Map -> Sink: nowhere x2',
      'Source: a =forward=> Map -> Sink: nowhere',
      'Source: b =forward=> Map -> Sink: nowhere',
    ],
  },
  {
    title: 'a stream united with itself has two edges',
    build: (env) => {
      const stream = numbers(env)
      stream.union(stream).sinkTo(sink)
    },
    parallelism: 1,
    layout: [
      'Source: numbers x1',
      'Sink: nowhere x1',
      'Source: numbers =forward=> Sink: nowhere',
      'Source: numbers =forward=> Sink: nowhere',
    ],
  },
  {
    title: 'rebalance does not chain, also at parallelism 1',
    build: (env) => numbers(env).rebalance().map(String).sinkTo(sink),
    parallelism: 1,
    layout: ['Source: numbers x1', 'Map -> Sink: nowhere x1', 'Source: numbers =rebalance=> Map -> Sink: nowhere'],
  },
  {
    title: 'broadcast does not chain, and the last partitioner counts',
    build: (env) => numbers(env).rebalance().broadcast().map(String).sinkTo(sink),
    parallelism: 2,
    layout: ['Source: numbers x2', 'Map -> Sink: nowhere x2', 'Source: numbers =broadcast=> Map -> Sink: nowhere'],
  },
  {
    title: 'startNewChain cuts before the operator',
    build: (env) => numbers(env).map(String).startNewChain().filter(Boolean).sinkTo(sink),
    parallelism: 1,
    layout: [
      'Source: numbers x1',
      'Map -> Filter -> Sink: nowhere x1',
      'Source: numbers =forward=> Map -> Filter -> Sink: nowhere',
    ],
  },
  {
    title: 'disableChaining cuts before and after the operator',
    build: (env) => numbers(env).map(String).disableChaining().filter(Boolean).sinkTo(sink),
    parallelism: 1,
    layout: [
      'Source: numbers x1',
      'Map x1',
      'Filter -> Sink: nowhere x1',
      'Source: numbers =forward=> Map',
      'Map =forward=> Filter -> Sink: nowhere',
    ],
  },
  {
    title: 'a chain branches, and side outputs chain like main ones',
    build: (env) => {
      const odd = outputTag<number>('odd')
      const split = numbers(env).process<number>({ processElement() {} })
      split.map(String).sinkTo(sink)
      split.getSideOutput(odd).filter(Boolean).sinkTo(declaredSink('elsewhere'))
    },
    parallelism: 1,
    layout: ['Source: numbers -> Process -> (Filter -> Sink: elsewhere, Map -> Sink: nowhere) x1'],
  },
  {
    title: 'a side output keeps its name on an edge between vertices',
    build: (env) => {
      const odd = outputTag<number>('odd')
      const split = numbers(env).process<number>({ processElement() {} })
      split.sinkTo(sink)
      split.getSideOutput(odd).rebalance().sinkTo(declaredSink('elsewhere'))
    },
    parallelism: 1,
    layout: [
      'Source: numbers -> Process -> Sink: nowhere x1',
      'Sink: elsewhere x1',
      'Source: numbers -> Process -> Sink: nowhere [odd] =rebalance=> Sink: elsewhere',
    ],
  },
  {
    title: 'a source that one subtask reads has parallelism 1 by itself',
    build: (env) => env.fromCollection([1]).map(String).sinkTo(sink),
    parallelism: 2,
    layout: [
      'Source: Collection Source x1',
      'Map -> Sink: nowhere x2',
      'Source: Collection Source =rebalance=> Map -> Sink: nowhere',
    ],
  },
  {
    title: 'another max parallelism ends a chain, since a vertex has one',
    build: (env) => numbers(env).map(String).setMaxParallelism(64).sinkTo(sink),
    parallelism: 1,
    layout: [
      'Source: numbers x1',
      'Map x1',
      'Sink: nowhere x1',
      'Source: numbers =forward=> Map',
      'Map =forward=> Sink: nowhere',
    ],
  },
]

describe('chaining follows Flink', () => {
  for (const { title, build, parallelism, layout } of cases) {
    test(title, () => {
      expect(layoutOf(jobGraphOf(build, { 'parallelism.default': parallelism }))).toEqual(layout)
    })
  }
})

test('a chain lists its operators in topological order, with where each output goes', () => {
  const graph = jobGraphOf((env) => {
    const stream = numbers(env)
    stream.map(String).sinkTo(sink)
    stream.filter(Boolean).sinkTo(declaredSink('elsewhere'))
  })
  const [vertex] = graph.vertices
  expect(vertex?.operators.map((operator) => [operator.uid, operator.next.map((next) => next.operatorIndex)])).toEqual([
    ['source:numbers', [1, 3]],
    ['filter:Filter', [2]],
    ['sink:elsewhere', []],
    ['map:Map', [4]],
    ['sink:nowhere', []],
  ])
  expect(vertex?.id).toMatch(/^[0-9a-f]{32}$/)
})

test('a chained keyed operator still knows its key selector', () => {
  const graph = jobGraphOf((env) =>
    numbers(env)
      .keyBy((value) => value % 3)
      .reduce(add)
      .sinkTo(sink),
  )
  const selectors = graph.vertices[0]?.operators.map((operator) => operator.keySelector?.(7))
  expect(selectors).toEqual([undefined, 1, undefined])
})

test('vertices and edges are numbered alike whatever the order of declaration', () => {
  const first = jobGraphOf((env) => {
    numbers(env, 'a').rebalance().sinkTo(sink).name('one')
    numbers(env, 'b').rebalance().sinkTo(sink).name('two')
  })
  const second = jobGraphOf((env) => {
    numbers(env, 'b').rebalance().sinkTo(sink).name('two')
    numbers(env, 'a').rebalance().sinkTo(sink).name('one')
  })
  expect(layoutOf(second)).toEqual(layoutOf(first))
  expect(second.vertices.map((vertex) => vertex.id)).toEqual(first.vertices.map((vertex) => vertex.id))
  expect(second.hash).toBe(first.hash)
})

test('declared types travel with the edges, and united streams of other types are untyped', () => {
  const graph = jobGraphOf((env) => {
    const declared = numbers(env, 'declared')
    const other = env.fromSource(declaredSource<number>(), noWatermarks, 'other')
    declared.filter(Boolean).rebalance().map(String).rebalance().sinkTo(sink)
    declared
      .union(other)
      .keyBy((value) => value)
      .reduce(add)
      .sinkTo(declaredSink('both'))
  })
  const types = graph.edges.map((edge) => edge.type.kind)
  expect(types.sort()).toEqual(['double', 'double', 'untyped', 'untyped'])
  const reduce = graph.vertices.flatMap((vertex) => vertex.operators).find(({ spec }) => spec.kind === 'reduce')
  expect(reduce?.outputType.kind).toBe('untyped')
})
