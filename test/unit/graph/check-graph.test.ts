import { describe, expect, test } from 'vitest'
import { count } from '../../../src/api/aggregates.ts'
import { outputTag } from '../../../src/api/descriptors.ts'
import type { JobBuilder } from '../../../src/api/job.ts'
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.ts'
import { TumblingEventTimeWindows } from '../../../src/api/windows.ts'
import { isMillraceError } from '../../../src/common/errors.ts'
import { declaredSink, declaredSource, graphOf } from './sample-jobs.ts'

const sink = declaredSink()
const kept = declaredSink('kept', 'exactly-once')

function refusalOf(build: JobBuilder, configuration = {}): string {
  try {
    graphOf(build, configuration)
  } catch (error) {
    if (isMillraceError(error))
      return `${error.code} ${error.message.replaceAll(/declared at \S*check-graph\.test\.ts:\d+/g, 'declared at PLACE')}`
    throw error
  }
  return 'accepted'
}

describe('a graph is refused, naming the operator and where it was declared', () => {
  test('without a sink', () => {
    expect(refusalOf(() => {})).toBe("MR_JOB_DEFINITION job 'sample' has no sink: end a stream by .sinkTo(…)")
  })

  test('with a stream that leads nowhere', () => {
    const build: JobBuilder = (env) => {
      const numbers = env.fromSequence(1, 10)
      numbers.sinkTo(sink)
      numbers.map(String).name('forgotten')
    }
    expect(refusalOf(build)).toBe(
      "MR_JOB_DEFINITION operator 'forgotten' (declared at PLACE): nothing reads its results: end the stream by .sinkTo(…), or remove the operator",
    )
  })

  test('with a parallelism above the max parallelism', () => {
    const build: JobBuilder = (env) =>
      env.setMaxParallelism(4).fromSequence(1, 10).map(String).setParallelism(5).sinkTo(sink)
    expect(refusalOf(build)).toBe(
      "MR_JOB_DEFINITION operator 'Map' (declared at PLACE): parallelism 5 is above its max parallelism 4",
    )
  })

  test('with more subtasks than a source can be read by', () => {
    const build: JobBuilder = (env) => env.fromCollection([1]).setParallelism(2).sinkTo(sink)
    expect(refusalOf(build)).toContain('parallelism 2, but its source can be read by 1 subtask at most')
  })

  test('with a uid that is used twice', () => {
    const build: JobBuilder = (env) => env.fromSequence(1, 10).uid('numbers').map(String).uid('numbers').sinkTo(sink)
    expect(refusalOf(build)).toBe(
      "MR_JOB_DEFINITION operator 'Map' (declared at PLACE): the uid 'numbers' is taken by operator 'Sequence Source' (declared at PLACE); uids are unique within a job",
    )
  })

  test('with a given uid that another operator would get by itself', () => {
    const build: JobBuilder = (env) => env.fromSequence(1, 10).map(String).uid('source:Sequence Source').sinkTo(sink)
    expect(refusalOf(build)).toContain(
      "operator 'Sequence Source' (declared at PLACE): the uid 'source:Sequence Source' is taken",
    )
  })

  test('with two stateful operators that would get one uid (R38)', () => {
    const build: JobBuilder = (env) => {
      const numbers = env.fromSequence(1, 10).keyBy((value) => value)
      numbers.aggregate(count()).sinkTo(sink)
      numbers.aggregate(count()).sinkTo(sink)
    }
    expect(refusalOf(build)).toBe(
      "MR_JOB_DEFINITION operator 'Keyed Aggregate' (declared at PLACE) and operator 'Keyed Aggregate' (declared at PLACE) keep state and have the same name: their state could not be told apart in a checkpoint; give them .uid('…'), or different names by .name('…')",
    )
  })

  test('with a side output that its operator can not have', () => {
    const late = outputTag<number>('late')
    const read =
      (declared: boolean): JobBuilder =>
      (env) => {
        const windows = env
          .fromSequence(1, 10)
          .keyBy((value) => value)
          .window(TumblingEventTimeWindows.of('1s'))
        const counts = (declared ? windows.sideOutputLateData(late) : windows).aggregate(count())
        counts.sinkTo(sink)
        counts.getSideOutput(late).sinkTo(sink)
      }
    expect(refusalOf(read(false))).toContain("it has no side output 'late' that could be read (it has none)")
    expect(refusalOf(read(true))).toBe('accepted')
  })

  test('with an exactly-once sink behind an endless source and no checkpoints', () => {
    const build: JobBuilder = (env) =>
      env.fromSource(declaredSource(), WatermarkStrategy.noWatermarks(), 'endless').sinkTo(kept)
    expect(refusalOf(build)).toContain("there are none, while source 'endless' never ends")
    expect(refusalOf(build, { 'execution.checkpointing.interval': '10s' })).toBe('accepted')
    expect(refusalOf((env) => env.fromSequence(1, 10).sinkTo(kept))).toBe('accepted')
  })
})

test('stateless operators and sinks that promise nothing may be alike', () => {
  const build: JobBuilder = (env) => {
    const numbers = env.fromSequence(1, 10)
    numbers.map(String).sinkTo(sink)
    numbers.map(String).print()
    numbers.print()
  }
  expect(refusalOf(build)).toBe('accepted')
})
