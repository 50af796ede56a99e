import { expect, test } from 'vitest'
import { hashKey } from '../../../src/common/key.ts'
import type { DataType } from '../../../src/formats/data-type.ts'
import { array, int32, record, string } from '../../../src/formats/types.ts'
import { KeyedStateBackend } from '../../../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../../../src/state/managed-memory.ts'

interface Count {
  n: number
}
const untyped: DataType<Count> = { kind: 'untyped' }
const counts = record({ n: int32() }) as DataType<Count>

function backendWith(freezeValues = false): KeyedStateBackend {
  const backend = new KeyedStateBackend({
    keyGroups: { from: 0, to: 8 },
    maxParallelism: 8,
    memory: new ManagedMemory(1 << 20),
    operatorName: 'sessions',
    freezeValues,
  })
  backend.setCurrentKey('a', hashKey('a'))
  return backend
}

const values = (type: DataType<Count>) => ({ kind: 'value', name: 'count', type }) as const

test('value state is of the current key', () => {
  for (const type of [untyped, counts]) {
    const backend = backendWith()
    const state = backend.valueState<Count>(values(type))
    expect(state.value()).toBeUndefined()
    state.update({ n: 1 })
    backend.setCurrentKey('b', hashKey('b'))
    expect(state.value()).toBeUndefined()
    state.update({ n: 2 })
    backend.setCurrentKey('a', hashKey('a'))
    expect(state.value()).toEqual({ n: 1 })
    state.clear()
    expect(state.value()).toBeUndefined()
    backend.setCurrentKey('b', hashKey('b'))
    expect(state.value()).toEqual({ n: 2 })
  }
})

test('tuples and bytes are keys by their content (R36)', () => {
  const backend = backendWith()
  const state = backend.valueState<Count>(values(untyped))
  const put = (key: readonly (string | number)[] | Uint8Array, n: number): void => {
    backend.setCurrentKey(key, hashKey(key))
    state.update({ n })
  }
  put(['x', 1], 1)
  put(new Uint8Array([1, 2]), 2)
  put(['x', 1], 3)
  const tuple = ['x', 1] as const
  backend.setCurrentKey(tuple, hashKey(tuple))
  expect(state.value()).toEqual({ n: 3 })
  const bytes = new Uint8Array([1, 2])
  backend.setCurrentKey(bytes, hashKey(bytes))
  expect(state.value()).toEqual({ n: 2 })
})

test('with freezing, changing a value without update throws (R6)', () => {
  const backend = backendWith(true)
  const state = backend.valueState<Count>(values(untyped))
  const own = { n: 1 }
  state.update(own)
  expect(() => {
    own.n = 2
  }).toThrow(TypeError)
  expect(() => {
    ;(state.value() as Count).n = 2
  }).toThrow(TypeError)
  const list = backend.listState<Count>({ kind: 'list', name: 'list', type: untyped })
  list.add({ n: 1 })
  expect(() => {
    ;(list.get()[0] as Count).n = 2
  }).toThrow(TypeError)
  list.add({ n: 2 })
  expect(list.get()).toEqual([{ n: 1 }, { n: 2 }])
  const map = backend.mapState<string, Count>({ kind: 'map', name: 'map', type: untyped })
  map.put('x', { n: 1 })
  expect(() => {
    ;(map.get('x') as Count).n = 2
  }).toThrow(TypeError)
})

test('a list can be added to while it is walked through', () => {
  const backend = backendWith()
  const list = backend.listState<number>({ kind: 'list', name: 'list', type: int32() })
  list.addAll([1, 2])
  for (const item of list.get()) list.add(item * 10)
  expect(list.get()).toEqual([1, 2, 10, 20])
  list.update([])
  expect(list.get()).toEqual([])
})

