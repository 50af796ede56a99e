import { expect, test } from 'vitest'
import { count } from '../../../src/api/aggregates.ts'
import { buildJob, type JobBuilder, job } from '../../../src/api/job.ts'
import { CountTrigger } from '../../../src/api/triggers.ts'
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.ts'
import {
  EventTimeSessionWindows,
  GlobalWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
} from '../../../src/api/windows.ts'
import { warningsOf } from '../../../src/cli/plan-warnings.ts'
import { datagen } from '../../../src/connectors/datagen/datagen-source.ts'
import { FileSink } from '../../../src/connectors/filesystem/index.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { planOf, planText } from '../../../src/graph/plan.ts'

const warnings = (build: JobBuilder) => warningsOf(planOf(createJobGraph(buildJob(job('warned', build)))))

test('a bounded job whose exactly-once sinks have no checkpoints warns that it publishes at its end alone', () => {
  const found = warnings((env) => {
    env
      .fromSequence(1, 3)
      .sinkTo(FileSink.of({ folder: 'out' }))
      .name('results')
  })
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(/^WARNING: there are no checkpoints, so 'results' publishes .* only when the job has ended/)
})

test('with checkpoints, or without such a sink, there is no warning', () => {
  const checkpointed = warnings((env) => {
    env
      .enableCheckpointing('1s')
      .fromSequence(1, 3)
      .sinkTo(FileSink.of({ folder: 'out' }))
  })
  const printed = warnings((env) => {
    env.fromSequence(1, 3).print()
  })
  expect([checkpointed, printed]).toEqual([[], []])
})

interface View {
  readonly page: string
  readonly at: number
}

const view = { page: '/', at: 1 }
const endless = () => datagen({ generate: (): View => view })
const byTime = WatermarkStrategy.forMonotonousTimestamps().withTimestamps((value: View) => value.at)

test('event-time windows of an endless input without watermarks give nothing: the plan and the run say which, and why', () => {
  const build: JobBuilder = (env) => {
    env
      .fromSource(endless(), WatermarkStrategy.noWatermarks(), 'views')
      .filter(({ at }) => at > 0)
      .keyBy(({ page }) => page)
      .window(TumblingEventTimeWindows.of('10s'))
      .aggregate(count())
      .print()
  }
  const why = /gives no result: it waits for watermarks, and 'views' gives none/
  expect(warnings(build)).toEqual([expect.stringMatching(/^WARNING: 'TumblingEventTimeWindows' gives no result/)])
  expect(warnings(build)[0]).toMatch(why)
  expect(planText(planOf(createJobGraph(buildJob(job('warned', build)))))).toMatch(why)
})

test('one input without watermarks holds back those that have them', () => {
  const found = warnings((env) => {
    const timed = env.fromSource(endless(), byTime, 'timed')
    const untimed = env.fromSource(endless(), WatermarkStrategy.noWatermarks(), 'untimed')
    timed
      .union(untimed)
      .keyBy(({ page }) => page)
      .window(EventTimeSessionWindows.withGap('10s'))
      .aggregate(count())
      .print()
  })
  expect(found).toHaveLength(1)
  expect(found[0]).toContain("'untimed' gives none")
})

test('global windows without a trigger give nothing, whatever the input', () => {
  const found = warnings((env) => {
    env
      .fromCollection([view])
      .keyBy(({ page }) => page)
      .window(GlobalWindows.create())
      .aggregate(count())
      .print()
  })
  expect(found).toEqual([expect.stringMatching(/^WARNING: 'GlobalWindows' gives no result: its trigger never fires/)])
})

test('windows that give results have no warning: bounded input, watermarks behind the source, processing time, other triggers', () => {
  const found = warnings((env) => {
    const untimed = env.fromSource(endless(), WatermarkStrategy.noWatermarks(), 'untimed')
    const keyed = untimed.keyBy(({ page }) => page)
    const hour = TumblingEventTimeWindows.of('1h')
    env
      .fromCollection([view])
      .keyBy(({ page }) => page)
      .window(hour)
      .aggregate(count())
      .name('bounded')
      .print('1')
    const timed = untimed.assignTimestampsAndWatermarks(byTime).keyBy(({ page }) => page)
    timed.window(hour).aggregate(count()).name('timed').print('2')
    keyed.window(TumblingProcessingTimeWindows.of('1h')).aggregate(count()).name('clock').print('3')
    keyed.window(hour).trigger(CountTrigger.of(2)).aggregate(count()).name('counted').print('4')
    keyed.window(GlobalWindows.create()).trigger(CountTrigger.of(2)).aggregate(count()).name('global').print('5')
    keyed.countWindow(3).aggregate(count()).name('three').print('6')
  })
  expect(found).toEqual([])
})
