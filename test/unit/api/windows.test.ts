import { describe, expect, test } from 'vitest'
import { count } from '../../../src/api/aggregates.ts'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import { CountEvictor, DeltaEvictor, type Evictor, TimeEvictor } from '../../../src/api/evictors.ts'
import type { JobBuilder } from '../../../src/api/job.ts'
import {
  ContinuousEventTimeTrigger,
  ContinuousProcessingTimeTrigger,
  CountTrigger,
  DeltaTrigger,
  EventTimeTrigger,
  NeverTrigger,
  ProcessingTimeTrigger,
  PurgingTrigger,
  type Trigger,
} from '../../../src/api/triggers.ts'
import {
  EventTimeSessionWindows,
  GlobalWindows,
  ProcessingTimeSessionWindows,
  SlidingProcessingTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
} from '../../../src/api/windows.ts'
import type { WindowSpec } from '../../../src/graph/operator-spec.ts'
import type { StreamNode } from '../../../src/graph/stream-graph.ts'
import { declaredSink, graphOf, jobGraphOf } from '../graph/sample-jobs.ts'
import { errorOf } from './error-of.ts'

const sink = declaredSink()
const stream = (env: StreamExecutionEnvironment) => env.fromSequence(1, 10)
const keyed = (env: StreamExecutionEnvironment) => stream(env).keyBy((value) => value % 3)

function nodeOf(build: JobBuilder): StreamNode & { readonly spec: WindowSpec } {
  const node = graphOf(build).nodes.find(({ spec }) => spec.kind === 'window')
  if (node?.spec.kind !== 'window') throw new Error('no window')
  return { ...node, spec: node.spec }
}

describe('Assigners', () => {
  test('by the wall clock are those of event time, under names of their own', () => {
    const windows = { kind: 'tumbling', sizeMs: 86_400_000, offsetMs: 57_600_000 }
    expect(TumblingProcessingTimeWindows.of('1d', '-8h')).toEqual({ kind: 'processingTime', windows })
    const names = [
      TumblingProcessingTimeWindows.of('1s'),
      SlidingProcessingTimeWindows.of('2s', '1s'),
      ProcessingTimeSessionWindows.withGap('1s'),
      ProcessingTimeSessionWindows.withDynamicGap((value: number) => value),
      EventTimeSessionWindows.withDynamicGap((value: number) => value),
      GlobalWindows.create(),
    ].map((assigner) => nodeOf((env) => keyed(env).window(assigner).aggregate(count()).sinkTo(sink)).name)
    expect(names).toEqual([
      'TumblingProcessingTimeWindows',
      'SlidingProcessingTimeWindows',
      'ProcessingTimeSessionWindows',
      'DynamicProcessingTimeSessionWindows',
      'DynamicEventTimeSessionWindows',
      'GlobalWindows',
    ])
  })

  test('refuse what is out of range', () => {
    for (const wrong of [
      () => TumblingProcessingTimeWindows.of(0),
      () => SlidingProcessingTimeWindows.of('1s', 0),
      () => ProcessingTimeSessionWindows.withGap(-1),
      () => EventTimeSessionWindows.withDynamicGap('10s' as never),
      () => ProcessingTimeSessionWindows.withDynamicGap((async () => 10) as never),
    ]) {
      expect(errorOf(wrong).message).toMatch(/Windows\.\w+ \(declared at .*windows\.test\.ts:\d+\)/)
    }
  })
})

