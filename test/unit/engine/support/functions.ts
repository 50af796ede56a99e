import {
  type AggregateFunction,
  type Collector,
  type Key,
  type KeyedProcessFunction,
  type ListState,
  listStateDescriptor,
  type MapState,
  mapStateDescriptor,
  type ProcessWindowFunction,
  type ReduceFunction,
  type ReducingState,
  reducingStateDescriptor,
  type ValueState,
  valueStateDescriptor,
} from 'millrace'
import { array, type DataType, double, long, record, string } from 'millrace/formats'
import { type Item, joined, type KeyKind, numberOf, short } from './item.ts'

export function mapped(name: string, { id, key, amount }: Item): Item {
  return { id: short(`${name}(${id})`), key: (key * 2 + 1) % 5, amount: amount + 1 }
}

export function filtered(modulus: number, { amount }: Item): boolean {
  return amount % modulus !== 0
}

export function flatMapped(name: string, item: Item): readonly Item[] {
  return Array.from({ length: item.amount % 3 }, (_, index) => ({ ...item, id: short(`${name}${index}(${item.id})`) }))
}

export function tagged(tag: string, item: Item): Item {
  return { ...item, id: short(`${tag}(${item.id})`) }
}

/** Changes the left one in place, as a reduce may (R7). */
export const reduceInOrder: ReduceFunction<Item> = (left, right) => {
  const kept = left as { id: string; amount: number }
  kept.id = short(`${left.id}+${right.id}`)
  kept.amount += right.amount
  return left
}

/** Timers that a record sets and takes back; none is due already. */
export function timersOfRecord(
  { amount }: Item,
  now: number,
): { readonly set: readonly number[]; readonly remove: readonly number[] } {
  const base = Number.isFinite(now) ? now : 0
  const grid = (Math.floor(base / 20) + 1) * 20
  return amount % 3 === 0 ? { set: [grid, grid + 7], remove: [grid + 7, grid + 20] } : { set: [grid], remove: [] }
}

interface Numbers {
  count: number
  sum: number
}

/** Of doubles alone: declared, it lives off the heap. */
export function numbers(declared: boolean): AggregateFunction<Item, Numbers, Numbers> {
  return {
    createAccumulator: () => ({ count: 0, sum: 0 }),
    add(accumulator, { amount }) {
      accumulator.count += 1
      accumulator.sum += amount
      return accumulator
    },
    merge(left, right) {
      left.count += right.count
      left.sum += right.sum
      return left
    },
    getResult: ({ count, sum }) => ({ count, sum }),
    ...(declared ? { accumulatorType: record({ count: double(), sum: double() }, { name: 'Numbers' }) } : {}),
  }
}

export interface Collected {
  ids: string[]
  amount: number
}

export function collected(declared: boolean): AggregateFunction<Item, Collected, Collected> {
  return {
    createAccumulator: () => ({ ids: [], amount: 0 }),
    add(accumulator, { id, amount }) {
      accumulator.ids.push(id)
      accumulator.amount += amount
      return accumulator
    },
    merge(left, right) {
      left.ids.push(...right.ids)
      left.amount += right.amount
      return left
    },
    getResult: (accumulator) => accumulator,
    ...(declared ? { accumulatorType: record({ ids: array(string()), amount: long() }, { name: 'Collected' }) } : {}),
  }
}

/** What a window gives, whatever it was computed by. */
export function windowFunction<In>(
  name: string,
  kind: KeyKind,
  contentsOf: (elements: readonly In[]) => { readonly what: string; readonly amount: number },
): ProcessWindowFunction<In, Item, Key> {
  return {
    process(key, { window }, elements, out) {
      const { what, amount } = contentsOf(elements)
      out.collect({ id: short(`${name} ${window.start}–${window.end} ${what}`), key: numberOf(kind, key), amount })
    },
  }
}

export const ofItems = (items: readonly Item[]): { readonly what: string; readonly amount: number } => ({
  what: joined(items.map(({ id }) => id)),
  amount: items.reduce((sum, { amount }) => sum + amount, 0),
})

