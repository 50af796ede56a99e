import {
  AsyncDataStream,
  type DataStream,
  type Key,
  outputTag,
  type SingleOutputStreamOperator,
  type StreamExecutionEnvironment,
  WatermarkStrategy,
} from 'millrace'
import { mapped, numbers, tagged, timerFunction } from './functions.ts'
import { type Input, type Item, itemType, keyOf, numberOf } from './item.ts'
import type { JobParts } from './job-parts.ts'
import type { Counting, FreePipeline, Placement, Stream } from './job-shape.ts'
import { builtOfTwo, builtWithBroadcastState } from './two-input-job.ts'

export function buildFree(
  env: StreamExecutionEnvironment,
  { stream, count, sink }: FreePipeline,
  parts: JobParts,
): void {
  const end = streamOf(env, stream, parts)
  if (count === undefined) {
    parts.sink(end, sink)
    return
  }
  const counted = countedOf(end, count, parts)
  parts.sink(parts.typed(counted, count), sink)
}

function countedOf(end: DataStream<Item>, count: Counting, parts: JobParts): SingleOutputStreamOperator<Item> {
  const { name, key: kind, size, slide } = count
  const keyed = end.keyBy((item) => keyOf(kind, item))
  const withKey = (key: Key, result: { readonly count: number }): Item => {
    parts.throws.at(name)
    const number = numberOf(kind, key)
    return { id: `${name} ${number}`, key: number, amount: result.count }
  }
  if (size === undefined) return keyed.aggregate(numbers(parts.declared), { withKey })
  return keyed.countWindow(size, slide).aggregate(numbers(parts.declared), { withKey })
}

function streamOf(env: StreamExecutionEnvironment, stream: Stream, parts: JobParts): DataStream<Item> {
  const of = (input: Stream): DataStream<Item> => streamOf(env, input, parts)
  switch (stream.kind) {
    case 'source': {
      const strategy = WatermarkStrategy.forBoundedOutOfOrderness(stream.boundMs)
      const timed = strategy.withTimestamps((input: Input) => input.at)
      return parts.items(parts.source(env, stream, timed), stream)
    }
    case 'union': {
      const [first, ...others] = stream.inputs.map(of)
      return (first as DataStream<Item>).union(...others)
    }
    case 'map':
      return parts.map(of(stream.input), stream, (item) => mapped(stream.name, item))
    case 'rebalance':
    case 'rescale':
    case 'shuffle':
      return parts.map(of(stream.input)[stream.kind](), stream, (item) => mapped(stream.name, item))
    case 'async':
      return asynchronous(of(stream.input), stream, parts)
    case 'connect':
      return connected(of(stream.input), stream, parts)
    case 'broadcast': {
      const fixed = { ...stream, parallelism: stream.copies, rescale: 0 }
      return parts.map(of(stream.input).broadcast(), fixed, (item) => mapped(stream.name, item))
    }
    case 'filter':
      return parts.filter(of(stream.input), stream, stream.modulus)
    case 'flatMap':
      return parts.flatMap(of(stream.input), stream)
    case 'split':
      return split(of(stream.input), stream, parts)
    case 'twice':
      return twice(of(stream.input), stream, parts)
    case 'window': {
      const { key, assigner, allowedLatenessMs } = stream
      const windows = of(stream.input)
        .keyBy((item) => keyOf(key, item))
        .window(assigner)
      return parts.typed(parts.compute(windows.allowedLateness(allowedLatenessMs), stream), stream)
    }
    case 'timers':
      return timers(of(stream.input), stream, parts)
    case 'windowJoin':
    case 'coGroup':
    case 'intervalJoin':
    case 'keyedConnect':
    case 'keyedBroadcast':
      return builtOfTwo(stream, [of(stream.left), of(stream.right)], parts)
    case 'broadcastState':
      return builtWithBroadcastState(stream, [of(stream.left), of(stream.right)], parts)
    default: {
      const never: never = stream
      throw new TypeError(String(never))
    }
  }
}

function split(input: DataStream<Item>, place: Placement, parts: JobParts): DataStream<Item> {
  const odd = outputTag<Item>(`${place.name}-odd`, parts.declared ? itemType : { kind: 'untyped' })
  const rest = input.process<Item>({
    processElement: (item, context, out) => {
      parts.throws.at(place.name)
      if (item.amount % 2 === 0) out.collect(item)
      else context.output(odd, tagged('odd', item))
    },
  })
  return parts.typed(rest, place).union(rest.getSideOutput(odd))
}

function asynchronous(input: DataStream<Item>, place: Placement, parts: JobParts): DataStream<Item> {
  const results = AsyncDataStream.unorderedWait(
    input,
    async (item) => {
      // Some take longer than others.
      for (let turn = 0; turn < item.amount; turn++) await undefined
      parts.throws.at(place.name)
      return [mapped(place.name, item)]
    },
    { timeout: '1h', capacity: 3 },
  )
  return parts.typed(results, place)
}

function connected(input: DataStream<Item>, place: Placement, parts: JobParts): DataStream<Item> {
  const change = (side: 'l' | 'r') => (item: Item) => {
    parts.throws.at(place.name)
    return mapped(`${place.name}${side}`, item)
  }
  return parts.typed(input.connect(input.rebalance()).map({ map1: change('l'), map2: change('r') }), place)
}

function twice(input: DataStream<Item>, place: Placement, parts: JobParts): DataStream<Item> {
  const side = (name: string): DataStream<Item> => parts.map(input, { ...place, name }, (item) => mapped(name, item))
  return side(`${place.name}l`).union(side(`${place.name}r`))
}

function timers(
  input: DataStream<Item>,
  shape: Extract<Stream, { readonly kind: 'timers' }>,
  parts: JobParts,
): DataStream<Item> {
  const process = timerFunction(shape, parts.declared)
  const results = input
    .keyBy((item) => keyOf(shape.key, item))
    .process<Item>({
      ...process,
      processElement(item, context, out) {
        process.processElement(item, context, out)
        parts.throws.at(shape.name)
      },
    })
  return parts.typed(results, shape)
}