describe('Triggers and evictors', () => {
  const windows = (env: StreamExecutionEnvironment) => keyed(env).window(TumblingEventTimeWindows.of('1s'))
  const triggerOf = (build: JobBuilder) => nodeOf(build).spec.trigger

  test('that say what is usual leave plain event-time windows as they are', () => {
    expect(triggerOf((env) => windows(env).aggregate(count()).sinkTo(sink))).toBeUndefined()
    expect(
      triggerOf((env) => windows(env).trigger(EventTimeTrigger.create()).aggregate(count()).sinkTo(sink)),
    ).toBeUndefined()
  })

  test('are the usual ones where none is given', () => {
    const of = (assigner: Parameters<ReturnType<typeof keyed>['window']>[0]) =>
      triggerOf((env) => keyed(env).window(assigner).aggregate(count()).sinkTo(sink))
    expect(of(EventTimeSessionWindows.withDynamicGap(() => 1))).toBe(EventTimeTrigger.create())
    expect(of(ProcessingTimeSessionWindows.withDynamicGap(() => 1))).toBe(ProcessingTimeTrigger.create())
    expect(of(TumblingProcessingTimeWindows.of('1s'))).toBe(ProcessingTimeTrigger.create())
    expect(of(GlobalWindows.create())).toBe(NeverTrigger.create())
    const evicting = (env: StreamExecutionEnvironment) =>
      windows(env).evictor(CountEvictor.of(1)).aggregate(count()).sinkTo(sink)
    expect(triggerOf(evicting)).toBe(EventTimeTrigger.create())
    const clearing = (env: StreamExecutionEnvironment) =>
      windows(env)
        .process({ process() {}, clear() {} })
        .sinkTo(sink)
    expect(triggerOf(clearing)).toBe(EventTimeTrigger.create())
  })

  test('of sessions have to merge', () => {
    const sessions = (env: StreamExecutionEnvironment) => keyed(env).window(ProcessingTimeSessionWindows.withGap('1s'))
    const { merge: _, ...unmergeable } = count()
    const delta = DeltaTrigger.of<number>(1, (from, to) => to - from)
    expect(errorOf(() => graphOf((env) => sessions(env).trigger(delta))).message).toMatch(/onMerge/)
    expect(errorOf(() => graphOf((env) => sessions(env).trigger(PurgingTrigger.of(delta)))).message).toMatch(/onMerge/)
    expect(errorOf(() => graphOf((env) => sessions(env).aggregate(unmergeable))).message).toMatch(
      /merge\(left, right\)/,
    )
    nodeOf((env) => sessions(env).evictor(CountEvictor.of(3)).aggregate(unmergeable).sinkTo(sink))
  })

  test('are refused where they are none, or out of range', () => {
    for (const [wrong, text] of [
      [() => CountTrigger.of(0), /CountTrigger\.of .*maxCount is 0/],
      [() => ContinuousEventTimeTrigger.of(0), /ContinuousEventTimeTrigger\.of .*interval/],
      [() => ContinuousProcessingTimeTrigger.of('soon'), /ContinuousProcessingTimeTrigger\.of .*interval/],
      [() => DeltaTrigger.of(Number.NaN, () => 1), /threshold is NaN/],
      [() => DeltaTrigger.of(1, 1 as never), /the delta function is a number/],
      [() => PurgingTrigger.of({} as Trigger<unknown>), /onElement of the trigger is undefined/],
      [() => CountEvictor.of(-1), /maxCount is -1/],
      [() => TimeEvictor.of('-1s'), /TimeEvictor\.of/],
      [() => DeltaEvictor.of('1' as never, () => 1), /threshold is 1; it has to be a number/],
      [() => graphOf((env) => windows(env).trigger(undefined as never)), /onElement of the trigger is undefined/],
      [() => graphOf((env) => windows(env).evictor({} as Evictor<number>)), /evictBefore of the evictor is undefined/],
      [
        () => graphOf((env) => windows(env).process({ process() {}, clear: 1 as never })),
        /clear of the window function/,
      ],
      [() => graphOf((env) => windows(env).apply(1 as never)), /the window function is a number/],
      [
        () =>
          graphOf((env) => windows(env).trigger({ ...CountTrigger.of(1), onElement: (async () => 'FIRE') as never })),
        /onElement of the trigger is async/,
      ],
    ] as const) {
      expect(errorOf(wrong).message).toMatch(text)
    }
  })
})

describe('Count windows', () => {
  test('purge where each record is in one, and evict where they slide', () => {
    const tumbling = nodeOf((env) => keyed(env).countWindow(3).aggregate(count()).sinkTo(sink))
    expect([tumbling.spec.assigner.kind, tumbling.spec.evictor]).toEqual(['global', undefined])
    const sliding = nodeOf((env) => keyed(env).countWindow(3, 1).aggregate(count()).sinkTo(sink))
    expect(sliding.spec.evictor).toBeDefined()
  })

  test('have whole numbers of records', () => {
    expect(errorOf(() => graphOf((env) => keyed(env).countWindow(0))).message).toMatch(/size is 0/)
    expect(errorOf(() => graphOf((env) => keyed(env).countWindow(1, 0.5))).message).toMatch(/slide is 0\.5/)
  })
})

describe('Windows over all records', () => {
  test('are in one subtask, whatever the job has', () => {
    const build: JobBuilder = (env) =>
      stream(env).windowAll(TumblingEventTimeWindows.of('1s')).aggregate(count()).sinkTo(sink)
    const graph = jobGraphOf(build, { 'parallelism.default': 4 })
    const vertex = graph.vertices.find(({ operators }) => operators.some(({ spec }) => spec.kind === 'window'))
    expect(vertex?.parallelism).toBe(1)
    const wide: JobBuilder = (env) => stream(env).countWindowAll(3).aggregate(count()).setParallelism(2).sinkTo(sink)
    expect(errorOf(() => jobGraphOf(wide)).message).toMatch(/'GlobalWindows'.*parallelism 2.* in one subtask/)
  })
})
