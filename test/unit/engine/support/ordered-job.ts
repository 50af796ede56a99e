import {
  type DataStream,
  type Evictor,
  type Key,
  outputTag,
  type SingleOutputStreamOperator,
  type StreamExecutionEnvironment,
  type WatermarkOutput,
  WatermarkStrategy,
  type WindowedStream,
} from 'millrace'
import { evictorFor, triggerFor } from '../../task/operators/support/general-window-cases.ts'
import { collected, mapped, numbers, orderedFunction, reduceInOrder } from './functions.ts'
import { type Input, type Item, itemType, keyOf, numberOf, short } from './item.ts'
import type { JobParts } from './job-parts.ts'
import type { Computation, OrderedOperator, OrderedPipeline } from './job-shape.ts'

/** Watermarks stand in the records: each comes right behind its own. */
const punctuated = WatermarkStrategy.forGenerator<Input>(() => ({
  onEvent: ({ watermark }: Input, _timestamp: number, output: WatermarkOutput) => {
    if (watermark >= 0) output.emitWatermark(watermark)
  },
  onPeriodicEmit() {},
})).withTimestamps((input: Input) => input.at)

export function buildOrdered(env: StreamExecutionEnvironment, pipeline: OrderedPipeline, parts: JobParts): void {
  const { source, watermarksFrom, stages, sink } = pipeline
  const fromSource = watermarksFrom === 'source'
  const read = parts.source(env, source, fromSource ? punctuated : WatermarkStrategy.noWatermarks())
  const timed = fromSource
    ? read
    : parts.place(read.assignTimestampsAndWatermarks(punctuated), {
        ...source,
        name: `${source.name}-times`,
        chaining: 'always',
      })
  let items = parts.items(timed, source)
  for (const stage of stages) {
    if (stage.kind === 'map') items = parts.map(items, stage, (item) => mapped(stage.name, item))
    else if (stage.kind === 'flatMap') items = parts.flatMap(items, stage)
    else items = parts.filter(items, stage, stage.modulus)
  }
  const { operator } = pipeline
  if (operator.kind !== 'window' && operator.kind !== 'triggeredWindow') {
    parts.sink(parts.typed(keyed(items, pipeline, parts), operator), sink)
    return
  }
  const late = outputTag<Item>(`${operator.name}-late`, parts.declared ? itemType : { kind: 'untyped' })
  const windows = triggered(
    items.keyBy((item) => keyOf(pipeline.key, item)).window(operator.assigner),
    operator,
  ).allowedLateness(operator.allowedLatenessMs)
  const taken = operator.sideOutput ? windows.sideOutputLateData(late) : windows
  const results = parts.typed(
    parts.compute(taken, { ...operator, compute: computationOf(operator), key: pipeline.key }),
    operator,
  )
  parts.sink(results, sink)
  if (operator.sideOutput) parts.sink(results.getSideOutput(late), sink, `${sink.name}-late`)
}

type WindowOperator = Extract<OrderedOperator, { readonly kind: 'window' | 'triggeredWindow' }>

function triggered(windows: WindowedStream<Item, Key>, operator: WindowOperator): WindowedStream<Item, Key> {
  if (operator.kind === 'window') return windows
  const trigger = triggerFor(operator)
  const evictor = evictorFor(operator.evictor)
  const withTrigger = trigger === undefined ? windows : windows.trigger(trigger)
  return evictor === undefined ? withTrigger : withTrigger.evictor(evictor as Evictor<Item>)
}

/**
 * Combined parts of sessions are judged as a whole: after a restore the sender's watermark may be behind the receiver's,
 * and a record that is late alone is then taken with its neighbour (R34). The reference knows no such thing.
 */
function computationOf({ assigner, compute }: WindowOperator): Computation {
  if (assigner.kind !== 'session') return compute
  if (compute === 'combinableNumbers') return 'numbers'
  return compute === 'combinableAggregate' ? 'aggregate' : compute
}

function keyed(
  items: DataStream<Item>,
  { key, operator }: OrderedPipeline,
  parts: JobParts,
): SingleOutputStreamOperator<Item> {
  const { name } = operator
  const byKey = items.keyBy((item) => {
    parts.throws.at(name)
    return keyOf(key, item)
  })
  switch (operator.kind) {
    case 'reduce':
      return byKey.reduce(reduceInOrder)
    case 'numbers':
      return byKey.aggregate(numbers(parts.declared), {
        withKey: (k, { count, sum }): Item => ({ id: `${name} ${count}`, key: numberOf(key, k), amount: sum }),
      })
    case 'aggregate':
      return byKey.aggregate(collected(parts.declared), {
        withKey: (k, { ids, amount }): Item => ({
          id: short(`${name} ${ids.join(' ')}`),
          key: numberOf(key, k),
          amount,
        }),
      })
    case 'function':
      return byKey.process(orderedFunction(name, key, parts.declared))
    case 'window':
    case 'triggeredWindow':
      throw new TypeError('windows are built elsewhere')
    default: {
      const never: never = operator
      throw new TypeError(String(never))
    }
  }
}
