import { referenceOf } from '../../task/operators/support/general-window-reference.ts'
import { type Firing, referenceWindows, type Step } from '../../task/operators/support/window-reference.ts'
import { filtered, flatMapped, mapped, tagged, timersOfRecord } from './functions.ts'
import { groupOf, type Item, itemOf, joined, type KeyKind, short } from './item.ts'
import type { Computation, Counting, FreePipeline, JobShape, OrderedPipeline, Stream } from './job-shape.ts'
import { checkSize, firingsOf, type Timed, timersOf, type WindowOfKey } from './timed-reference.ts'
import { ofTwo } from './two-input-reference.ts'

/** What a job's sinks have to hold in the end, by name, in any order. */
export type Expected = Readonly<Record<string, readonly Item[]>>

/** The result of a job, computed plainly: whole streams as lists, without time, splits, or state. */
export function expectedOf({ pipelines }: JobShape): Expected {
  const expected: Record<string, readonly Item[]> = {}
  for (const pipeline of pipelines) {
    if (pipeline.type === 'free') expected[pipeline.sink.name] = freeResult(pipeline)
    else Object.assign(expected, orderedResult(pipeline))
  }
  return expected
}

function freeResult({ stream, count }: FreePipeline): readonly Item[] {
  const records = recordsOf(stream).map(({ item }) => item)
  if (count === undefined) return records
  const groups = Map.groupBy(records, (item) => groupOf(count.key, item))
  return [...groups].flatMap(([key, items]) =>
    countsOf(count, items.length).map((amount) => ({ id: `${count.name} ${key}`, key, amount })),
  )
}

/** How many records each result counts, of so many of a key. */
function countsOf({ size, slide = size }: Counting, records: number): readonly number[] {
  if (size === undefined || slide === undefined) return Array.from({ length: records }, (_, index) => index + 1)
  return Array.from({ length: Math.floor(records / slide) }, (_, index) => Math.min(size, (index + 1) * slide))
}

function recordsOf(stream: Stream): readonly Timed[] {
  return checkSize(recordsOfAnySize(stream))
}

function recordsOfAnySize(stream: Stream): readonly Timed[] {
  switch (stream.kind) {
    case 'source':
      return stream.splits.flat().map((input) => ({ item: itemOf(input), at: input.at }))
    case 'map':
    case 'async':
    case 'rebalance':
    case 'rescale':
    case 'shuffle':
      return each(stream.input, (item) => [mapped(stream.name, item)])
    case 'filter':
      return each(stream.input, (item) => (filtered(stream.modulus, item) ? [item] : []))
    case 'flatMap':
      return each(stream.input, (item) => flatMapped(stream.name, item))
    case 'split':
      return each(stream.input, (item) => [item.amount % 2 === 0 ? item : tagged('odd', item)])
    case 'twice':
    case 'connect':
      return each(stream.input, (item) => [mapped(`${stream.name}l`, item), mapped(`${stream.name}r`, item)])
    case 'broadcast':
      return each(stream.input, (item) => Array.from({ length: stream.copies }, () => mapped(stream.name, item)))
    case 'union':
      return stream.inputs.flatMap(recordsOf)
    case 'window':
      return windowsOf(recordsOf(stream.input), stream)
    case 'timers':
      return timersOf(recordsOf(stream.input), stream)
    case 'windowJoin':
    case 'coGroup':
    case 'intervalJoin':
    case 'keyedConnect':
    case 'keyedBroadcast':
      return ofTwo(stream, recordsOf(stream.left), recordsOf(stream.right))
    case 'broadcastState': {
      const { name, copies } = stream
      const broadcast = each(stream.right, (item) => Array.from({ length: copies }, () => mapped(`${name}b`, item)))
      return [...each(stream.left, (item) => [mapped(name, item)]), ...broadcast]
    }
    default: {
      const never: never = stream
      throw new TypeError(String(never))
    }
  }
}

function each(input: Stream, change: (item: Item) => readonly Item[]): readonly Timed[] {
  return recordsOf(input).flatMap(({ item, at }) => change(item).map((changed) => ({ item: changed, at })))
}

interface WindowShape extends WindowOfKey {
  readonly name: string
  readonly compute: Computation
}

function windowsOf(records: readonly Timed[], shape: WindowShape): readonly Timed[] {
  return firingsOf(records, shape).map((firing) => ({
    item: windowItem(shape, firing, (id) => records[id]?.item as Item),
    at: firing.end - 1,
  }))
}

function windowItem(
  { name, compute }: Pick<WindowShape, 'name' | 'compute'>,
  firing: Firing,
  itemAt: (id: number) => Item,
): Item {
  const items = firing.items.map(({ id }) => itemAt(id))
  const amount = items.reduce((sum, item) => sum + item.amount, 0)
  const what =
    compute === 'numbers' || compute === 'combinableNumbers' ? `${items.length}` : joined(items.map(({ id }) => id))
  return { id: short(`${name} ${firing.start}–${firing.end} ${what}`), key: Number(firing.key), amount }
}

// ---- one split, in order ----

type Event = { readonly type: 'record'; readonly item: Item; readonly at: number } | Watermark
interface Watermark {
  readonly type: 'watermark'
  readonly watermark: number
}

