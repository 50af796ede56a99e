import { describe, expect, test } from 'vitest'
import { sum } from '../../../src/api/aggregates.ts'
import type { DeadLetter } from '../../../src/api/dead-letters.ts'
import { outputTag } from '../../../src/api/descriptors.ts'
import type { JobBuilder } from '../../../src/api/job.ts'
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.ts'
import { EventTimeSessionWindows } from '../../../src/api/windows.ts'
import { long, record, string } from '../../../src/formats/types.ts'
import type { JobPlan } from '../../../src/graph/job-graph.ts'
import { firstDifference, planText } from '../../../src/graph/plan.ts'
import { type Click, declaredSink, declaredSource, planFor } from './sample-jobs.ts'

const dead = outputTag<DeadLetter>('dead letters')
const click = record({ user: string(), page: string(), at: long() })

const sessions: JobBuilder = (env) => {
  env.enableCheckpointing('10s', { minPause: '1s' })
  const clicks = env.fromSource(
    declaredSource<Click>({ type: click as never }),
    WatermarkStrategy.forMonotonousTimestamps().withTimestamps((event) => event.at),
    'clicks',
    { deadLetters: dead },
  )
  clicks
    .filter((event) => event.page !== '/health')
    .keyBy((event) => event.user)
    .window(EventTimeSessionWindows.withGap('30min'))
    .aggregate(sum('at'), { withKey: (user, total) => ({ user, total }) })
    .uid('sessions')
    .sinkTo(declaredSink('files', 'exactly-once'))
  clicks.getSideOutput(dead).sinkTo(declaredSink('print')).setParallelism(1)
}

test('a plan for people names chains, parallelism, uids, partitioners, and what is not checked', () => {
  const plan = planFor(sessions, { 'parallelism.default': 2 })
  const text = planText(plan, { relativeTo: process.cwd() }).replaceAll(/:\d+\)/g, ':LINE)')
  expect(text.replace(plan.hash, 'HASH')).toMatchInlineSnapshot(`
    "job sample
    parallelism 2, max parallelism 128, buffer timeout 5 ms, watermarks every 200 ms
    checkpoints: every 10000 ms, exactly-once, timeout 240000 ms, pause of 1000 ms at least, 0 failures in a row tolerated, 2 retained
    restart strategy: exponential-delay, from 1000 ms to 60000 ms by 1.5
    graph HASH

    1. Source: clicks -> Filter
       parallelism 2 of at most 128, continuous declared
       - clicks                   uid source:clicks, stateful  record { user: string, page: string, at: long }  (test/unit/graph/plan.test.ts:LINE)
       - Filter                   uid filter:Filter            record { user: string, page: string, at: long }  (test/unit/graph/plan.test.ts:LINE)
       => side output 'dead letters' rebalance to 3. Sink: print
       => hash to 2. EventTimeSessionWindows -> Sink: files

    2. EventTimeSessionWindows -> Sink: files
       parallelism 2 of at most 128
       - EventTimeSessionWindows  uid sessions, stateful       untyped, not checked  (test/unit/graph/plan.test.ts:LINE)
       - files                    uid sink:files, stateful     files, exactly-once  (test/unit/graph/plan.test.ts:LINE)

    3. Sink: print
       parallelism 1 of at most 128
       - print                    uid sink:print               print, none  (test/unit/graph/plan.test.ts:LINE)"
  `)
})

test('a plan is plain data', () => {
  const plan = planFor(sessions)
  expect(structuredClone(plan)).toEqual(plan)
  expect(JSON.parse(JSON.stringify(plan)).hash).toBe(plan.hash)
  expect(plan.vertices[0]?.source).toEqual({
    description: { connector: 'declared', options: null },
    boundedness: 'continuous',
  })
})

test('places are those of the calls in the job, not of the engine', () => {
  const plan = planFor(sessions)
  const places = plan.vertices.flatMap((vertex) => vertex.operators).map((operator) => operator.declaredAt)
  expect(places.length).toBe(5)
  for (const place of places) expect(place).toMatch(/test\/unit\/graph\/plan\.test\.ts:\d+$/)
  expect(new Set(places).size).toBeGreaterThan(3)
})

describe('the first difference of two plans is named', () => {
  const sink = declaredSink()
  const plan = (build: JobBuilder): JobPlan => planFor(build)
  const base = plan((env) => env.fromSequence(1, 10).map(Number).sinkTo(sink))
  const named = (other: JobPlan): string | undefined =>
    firstDifference(base, other)?.replaceAll(/declared at [^)]*/g, 'declared at PLACE')

  test('there is none between two evaluations', () => {
    expect(named(plan((env) => env.fromSequence(1, 10).map(Number).sinkTo(sink)))).toBeUndefined()
  })

  test('an operator that only one has', () => {
    const other = plan((env) => env.fromSequence(1, 10).map(Number).filter(Boolean).sinkTo(sink))
    expect(named(other)).toBe("operator 'Filter' (uid filter:Filter, declared at PLACE) is only in the slot's")
    expect(firstDifference(other, base)).toContain("is only in the client's")
  })

  test('an operator of another kind', () => {
    const other = plan((env) => env.fromSequence(1, 10).filter(Boolean).uid('map:Map').sinkTo(sink))
    expect(named(other)).toBe(
      "operator 'Map' (uid map:Map, declared at PLACE) is map in the client's, filter in the slot's",
    )
  })

  test('another connection', () => {
    const other = plan((env) => env.fromSequence(1, 10).map(Number).rebalance().sinkTo(sink))
    expect(named(other)).toBe("'Source: Sequence Source -> Map' feeds 'Sink: nowhere' by rebalance only in the slot's")
  })
})
