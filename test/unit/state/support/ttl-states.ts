import fc from 'fast-check'
import {
  aggregatingStateDescriptor,
  listStateDescriptor,
  mapStateDescriptor,
  reducingStateDescriptor,
  valueStateDescriptor,
} from '../../../../src/api/descriptors.ts'
import type { StateTtlConfig } from '../../../../src/api/state-ttl.ts'
import type { DataType } from '../../../../src/formats/data-type.ts'
import { int32, untyped } from '../../../../src/formats/index.ts'
import type { KeyedStateBackend } from '../../../../src/state/keyed-state-backend.ts'

export const timeToLive = 100

export type TtlChange =
  | { readonly type: 'update' | 'add' | 'reduce' | 'aggregate'; readonly n: number }
  | { readonly type: 'put' | 'remove' | 'get'; readonly n: number }
  | { readonly type: 'clear' | 'setList'; readonly n: number }
  | { readonly type: 'readAll' }
  | { readonly type: 'wait'; readonly n: number }

export const ttlChange: fc.Arbitrary<TtlChange> = fc.oneof(
  fc.record({
    type: fc.constantFrom('update', 'add', 'reduce', 'aggregate', 'put', 'put', 'remove', 'get', 'clear', 'setList'),
    n: fc.nat(4),
  }),
  fc.constant({ type: 'readAll' }),
  fc.record({ type: fc.constant('wait'), n: fc.constantFrom(1, 30, 60, 99, 100, 150) }),
) as fc.Arbitrary<TtlChange>

export interface TtlSettings {
  readonly ttl: StateTtlConfig | undefined
  readonly declared: boolean
}

export function ttlStatesOf(backend: KeyedStateBackend, { ttl, declared }: TtlSettings) {
  const type: DataType<number> = declared ? int32() : untyped()
  const options = ttl === undefined ? {} : { ttl }
  const sum = (left: number, right: number): number => left + right
  const total = {
    createAccumulator: () => 0,
    add: sum,
    getResult: (accumulator: number) => accumulator,
    ...(declared ? { accumulatorType: int32() } : {}),
  }
  return {
    value: backend.valueState(valueStateDescriptor('value', type, options)),
    list: backend.listState(listStateDescriptor('list', type, options)),
    map: backend.mapState(mapStateDescriptor<number, number>('map', type, options)),
    reducing: backend.reducingState(reducingStateDescriptor('reducing', sum, type, options)),
    aggregating: backend.aggregatingState(aggregatingStateDescriptor('aggregating', total, options)),
  }
}

export type TtlStates = ReturnType<typeof ttlStatesOf>

/** What is seen of the state of one key. */
export function readAll(states: TtlStates): unknown {
  return {
    value: states.value.value(),
    list: [...states.list.get()],
    map: [...states.map.entries()].map(([key, n]) => [key, n]).sort(([left = 0], [right = 0]) => left - right),
    isEmpty: states.map.isEmpty(),
    reducing: states.reducing.get(),
    aggregating: states.aggregating.get(),
  }
}

export function applyChange(states: TtlStates, change: TtlChange): unknown {
  switch (change.type) {
    case 'update':
      return states.value.update(change.n)
    case 'add':
      return states.list.add(change.n)
    case 'setList':
      return states.list.update([change.n, change.n].slice(0, change.n))
    case 'reduce':
      return states.reducing.add(change.n)
    case 'aggregate':
      return states.aggregating.add(change.n)
    case 'put':
      return states.map.put(change.n, change.n * 10)
    case 'remove':
      return states.map.remove(change.n)
    case 'get':
      return [states.map.has(change.n), states.map.get(change.n)]
    case 'clear':
      return [states.value, states.list, states.map, states.reducing, states.aggregating][change.n]?.clear()
    case 'readAll':
      return readAll(states)
    case 'wait':
      return undefined
  }
}

interface Cell {
  readonly n: number
  at: number
}

/** The state of one key as the definition has it: cells with the time of their last access. */
export class TtlModel {
  value: Cell[] = []
  list: Cell[] = []
  map = new Map<number, Cell>()
  reducing: Cell[] = []
  aggregating: Cell[] = []

  copy(): TtlModel {
    return Object.assign(new TtlModel(), structuredClone({ ...this }))
  }

  /** `now` as of the change. The same results as `applyChange`. */
  apply(change: TtlChange, now: number, renewsOnRead: boolean): unknown {
    const lives = (cell: Cell | undefined): boolean => cell !== undefined && now < cell.at + timeToLive
    const seen = (cell: Cell | undefined): number | undefined => {
      if (cell === undefined || !lives(cell)) return undefined
      if (renewsOnRead) cell.at = now
      return cell.n
    }
    const combined = (cells: Cell[], n: number): Cell[] => [
      { n: (lives(cells[0]) ? (cells[0]?.n ?? 0) : 0) + n, at: now },
    ]
    switch (change.type) {
      case 'update':
        this.value = [{ n: change.n, at: now }]
        return undefined
      case 'add':
        this.list.push({ n: change.n, at: now })
        return undefined
      case 'setList':
        this.list = [change.n, change.n].slice(0, change.n).map((n) => ({ n, at: now }))
        return undefined
      case 'reduce':
        this.reducing = combined(this.reducing, change.n)
        return undefined
      case 'aggregate':
        this.aggregating = combined(this.aggregating, change.n)
        return undefined
      case 'put':
        this.map.set(change.n, { n: change.n * 10, at: now })
        return undefined
      case 'remove':
        this.map.delete(change.n)
        return undefined
      case 'get':
        return [seen(this.map.get(change.n)) !== undefined, seen(this.map.get(change.n))]
      case 'clear':
        return this.#clear(change.n)
      case 'readAll': {
        const map = [...this.map].map(([key, cell]) => [key, seen(cell)] as const).filter(([, n]) => n !== undefined)
        return {
          value: seen(this.value[0]),
          list: this.list.map(seen).filter((n) => n !== undefined),
          map: map.map(([key, n]) => [key, n]).sort(([left = 0], [right = 0]) => left - right),
          isEmpty: map.length === 0,
          reducing: seen(this.reducing[0]),
          aggregating: seen(this.aggregating[0]),
        }
      }
      case 'wait':
        return undefined
    }
  }

  #clear(which: number): undefined {
    if (which === 0) this.value = []
    if (which === 1) this.list = []
    if (which === 2) this.map.clear()
    if (which === 3) this.reducing = []
    if (which === 4) this.aggregating = []
  }
}
