import fc from 'fast-check'
import type { EventTimeWindowAssigner, WindowAssigner } from 'millrace'
import type { EvictorCase, TriggerCase } from '../../task/operators/support/general-window-reference.ts'
import { type Input, keyKinds } from './item.ts'
import {
  type Counting,
  computations,
  type FreePipeline,
  type JobShape,
  type OrderedOperator,
  type OrderedPipeline,
  type Pipeline,
  type Placement,
  type SourceShape,
  type Stream,
  type TwoInputs,
} from './job-shape.ts'

/** Shapes are drawn with these names; `named` makes them unique. */
const unnamed = '?'

const placement: fc.Arbitrary<Placement> = fc.record({
  name: fc.constant(unnamed),
  parallelism: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 2 }),
  rescale: fc.constantFrom(0, 0, 1, 2),
  chaining: fc.constantFrom('always', 'always', 'always', 'head', 'never'),
})

const key = fc.constantFrom(...keyKinds)
const compute = fc.constantFrom(...computations)
const lateness = fc.constantFrom(0, 0, 10, 50)

const assigner: fc.Arbitrary<EventTimeWindowAssigner> = fc.oneof(
  fc.record({
    kind: fc.constant('tumbling' as const),
    sizeMs: fc.integer({ min: 5, max: 60 }),
    offsetMs: fc.integer({ min: 0, max: 4 }),
  }),
  fc
    .record({ slideMs: fc.integer({ min: 5, max: 30 }), factor: fc.double({ min: 0.5, max: 3, noNaN: true }) })
    .map(({ slideMs, factor }) => ({
      kind: 'sliding' as const,
      sizeMs: Math.max(1, Math.round(slideMs * factor)),
      slideMs,
      offsetMs: 0,
    })),
  fc.record({ kind: fc.constant('session' as const), gapMs: fc.integer({ min: 1, max: 40 }) }),
)

/** Event times rise by these steps, and each record comes up to `boundMs` earlier than that. */
function timelySplit(boundMs: number, longest: number): fc.Arbitrary<readonly Input[]> {
  const record = fc.record({
    step: fc.integer({ min: 0, max: 25 }),
    early: fc.integer({ min: 0, max: boundMs }),
    key: fc.integer({ min: 0, max: 4 }),
    amount: fc.integer({ min: 0, max: 9 }),
  })
  return fc
    .tuple(fc.integer({ min: -30, max: 60 }), fc.array(record, { maxLength: longest, size: 'max' }))
    .map(([start, list]) => {
      let time = start
      return list.map(({ step, early, key: number, amount }) => {
        time += step
        return { id: unnamed, key: number, amount, at: time - early, watermark: -1 }
      })
    })
}

const freeSource: fc.Arbitrary<Stream> = fc.integer({ min: 0, max: 30 }).chain((boundMs) =>
  fc
    .record({
      kind: fc.constant('source' as const),
      place: placement,
      splits: fc.array(timelySplit(boundMs, 20), { minLength: 1, maxLength: 4 }),
      recordsAtOnce: fc.integer({ min: 1, max: 5 }),
      interval: fc.constantFrom(0, 20, 50),
    })
    .map(({ place, ...source }): Stream => ({ ...place, ...source, boundMs })),
)

function withPlace<T extends object>(rest: fc.Arbitrary<T>): fc.Arbitrary<T & Placement> {
  return fc.tuple(placement, rest).map(([place, own]) => ({ ...place, ...own }))
}

const plainKinds = [
  ...(['map', 'flatMap', 'rebalance', 'split', 'twice'] as const),
  ...(['async', 'connect', 'rescale', 'shuffle'] as const),
]

const twoInputKinds: fc.Arbitrary<TwoInputs> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('windowJoin', 'coGroup'),
      assigner,
      allowedLatenessMs: lateness,
    }),
  },
  fc
    .record({ lowerMs: fc.integer({ min: -30, max: 20 }), widthMs: fc.integer({ min: 0, max: 30 }) })
    .map(({ lowerMs, widthMs }) => ({ kind: 'intervalJoin' as const, lowerMs, upperMs: lowerMs + widthMs })),
  fc.record({ kind: fc.constantFrom('keyedConnect', 'keyedBroadcast'), sizeMs: fc.integer({ min: 5, max: 50 }) }),
)

