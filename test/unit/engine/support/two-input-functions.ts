import {
  type BroadcastProcessFunction,
  type Key,
  type KeyedBroadcastProcessFunction,
  type KeyedCoProcessFunction,
  type ListState,
  listStateDescriptor,
  mapStateDescriptor,
} from 'millrace'
import type { DataType } from 'millrace/formats'
import { long, record, string } from 'millrace/formats'
import { mapped, tagged, timerFunction } from './functions.ts'
import { type Item, joined, type KeyKind, numberOf, short } from './item.ts'

/** Not all pairs: joins of joins would grow. */
export function isJoined(left: Item, right: Item): boolean {
  return (left.amount + right.amount) % 3 !== 0
}

export function joinedPair(name: string, [left, right]: readonly [Item, Item]): Item {
  return { id: short(`${name}(${left.id}|${right.id})`), key: left.key, amount: left.amount + right.amount }
}

export function coGrouped(
  { name, key }: { readonly name: string; readonly key: number },
  lefts: readonly Item[],
  rights: readonly Item[],
): Item {
  const ids = (items: readonly Item[]): string => joined(items.map(({ id }) => id))
  const amount = [...lefts, ...rights].reduce((sum, item) => sum + item.amount, 0)
  return { id: short(`${name} ${ids(lefts)} ${ids(rights)}`), key, amount }
}

/** What has come of a key until a timer, and what had been broadcast by then. */
export function underRules(
  { name, key, timer }: { readonly name: string; readonly key: number; readonly timer: number },
  items: readonly Pick<Item, 'id' | 'amount'>[],
  rules: readonly string[],
): Item {
  const what = joined(items.map(({ id }) => id))
  const amount = items.reduce((sum, item) => sum + item.amount, rules.length)
  return { id: short(`${name} ${timer} ${what} ${joined(rules)}`), key, amount }
}

interface TimerShape {
  readonly name: string
  readonly key: KeyKind
  readonly sizeMs: number
}

/** Both inputs share state and timers. */
export function coTimerFunction(shape: TimerShape, declared: boolean): KeyedCoProcessFunction<Key, Item, Item, Item> {
  const { processElement, ...others } = timerFunction(shape, declared)
  return {
    ...others,
    processElement1: (item, context, out) => processElement(tagged('l', item), context, out),
    processElement2: (item, context, out) => processElement(tagged('r', item), context, out),
  }
}

const untyped: DataType<never> = { kind: 'untyped' }

interface Kept {
  readonly id: string
  readonly amount: number
  readonly at: number
}

/** How often what has been broadcast: by its time and id. */
export const rulesOf = (declared: boolean) => mapStateDescriptor<string, number>('rules', declared ? long() : untyped)

export function keyedBroadcastFunction(
  { name, key: kind, sizeMs }: TimerShape,
  declared: boolean,
): KeyedBroadcastProcessFunction<Key, Item, Item, Item> {
  const rules = rulesOf(declared)
  const keptType = record({ id: string(), amount: long(), at: long() }, { name: 'Kept' })
  const waitingItems = listStateDescriptor<Kept>('waiting', declared ? keptType : untyped)
  let waiting: ListState<Kept>
  return {
    open(context) {
      waiting = context.listState(waitingItems)
    },
    processElement({ id, amount }, { timestamp, timers }) {
      waiting.add({ id, amount, at: timestamp })
      timers.registerEventTimeTimer((Math.floor(timestamp / sizeMs) + 1) * sizeMs)
    },
    processBroadcastElement({ id }, context) {
      const state = context.broadcastState(rules)
      const rule = `${context.timestamp} ${id}`
      state.put(rule, (state.get(rule) ?? 0) + 1)
      // Of all keys, in no order: it may change nothing that shows.
      context.applyToKeyedState(waitingItems, (_key, list) => list.update([...list.get()].reverse()))
    },
    onTimer(timer, context, out) {
      const isDue = ({ at }: Pick<Kept, 'at'>): boolean => at < timer
      const items = waiting.get().filter(isDue)
      waiting.update(waiting.get().filter((item) => !isDue(item)))
      const known = [...context.broadcastState(rules).entries()].flatMap(([rule, times]) => {
        const [at, ...id] = rule.split(' ')
        return isDue({ at: Number(at) }) ? Array.from({ length: times }, () => id.join(' ')) : []
      })
      out.collect(underRules({ name, key: numberOf(kind, context.key), timer }, items, known))
    },
  }
}

/** Each subtask counts what has been broadcast, in two ways that have to agree. */
export function broadcastFunction(name: string, declared: boolean): BroadcastProcessFunction<Item, Item, Item> {
  const rules = rulesOf(declared)
  const total = 'total'
  return {
    processElement(item, context, out) {
      const state = [...context.broadcastState(rules).entries()]
      const counted = state.reduce((sum, [rule, times]) => (rule === total ? sum : sum + times), 0)
      const agrees = counted === (context.broadcastState(rules).get(total) ?? 0)
      out.collect(mapped(agrees ? name : `${name} counts ${counted} differently`, item))
    },
    processBroadcastElement(item, context, out) {
      const state = context.broadcastState(rules)
      for (const rule of [total, `${item.amount}`]) state.put(rule, (state.get(rule) ?? 0) + 1)
      out.collect(mapped(`${name}b`, item))
    },
  }
}
