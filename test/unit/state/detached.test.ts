import { expect, test } from 'vitest'
import { deeplyFrozen, detached } from '../../../src/state/detached.ts'

test('a detached copy equals the value and shares nothing mutable with it (R7)', () => {
  const value = {
    n: 1,
    none: undefined,
    list: [{ n: 2 }],
    bytes: new Uint8Array([1, 2]),
    buffer: Buffer.from('ab'),
    floats: new Float64Array([1.5]),
    date: new Date(5),
    map: new Map([['a', { n: 3 }]]),
    set: new Set([1]),
  }
  const copy = detached(value)
  expect(copy).toEqual(value)
  value.list.push({ n: 9 })
  ;(value.list[0] as { n: number }).n = 9
  value.bytes[0] = 9
  value.buffer[0] = 9
  value.floats[0] = 9
  value.date.setTime(9)
  value.map.set('b', { n: 9 })
  value.set.add(9)
  expect(copy).toEqual({
    n: 1,
    none: undefined,
    list: [{ n: 2 }],
    bytes: new Uint8Array([1, 2]),
    buffer: Buffer.from('ab'),
    floats: new Float64Array([1.5]),
    date: new Date(5),
    map: new Map([['a', { n: 3 }]]),
    set: new Set([1]),
  })
})

test('a class instance is refused by name (R39)', () => {
  class Custom {}
  expect(() => detached({ inner: new Custom() })).toThrow(/Custom/)
})

test('what is deeply frozen refuses changes at any depth', () => {
  const value = deeplyFrozen({ list: [{ n: 1 }], bytes: new Uint8Array(1) })
  expect(() => {
    ;(value.list[0] as { n: number }).n = 2
  }).toThrow(TypeError)
  expect(() => value.list.push({ n: 2 })).toThrow(TypeError)
})