const { stream } = fc.letrec<{ stream: Stream; input: Stream }>((tie) => {
  const input = tie('stream')
  const plain = (kind: (typeof plainKinds)[number]): fc.Arbitrary<Stream> =>
    withPlace(fc.record({ kind: fc.constant(kind), input })) as fc.Arbitrary<Stream>
  const filter: fc.Arbitrary<Stream> = withPlace(
    fc.record({ kind: fc.constant('filter' as const), input, modulus: fc.integer({ min: 2, max: 4 }) }),
  )
  const broadcast: fc.Arbitrary<Stream> = withPlace(
    fc.record({ kind: fc.constant('broadcast' as const), input, copies: fc.integer({ min: 1, max: 3 }) }),
  )
  const union: fc.Arbitrary<Stream> = fc.record({
    kind: fc.constant('union' as const),
    inputs: fc.array(input, { minLength: 2, maxLength: 3 }),
  })
  const window: fc.Arbitrary<Stream> = withPlace(
    fc.record({ kind: fc.constant('window' as const), input, assigner, compute, key, allowedLatenessMs: lateness }),
  )
  const timers: fc.Arbitrary<Stream> = withPlace(
    fc.record({ kind: fc.constant('timers' as const), input, sizeMs: fc.integer({ min: 5, max: 50 }), key }),
  )
  // Trees that grow on both sides take long.
  const otherInput = fc.oneof({ weight: 4, arbitrary: freeSource }, input)
  const twoInputs: fc.Arbitrary<Stream> = withPlace(
    fc
      .tuple(fc.record({ left: input, right: otherInput, key }), twoInputKinds)
      .map(([inputs, kind]) => ({ ...inputs, ...kind })),
  )
  const broadcastState: fc.Arbitrary<Stream> = withPlace(
    fc.record({
      kind: fc.constant('broadcastState' as const),
      left: input,
      right: otherInput,
      copies: fc.integer({ min: 1, max: 3 }),
    }),
  )
  return {
    input: freeSource,
    stream: fc.oneof(
      { maxDepth: 4, depthSize: 'medium' },
      freeSource,
      ...plainKinds.map(plain),
      filter,
      broadcast,
      union,
      { weight: 4, arbitrary: window },
      { weight: 3, arbitrary: timers },
      { weight: 3, arbitrary: twoInputs },
      broadcastState,
    ),
  }
})

const countSize = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined, freq: 2 })
const counting: fc.Arbitrary<Counting> = withPlace(fc.record({ key, size: countSize, slide: countSize }))

const freePipeline: fc.Arbitrary<FreePipeline> = fc.record({
  type: fc.constant('free' as const),
  stream,
  count: fc.option(counting, { nil: undefined, freq: 1 }),
  sink: placement,
})

/** One split, read one record at once, with watermarks between records: some records are late. */
const orderedSource: fc.Arbitrary<SourceShape> = fc
  .record({
    place: placement,
    records: fc.array(
      fc.record({
        key: fc.integer({ min: 0, max: 3 }),
        amount: fc.integer({ min: 0, max: 9 }),
        at: fc.integer({ min: 0, max: 200 }),
        watermark: fc.oneof(fc.constant(-1), fc.constant(-1), fc.integer({ min: 0, max: 180 })),
      }),
      { maxLength: 60, size: 'max' },
    ),
    interval: fc.constantFrom(0, 0, 20),
  })
  .map(({ place, records, interval }) => ({
    ...place,
    parallelism: 1,
    rescale: 0,
    splits: [records.map((record) => ({ ...record, id: unnamed }))],
    boundMs: 0,
    recordsAtOnce: 1,
    interval,
  }))

/** By event time and count: the wall clock of a job that fails is anybody's. */
const trigger: fc.Arbitrary<TriggerCase> = fc.oneof(
  fc.record({ kind: fc.constantFrom('default' as const, 'eventTime' as const) }),
  fc.record({ kind: fc.constant('count' as const), maxCount: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('continuousEventTime' as const), intervalMs: fc.integer({ min: 1, max: 25 }) }),
)

const doEvictAfter = fc.boolean()
const evictor: fc.Arbitrary<EvictorCase | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.record({ kind: fc.constant('count' as const), maxCount: fc.integer({ min: 0, max: 4 }), doEvictAfter }),
  fc.record({ kind: fc.constant('time' as const), windowSizeMs: fc.integer({ min: 0, max: 40 }), doEvictAfter }),
)

const orderedOperator: fc.Arbitrary<OrderedOperator> = fc.oneof(
  fc.record({ kind: fc.constantFrom('reduce', 'aggregate', 'numbers', 'function', 'function') }),
  fc.record({
    kind: fc.constant('window' as const),
    assigner,
    compute,
    allowedLatenessMs: lateness,
    sideOutput: fc.boolean(),
  }),
  fc
    .record({
      kind: fc.constant('triggeredWindow' as const),
      assigner: fc.oneof<fc.Arbitrary<WindowAssigner>[]>(assigner, assigner, fc.constant({ kind: 'global' })),
      compute,
      allowedLatenessMs: lateness,
      sideOutput: fc.boolean(),
      trigger,
      purging: fc.boolean(),
      evictor,
    })
    // At the end of the input it fires once for all times to come: how often depends on the last watermark before that.
    .filter(({ assigner: { kind }, trigger: { kind: when } }) => kind !== 'global' || when !== 'continuousEventTime'),
)

