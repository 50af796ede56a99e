import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isBefore, lowest } from '../../../src/common/number-order.ts'

const ascending = [Number.NEGATIVE_INFINITY, -1, -0, 0, 1, Number.POSITIVE_INFINITY, Number.NaN]
const values = fc.constantFrom(...ascending)

test('numbers are in the order of Double.compare: -0 before 0, NaN behind all', () => {
  fc.assert(
    fc.property(values, values, (left, right) => {
      const position = (value: number): number => ascending.findIndex((one) => Object.is(one, value))
      expect(isBefore(left, right)).toBe(position(left) < position(right))
      expect(lowest(left, right)).toBe(ascending[Math.min(position(left), position(right))])
      expect(Math.max(left, right)).toBe(ascending[Math.max(position(left), position(right))])
    }),
  )
})

test('text and large integers are in their own order', () => {
  expect([isBefore('a', 'b'), isBefore('b', 'a'), isBefore('a', 'a')]).toEqual([true, false, false])
  expect([isBefore(1n, 2n), isBefore(2n, 1n), isBefore(0n, 0n)]).toEqual([true, false, false])
})
