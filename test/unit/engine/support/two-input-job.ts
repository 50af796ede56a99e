import type { DataStream, SingleOutputStreamOperator } from 'millrace'
import { type Item, keyOf, numberOf } from './item.ts'
import type { JobParts } from './job-parts.ts'
import type { Stream, TwoInputStream } from './job-shape.ts'
import {
  broadcastFunction,
  coGrouped,
  coTimerFunction,
  isJoined,
  joinedPair,
  keyedBroadcastFunction,
  rulesOf,
} from './two-input-functions.ts'

/** An operator that reads two streams. */
export function builtOfTwo(
  shape: TwoInputStream,
  [left, right]: readonly [DataStream<Item>, DataStream<Item>],
  parts: JobParts,
): DataStream<Item> {
  const { name, key } = shape
  const keyBy = (stream: DataStream<Item>) => stream.keyBy((item) => keyOf(key, item))
  switch (shape.kind) {
    case 'windowJoin':
    case 'coGroup':
      return parts.typed(inWindows(shape, [left, right], parts), shape)
    case 'intervalJoin': {
      const results = keyBy(left)
        .intervalJoin(keyBy(right))
        .between(shape.lowerMs, shape.upperMs)
        .process<Item>({
          processElement(one, other, _context, out) {
            if (isJoined(one, other)) out.collect(joinedPair(name, [one, other]))
            parts.throws.at(name)
          },
        })
      return parts.typed(results, shape)
    }
    case 'keyedConnect': {
      const process = coTimerFunction(shape, parts.declared)
      const results = keyBy(left)
        .connect(keyBy(right))
        .process<Item>({
          ...process,
          processElement1(item, context, out) {
            process.processElement1(item, context, out)
            parts.throws.at(name)
          },
        })
      return parts.typed(results, shape)
    }
    case 'keyedBroadcast': {
      const process = keyedBroadcastFunction(shape, parts.declared)
      const results = keyBy(left)
        .connect(right.broadcast(rulesOf(parts.declared)))
        .process<Item>({
          ...process,
          processBroadcastElement(item, context, out) {
            process.processBroadcastElement(item, context, out)
            parts.throws.at(name)
          },
        })
      return parts.typed(results, shape)
    }
    default: {
      const never: never = shape
      throw new TypeError(String(never))
    }
  }
}

function inWindows(
  {
    kind,
    name,
    key,
    assigner,
    allowedLatenessMs,
  }: Extract<TwoInputStream, { readonly kind: 'windowJoin' | 'coGroup' }>,
  [left, right]: readonly [DataStream<Item>, DataStream<Item>],
  parts: JobParts,
): SingleOutputStreamOperator<Item> {
  const selector = (item: Item) => keyOf(key, item)
  if (kind === 'windowJoin') {
    return left
      .join(right)
      .where(selector)
      .equalTo(selector)
      .window(assigner)
      .allowedLateness(allowedLatenessMs)
      .apply<Item>({
        join(one, other, out) {
          parts.throws.at(name)
          if (isJoined(one, other)) out.collect(joinedPair(name, [one, other]))
        },
      })
  }
  return left
    .coGroup(right)
    .where(selector)
    .equalTo(selector)
    .window(assigner)
    .allowedLateness(allowedLatenessMs)
    .apply<Item>({
      coGroup(lefts, rights, out) {
        parts.throws.at(name)
        const first = (lefts[0] ?? rights[0]) as Item
        out.collect(coGrouped({ name, key: numberOf(key, selector(first)) }, lefts, rights))
      },
    })
}

/** Broadcast state without keys. */
export function builtWithBroadcastState(
  shape: Extract<Stream, { readonly kind: 'broadcastState' }>,
  [left, right]: readonly [DataStream<Item>, DataStream<Item>],
  parts: JobParts,
): DataStream<Item> {
  const process = broadcastFunction(shape.name, parts.declared)
  const results = left.connect(right.broadcast(rulesOf(parts.declared))).process<Item>({
    ...process,
    processElement(item, context, out) {
      process.processElement(item, context, out)
      parts.throws.at(shape.name)
    },
  })
  return parts.typed(results, { ...shape, parallelism: shape.copies, rescale: 0 })
}