const untyped: DataType<never> = { kind: 'untyped' }

function stateTypes(declared: boolean) {
  return {
    item: declared ? record({ id: string(), amount: long(), at: long() }, { name: 'Kept' }) : untyped,
    id: declared ? string() : untyped,
    number: declared ? long() : untyped,
  } as const
}

interface Kept {
  readonly id: string
  readonly amount: number
  readonly at: number
}

/** Tumbling windows by timers; state in a list, a map, a value and a reducing state, which all have to agree. */
export function timerFunction(
  { name, key: kind, sizeMs }: { readonly name: string; readonly key: KeyKind; readonly sizeMs: number },
  declared: boolean,
): KeyedProcessFunction<Key, Item, Item> {
  const types = stateTypes(declared)
  let waiting: ListState<Kept>
  let counts: MapState<number, number>
  let total: ReducingState<number>
  return {
    open(context) {
      waiting = context.listState(listStateDescriptor<Kept>('waiting', types.item))
      counts = context.mapState(mapStateDescriptor<number, number>('counts', types.number))
      total = context.reducingState(
        reducingStateDescriptor<number>('total', (left, right) => left + right, types.number),
      )
    },
    processElement({ id, amount }, { timestamp, timers }) {
      const end = (Math.floor(timestamp / sizeMs) + 1) * sizeMs
      waiting.add({ id, amount, at: timestamp })
      counts.put(end, (counts.get(end) ?? 0) + 1)
      total.add(1)
      timers.registerEventTimeTimer(end)
      timers.registerEventTimeTimer(end + 1)
      timers.deleteEventTimeTimer(end + 1)
    },
    onTimer(timer, { key }, out) {
      const items = waiting.get().filter(({ at }) => at < timer)
      const rest = waiting.get().filter(({ at }) => at >= timer)
      const count = counts.get(timer) ?? -1
      counts.remove(timer)
      total.add(-items.length)
      waiting.update(rest)
      const agrees =
        total.get() === rest.length && [...counts.values()].reduce((sum, one) => sum + one, 0) === rest.length
      const { what, amount } = ofItems(items.map((item) => ({ ...item, key: 0 })))
      const id = short(`${name} ${timer} ${count} ${what}`)
      out.collect({ id: agrees ? id : `states do not agree: ${id}`, key: numberOf(kind, key), amount })
      if (rest.length === 0 && counts.isEmpty()) total.clear()
    },
  }
}

/** Numbers the records of a key, and tells at timers which have come since the last one. */
export function orderedFunction(name: string, kind: KeyKind, declared: boolean): KeyedProcessFunction<Key, Item, Item> {
  const types = stateTypes(declared)
  let seen: ValueState<number>
  let total: ReducingState<number>
  let ids: ListState<string>
  const collect = (out: Collector<Item>, key: Key, id: string): void =>
    out.collect({ id: short(id), key: numberOf(kind, key), amount: total.get() ?? -1 })
  return {
    open(context) {
      seen = context.valueState(valueStateDescriptor<number>('seen', types.number))
      total = context.reducingState(
        reducingStateDescriptor<number>('total', (left, right) => left + right, types.number),
      )
      ids = context.listState(listStateDescriptor<string>('ids', types.id))
    },
    processElement(item, { key, timestamp, currentWatermark, timers }, out) {
      const number = (seen.value() ?? 0) + 1
      seen.update(number)
      total.add(item.amount)
      ids.add(item.id)
      const { set, remove } = timersOfRecord(item, Math.max(timestamp, currentWatermark))
      for (const timer of set) timers.registerEventTimeTimer(timer)
      for (const timer of remove) timers.deleteEventTimeTimer(timer)
      collect(out, key, `${name} ${number} ${item.id}`)
    },
    onTimer(timer, { key }, out) {
      collect(out, key, `${name} at ${timer} ${ids.get().join(' ')}`)
      ids.clear()
    },
  }
}