const orderedPipeline: fc.Arbitrary<OrderedPipeline> = fc.record({
  type: fc.constant('ordered' as const),
  source: orderedSource,
  watermarksFrom: fc.constantFrom('source', 'operator'),
  stages: fc.array(
    withPlace(
      fc.record({
        kind: fc.constantFrom('map', 'filter', 'flatMap'),
        modulus: fc.integer({ min: 2, max: 4 }),
      }),
    ).map((stage) => ({ ...stage, parallelism: 1, rescale: 0 })),
    { maxLength: 2 },
  ),
  key,
  operator: fc.tuple(placement, orderedOperator).map(([place, operator]) => ({ ...place, ...operator })),
  sink: placement,
})

const shape: fc.Arbitrary<JobShape> = fc.record({
  pipelines: fc.array(fc.oneof<fc.Arbitrary<Pipeline>[]>(freePipeline, orderedPipeline), {
    minLength: 1,
    maxLength: 2,
  }),
  declared: fc.boolean(),
  parallelisms: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
  maxParallelism: fc.constantFrom(4, 7, 128),
  checkpointIntervalMs: fc.integer({ min: 10, max: 300 }),
  tolerableFailedCheckpoints: fc.integer({ min: 0, max: 2 }),
  bufferTimeoutMs: fc.constantFrom(0, 5, 50),
  autoWatermarkIntervalMs: fc.constantFrom(0, 0, 20, 200),
  restartDelayMs: fc.integer({ min: 0, max: 30 }),
  batchesPerTurn: fc.constantFrom(1, 1, 2, 5, 256),
  sinkTurns: fc.constantFrom(0, 0, 1, 3, 10),
  seed: fc.nat(1000),
  throws: fc.constant([]),
})

/** A job, with operators that throw at some of their calls. */
export const jobShapes: fc.Arbitrary<JobShape> = shape.map(named).chain((job) => {
  const operators = operatorsOf(job)
  if (operators.length === 0) return fc.constant(job)
  const throws = fc.array(
    fc.record({ operator: fc.constantFrom(...operators), call: fc.integer({ min: 1, max: 40 }) }),
    { maxLength: 3 },
  )
  return throws.map((list) => ({ ...job, throws: list }))
})

/** Unique names of operators and records. */
function named(job: JobShape): JobShape {
  let count = 0
  const name = (prefix: string): string => `${prefix}${count++}`
  const source = <T extends SourceShape>(one: T): T => {
    const own = name('source')
    const splits = one.splits.map((split, s) => split.map((input, r) => ({ ...input, id: `${own}.${s}.${r}` })))
    return { ...one, name: own, splits }
  }
  const streams = (one: Stream): Stream => {
    if (one.kind === 'source') return source(one)
    if (one.kind === 'union') return { ...one, inputs: one.inputs.map(streams) }
    if ('left' in one) return { ...one, name: name(one.kind), left: streams(one.left), right: streams(one.right) }
    return { ...one, name: name(one.kind), input: streams(one.input) }
  }
  const place = <T extends Placement>(one: T, prefix: string): T => ({ ...one, name: name(prefix) })
  const pipelines = job.pipelines.map((pipeline): Pipeline => {
    const sink = place(pipeline.sink, 'sink')
    if (pipeline.type === 'free') {
      const count_ = pipeline.count === undefined ? undefined : place(pipeline.count, 'count')
      return { ...pipeline, stream: streams(pipeline.stream), count: count_, sink }
    }
    const stages = pipeline.stages.map((stage) => place(stage, stage.kind))
    // Watermarks of an operator come between batches: those of a source in its chain are single records.
    const chaining = pipeline.watermarksFrom === 'operator' ? 'always' : pipeline.source.chaining
    return {
      ...pipeline,
      source: source({ ...pipeline.source, chaining }),
      stages,
      operator: place(pipeline.operator, 'op'),
      sink,
    }
  })
  return { ...job, pipelines }
}

/** Names of the operators that run functions. */
function operatorsOf({ pipelines }: JobShape): readonly string[] {
  return pipelines.flatMap((pipeline) =>
    pipeline.type === 'free'
      ? [...functionsOf(pipeline.stream), ...(pipeline.count === undefined ? [] : [pipeline.count.name])]
      : [`${pipeline.source.name}-items`, ...pipeline.stages.map((stage) => stage.name), pipeline.operator.name],
  )
}

function functionsOf(one: Stream): readonly string[] {
  if (one.kind === 'source') return [`${one.name}-items`]
  if (one.kind === 'union') return one.inputs.flatMap(functionsOf)
  if ('left' in one) return [one.name, ...functionsOf(one.left), ...functionsOf(one.right)]
  const own = one.kind === 'twice' ? [`${one.name}l`, `${one.name}r`] : [one.name]
  return [...own, ...functionsOf(one.input)]
}