test('map state keeps entries by key and value, bound to the key that asked', () => {
  const backend = backendWith()
  const map = backend.mapState<string | number, Count>({ kind: 'map', name: 'map', type: untyped })
  expect(map.isEmpty()).toBe(true)
  map.put('1', { n: 1 })
  map.put(1, { n: 2 })
  const entries = map.entries()
  backend.setCurrentKey('b', hashKey('b'))
  expect(map.isEmpty()).toBe(true)
  expect([...entries]).toEqual([
    ['1', { n: 1 }],
    [1, { n: 2 }],
  ])
  backend.setCurrentKey('a', hashKey('a'))
  map.remove('1')
  expect([map.has('1'), map.has(1), [...map.keys()], [...map.values()]]).toEqual([false, true, [1], [{ n: 2 }]])
  map.clear()
  expect(map.isEmpty()).toBe(true)
})

test('a reduce that changes and returns what is stored gives away neither state nor records (R7)', () => {
  for (const type of [untyped, counts]) {
    const backend = backendWith()
    const state = backend.reducingState<Count>({
      kind: 'reducing',
      name: 'sum',
      type,
      reduce: (left, right) => {
        left.n += right.n
        return left
      },
    })
    const records = [{ n: 1 }, { n: 2 }, { n: 3 }]
    const seen = records.map((item) => {
      state.add(item)
      return state.get()
    })
    expect(seen).toEqual([{ n: 1 }, { n: 3 }, { n: 6 }])
    expect(records).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  }
})

test('a reduce that returns the new record does not store the record itself (R7)', () => {
  const backend = backendWith()
  const state = backend.reducingState<Count>({
    kind: 'reducing',
    name: 'last',
    type: untyped,
    reduce: (left, right) => (right.n > left.n ? right : Object.assign(left, { n: -1 })),
  })
  const last = { n: 5 }
  state.add({ n: 1 })
  state.add(last)
  state.add({ n: 2 })
  expect(last).toEqual({ n: 5 })
})

test('aggregating state whose getResult returns the accumulator gives a copy (R7)', () => {
  const backend = backendWith()
  const state = backend.aggregatingState<number, Count, Count>({
    kind: 'aggregating',
    name: 'sum',
    aggregate: {
      createAccumulator: () => ({ n: 0 }),
      add: (accumulator, value) => {
        accumulator.n += value
        return accumulator
      },
      getResult: (accumulator) => accumulator,
    },
  })
  expect(state.get()).toBeUndefined()
  state.add(1)
  const first = state.get()
  state.add(2)
  expect([first, state.get()]).toEqual([{ n: 1 }, { n: 3 }])
})

test('the same name gives the same object; with another kind or type it is refused', () => {
  const backend = backendWith()
  expect(backend.valueState(values(untyped))).toBe(backend.valueState(values(untyped)))
  for (const ask of [
    () => backend.valueState(values(counts)),
    () => backend.listState({ kind: 'list', name: 'count', type: untyped }),
  ]) {
    expect(ask).toThrow(/State "count" of operator "sessions" is asked for twice/)
  }
})

test('a value that can not be stored is named when the snapshot meets it (R39)', () => {
  class Custom {
    readonly x = 1
  }
  const backend = backendWith()
  backend.valueState<unknown>({ kind: 'value', name: 'odd', type: { kind: 'untyped' } }).update(new Custom())
  const snapshot = backend.snapshot({ id: 1, base: 0, kind: 'checkpoint' } as never)
  expect(() => snapshot.drain(1000)).toThrow(/State "odd" of operator "sessions": .*Custom/)
  const typed = backendWith()
  typed
    .valueState<unknown>({ kind: 'value', name: 'names', type: array(string()) as DataType<unknown> })
    .update(['x', 1])
  expect(() => typed.snapshot({ id: 1, base: 0, kind: 'checkpoint' } as never).drain(1000)).toThrow(
    /State "names" of operator "sessions": .*expected string/,
  )
})

test('a key of another subtask is refused: records were routed wrongly', () => {
  const backend = new KeyedStateBackend({
    keyGroups: { from: 0, to: 1 },
    maxParallelism: 8,
    memory: new ManagedMemory(1),
    operatorName: 'x',
  })
  const wrong = ['a', 'b', 'c', 'd'].find((key) => (hashKey(key) >>> 0) % 8 !== 0) ?? ''
  expect(() => backend.setCurrentKey(wrong, hashKey(wrong))).toThrow(/key group/)
})
