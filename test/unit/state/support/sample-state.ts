import fc from 'fast-check'
import type { AggregatingState, ListState, MapState, ReducingState, ValueState } from '../../../../src/api/state.ts'
import { hashKey } from '../../../../src/common/key.ts'
import { keyGroupRange } from '../../../../src/common/key-groups.ts'
import { int32, record } from '../../../../src/formats/types.ts'
import { type AccumulatorState, KeyedStateBackend, type PaneState } from '../../../../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../../../../src/state/managed-memory.ts'

export const maxParallelism = 8
const keyNames = Array.from({ length: 5 }, (_, index) => `key number ${index}`)
const namespaces = [-5, 10, 20]

interface Count {
  n: number
}
interface Sums {
  count: number
  total: number
}

const untyped = { kind: 'untyped' } as const
const sums = record({ count: int32(), total: int32() })

/** One operation on the state of a key. The same operations are done to a model of plain objects. */
export type Change =
  | { readonly type: 'value' | 'accumulator' | 'columns' | 'list' | 'reducing' | 'aggregating'; readonly n: number }
  | { readonly type: 'clear'; readonly n: number }
  | { readonly type: 'map'; readonly n: number; readonly remove: boolean }
  | { readonly type: 'pane' | 'paneRemove' | 'paneDrop'; readonly n: number; readonly namespace: number }
  | { readonly type: 'read' }

export interface KeyedChange {
  readonly key: string
  readonly change: Change
}

const n = fc.nat(5)
const namespace = fc.constantFrom(...namespaces)
export const keyedChange: fc.Arbitrary<KeyedChange> = fc.record({
  key: fc.constantFrom(...keyNames),
  change: fc.oneof(
    fc.record({
      type: fc.constantFrom('value', 'accumulator', 'columns', 'list', 'reducing', 'aggregating', 'clear'),
      n,
    }),
    fc.record({ type: fc.constant('map' as const), n, remove: fc.boolean() }),
    fc.record({ type: fc.constantFrom('pane', 'paneRemove', 'paneDrop'), n, namespace }),
    fc.constant({ type: 'read' as const }),
  ) as fc.Arbitrary<Change>,
})

/** A backend with one state of each kind. */
export class SampleState {
  readonly backend: KeyedStateBackend
  #states: ReturnType<typeof statesOf> | undefined

  constructor(subtaskIndex = 0, parallelism = 1) {
    this.backend = new KeyedStateBackend({
      keyGroups: keyGroupRange(subtaskIndex, parallelism, maxParallelism),
      maxParallelism,
      memory: new ManagedMemory(1 << 30),
      operatorName: 'sample',
    })
  }

  /** After a restore. */
  get states(): ReturnType<typeof statesOf> {
    this.#states ??= statesOf(this.backend)
    return this.#states
  }

  apply({ key, change }: KeyedChange): void {
    this.backend.setCurrentKey(key, hashKey(key))
    applyTo(this.states, change)
  }

  /** Everything, as text that two equal states share. `keys`: those of the backend's key groups. */
  dump(keys: readonly string[] = keyNames): Record<string, unknown> {
    const dump: Record<string, unknown> = {}
    for (const key of keys) {
      this.backend.setCurrentKey(key, hashKey(key))
      dump[key] = dumpOf(this.states)
    }
    return dump
  }
}

export function keysOfSubtask(subtaskIndex: number, parallelism: number): readonly string[] {
  const { from, to } = keyGroupRange(subtaskIndex, parallelism, maxParallelism)
  return keyNames.filter((key) => {
    const keyGroup = (hashKey(key) >>> 0) % maxParallelism
    return keyGroup >= from && keyGroup < to
  })
}

function statesOf(backend: KeyedStateBackend) {
  return {
    value: backend.valueState<Count>({ kind: 'value', name: 'value', type: untyped }) as ValueState<Count>,
    accumulator: backend.accumulators<Sums>('accumulator', {
      create: () => ({ count: 0, total: 0 }),
      type: undefined,
    }) as AccumulatorState<Sums>,
    columns: backend.accumulators<Sums>('columns', {
      create: () => ({ count: 0, total: 0 }),
      type: sums,
    }) as AccumulatorState<Sums>,
    list: backend.listState<number>({ kind: 'list', name: 'list', type: int32() }) as ListState<number>,
    map: backend.mapState<number, Count>({ kind: 'map', name: 'map', type: untyped }) as MapState<number, Count>,
    reducing: backend.reducingState<Count>({
      kind: 'reducing',
      name: 'reducing',
      type: untyped,
      reduce: (left, right) => {
        left.n += right.n
        return left
      },
    }) as ReducingState<Count>,
    aggregating: backend.aggregatingState<number, Sums, number>({
      kind: 'aggregating',
      name: 'aggregating',
      aggregate: {
        createAccumulator: () => ({ count: 0, total: 0 }),
        add: (accumulator, item) => {
          accumulator.total += item
          return accumulator
        },
        getResult: (accumulator) => accumulator.total,
        accumulatorType: sums,
      },
    }) as AggregatingState<number, number>,
    panes: backend.panes<Count>('panes', { type: undefined }) as PaneState<Count>,
  }
}

type States = ReturnType<typeof statesOf>

function applyTo(states: States, change: Change): void {
  switch (change.type) {
    case 'value':
      states.value.update({ n: change.n })
      break
    case 'accumulator':
    case 'columns': {
      const accumulator = states[change.type].forUpdate()
      accumulator.count++
      accumulator.total += change.n
      break
    }
    case 'list':
      states.list.add(change.n)
      break
    case 'reducing':
      states.reducing.add({ n: change.n })
      break
    case 'aggregating':
      states.aggregating.add(change.n)
      break
    case 'map':
      if (change.remove) states.map.remove(change.n)
      else states.map.put(change.n, { n: change.n * 10 })
      break
    case 'clear':
      clear(states, change.n)
      break
    case 'pane':
    case 'paneRemove':
    case 'paneDrop':
      changePane(states.panes, change)
      break
    case 'read':
      dumpOf(states)
  }
}

function clear(states: States, which: number): void {
  const clearable = [states.value, states.list, states.map, states.reducing, states.aggregating]
  const state = clearable[which]
  if (state !== undefined) state.clear()
  else {
    states.accumulator.remove()
    states.columns.remove()
  }
}

function changePane(
  panes: PaneState<Count>,
  change: { readonly type: string; readonly n: number; readonly namespace: number },
): void {
  if (change.type === 'paneRemove') {
    panes.removeEntry(change.namespace)
    return
  }
  if (change.type === 'paneDrop') {
    // Rarely, as a pane holds all keys.
    if (change.n === 0) panes.dropNamespace(change.namespace)
    return
  }
  // In place, as operators do.
  const value = panes.get(change.namespace) ?? { n: 0 }
  value.n += change.n
  panes.set(change.namespace, value)
}

function dumpOf(states: States): unknown {
  return structuredClone({
    value: states.value.value(),
    accumulator: states.accumulator.copy(),
    columns: states.columns.copy(),
    list: states.list.get(),
    map: [...states.map.entries()].sort(([left], [right]) => left - right),
    reducing: states.reducing.get(),
    aggregating: states.aggregating.get(),
    panes: namespaces.map((at) => states.panes.get(at)),
  })
}
