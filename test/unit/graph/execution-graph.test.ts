import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JobBuilder } from '../../../src/api/job.ts'
import { type ExecutionGraph, executionGraph, regions, requiredSlots } from '../../../src/graph/execution-graph.ts'
import { declaredSink, planFor } from './sample-jobs.ts'

const sink = declaredSink()
const expand = (build: JobBuilder, parallelism: number): ExecutionGraph =>
  executionGraph(planFor(build, { 'parallelism.default': parallelism }))
const channelsOf = (graph: ExecutionGraph): readonly string[] =>
  graph.channels.map((channel) => `${channel.edgeId}: ${channel.from} -> ${channel.to}`)

const forwards: JobBuilder = (env) => env.fromSequence(1, 10).map(Number).startNewChain().sinkTo(sink)
const keyed: JobBuilder = (env) =>
  env
    .fromSequence(1, 10)
    .keyBy((value) => value % 3)
    .reduce((left, right) => left + right)
    .sinkTo(sink)

test('a forward edge joins subtasks of the same index, and each slice is a region of its own (R13)', () => {
  const graph = expand(forwards, 3)
  expect(channelsOf(graph)).toEqual(['0: 0 -> 3', '0: 1 -> 4', '0: 2 -> 5'])
  expect(graph.regions.map((region) => region.subtasks)).toEqual([
    [0, 3],
    [1, 4],
    [2, 5],
  ])
})

const rescaled =
  (senders: number, receivers: number): JobBuilder =>
  (env) =>
    env
      .fromSequence(1, 10)
      .setParallelism(senders)
      .rescale()
      .map(Number)
      .setParallelism(receivers)
      .sinkTo(sink)
      .setParallelism(receivers)

test.each([
  [2, 4, ['0: 0 -> 2', '0: 0 -> 3', '0: 1 -> 4', '0: 1 -> 5'], 2],
  [2, 3, ['0: 0 -> 2', '0: 0 -> 3', '0: 1 -> 4'], 2],
  [4, 2, ['0: 0 -> 4', '0: 1 -> 4', '0: 2 -> 5', '0: 3 -> 5'], 2],
  [3, 3, ['0: 0 -> 3', '0: 1 -> 4', '0: 2 -> 5'], 3],
])(
  'a rescale edge joins %i senders and %i receivers in groups, each a region (R13)',
  (senders, receivers, channels, count) => {
    const graph = expand(rescaled(senders, receivers), 1)
    expect(channelsOf(graph)).toEqual(channels)
    expect(graph.regions).toHaveLength(count)
  },
)

test('a hash edge joins all with all, in one region', () => {
  const graph = expand(keyed, 2)
  expect(channelsOf(graph)).toEqual(['0: 0 -> 2', '0: 0 -> 3', '0: 1 -> 2', '0: 1 -> 3'])
  expect(graph.regions).toEqual([{ index: 0, subtasks: [0, 1, 2, 3] }])
  expect(graph.subtasks[3]).toMatchObject({ subtaskIndex: 1, parallelism: 2, inputs: [1, 3], outputs: [], region: 0 })
  expect(graph.subtasks[1]?.outputs).toEqual([{ edgeId: 0, channels: [2, 3] }])
})

test('pipelines that share nothing are regions of their own', () => {
  const graph = expand((env) => {
    env.fromSequence(1, 10, { name: 'a' }).rebalance().sinkTo(sink).name('one')
    env.fromSequence(1, 10, { name: 'b' }).rebalance().sinkTo(sink).name('two')
  }, 2)
  expect(graph.regions.length).toBe(2)
  expect(new Set(graph.regions.flatMap((region) => region.subtasks)).size).toBe(8)
})

test('a job needs as many slots as its widest vertex has subtasks', () => {
  expect(requiredSlots(planFor(keyed, { 'parallelism.default': 3 }))).toBe(3)
})

describe('for any widths of a pipeline', () => {
  const widths = fc.array(fc.record({ parallelism: fc.integer({ min: 1, max: 5 }), hash: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  })

  test('channels, inputs, outputs and regions agree', () => {
    fc.assert(
      fc.property(widths, (stages) => {
        const plan = planFor((env) => {
          let stream = env.fromSequence(1, 10)
          for (const [index, stage] of stages.entries()) {
            const next = stage.hash
              ? stream
                  .keyBy((value) => value)
                  .reduce((left) => left)
                  .name(`reduce ${index}`)
              : stream.map(Number)
            stream = next.setParallelism(stage.parallelism)
          }
          stream.sinkTo(sink)
        })
        const graph = executionGraph(plan)
        expect(graph.subtasks.length).toBe(plan.vertices.reduce((total, vertex) => total + vertex.parallelism, 0))
        for (const channel of graph.channels) {
          const [from, to] = [graph.subtasks[channel.from], graph.subtasks[channel.to]]
          expect(to?.inputs).toContain(channel.index)
          expect(from?.outputs.find((output) => output.edgeId === channel.edgeId)?.channels).toContain(channel.index)
          expect(from?.region).toBe(to?.region)
        }
        const members = regions(plan).flatMap((region) => region.subtasks)
        expect([...members].sort((left, right) => left - right)).toEqual(graph.subtasks.map((subtask) => subtask.index))
      }),
      { numRuns: 60 },
    )
  })
})