function orderedResult(pipeline: OrderedPipeline): Expected {
  const events = eventsOf(pipeline)
  const { operator, sink, key } = pipeline
  if (operator.kind === 'window' || operator.kind === 'triggeredWindow') return windowResult(pipeline, events, operator)
  const groups = Map.groupBy(
    events.filter((event) => event.type === 'record'),
    ({ item }) => groupOf(key, item),
  )
  if (operator.kind === 'function') return { [sink.name]: functionResult(operator.name, key, events) }
  const running = [...groups].flatMap(([group, records]) =>
    records.map((_, index) => {
      const items = records.slice(0, index + 1).map(({ item }) => item)
      const amount = items.reduce((sum, item) => sum + item.amount, 0)
      const ids = items.map(({ id }) => id)
      // A reduce keeps the rest of the first record.
      const number = operator.kind === 'reduce' ? (items[0]?.key ?? 0) : group
      return runningItem(operator, { group: number, amount, ids })
    }),
  )
  return { [sink.name]: running }
}

function runningItem(
  { kind, name }: OrderedPipeline['operator'],
  { group, amount, ids }: { readonly group: number; readonly amount: number; readonly ids: readonly string[] },
): Item {
  if (kind === 'numbers') return { id: `${name} ${ids.length}`, key: group, amount }
  if (kind === 'reduce') return { id: joinedInOrder(ids), key: group, amount }
  return { id: short(`${name} ${ids.join(' ')}`), key: group, amount }
}

/** As a reduce makes it, step by step, each step made short. */
export function joinedInOrder(ids: readonly string[]): string {
  return ids.reduce((left, right) => short(`${left}+${right}`))
}

function eventsOf({ source, stages }: OrderedPipeline): readonly Event[] {
  const events: Event[] = []
  let watermark = Number.NEGATIVE_INFINITY
  for (const input of source.splits[0] ?? []) {
    const items = stages.reduce<readonly Item[]>(
      (before, stage) => before.flatMap((item) => staged(stage, item)),
      [itemOf(input)],
    )
    for (const item of items) events.push({ type: 'record', item, at: input.at })
    if (input.watermark > watermark) {
      watermark = input.watermark
      events.push({ type: 'watermark', watermark })
    }
  }
  events.push({ type: 'watermark', watermark: Number.POSITIVE_INFINITY })
  return events
}

function staged(stage: OrderedPipeline['stages'][number], item: Item): readonly Item[] {
  if (stage.kind === 'map') return [mapped(stage.name, item)]
  if (stage.kind === 'flatMap') return flatMapped(stage.name, item)
  return filtered(stage.modulus, item) ? [item] : []
}

function windowResult(
  { key, sink }: OrderedPipeline,
  events: readonly Event[],
  operator: Extract<OrderedPipeline['operator'], { readonly kind: 'window' | 'triggeredWindow' }>,
): Expected {
  const items: Item[] = []
  const steps = events.map((event): Step => {
    if (event.type === 'watermark') return event
    items.push(event.item)
    const value = { id: items.length - 1, key: `${groupOf(key, event.item)}`, amount: event.item.amount }
    return { type: 'record', value, timestamp: event.at }
  })
  const { firings, late } =
    operator.kind === 'window'
      ? referenceWindows(operator.assigner, operator.allowedLatenessMs, steps)
      : referenceOf(operator, [...steps.map((step) => ({ ...step, now: 0 }))])
  const itemAt = (id: number): Item => items[id] as Item
  // Where an evictor leaves nothing there is nothing to reduce.
  const given = firings.flat().filter(({ items: kept }) => operator.compute !== 'reduce' || kept.length > 0)
  const fired = { [sink.name]: given.map((firing) => windowItem(operator, firing, itemAt)) }
  return operator.sideOutput ? { ...fired, [`${sink.name}-late`]: late.map(({ id }) => itemAt(id)) } : fired
}

interface FunctionState {
  seen: number
  amount: number
  ids: string[]
  readonly timers: Set<number>
}

/** What `orderedFunction` does, with one map for all keys. */
function functionResult(name: string, key: KeyKind, events: readonly Event[]): readonly Item[] {
  const states = new Map<number, FunctionState>()
  let watermark = Number.NEGATIVE_INFINITY
  return events.flatMap((event): readonly Item[] => {
    if (event.type === 'watermark') {
      watermark = event.watermark
      return [...states].flatMap(([group, state]) => dueTimers({ name, group, watermark }, state))
    }
    const { item, at } = event
    const group = groupOf(key, item)
    const state = states.get(group) ?? { seen: 0, amount: 0, ids: [], timers: new Set<number>() }
    states.set(group, state)
    state.seen++
    state.amount += item.amount
    state.ids.push(item.id)
    const { set, remove } = timersOfRecord(item, Math.max(at, watermark))
    for (const timer of set) state.timers.add(timer)
    for (const timer of remove) state.timers.delete(timer)
    return [{ id: short(`${name} ${state.seen} ${item.id}`), key: group, amount: state.amount }]
  })
}

function dueTimers(
  { name, group, watermark }: { readonly name: string; readonly group: number; readonly watermark: number },
  state: FunctionState,
): readonly Item[] {
  const due = [...state.timers].filter((timer) => timer <= watermark).toSorted((left, right) => left - right)
  return due.map((timer) => {
    const id = short(`${name} at ${timer} ${state.ids.join(' ')}`)
    state.ids = []
    state.timers.delete(timer)
    return { id, key: group, amount: state.amount }
  })
}
