import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { avg, count, max, min, type NumberAggregate, sum } from '../../../src/api/aggregates.ts'

interface Order {
  readonly price: number
}

function resultOf<A>(aggregate: NumberAggregate<Order, A>, orders: readonly Order[]): number {
  return aggregate.getResult(foldOf(aggregate, orders))
}

function foldOf<A>(aggregate: NumberAggregate<Order, A>, orders: readonly Order[]): A {
  return orders.reduce((accumulator, order) => aggregate.add(accumulator, order), aggregate.createAccumulator())
}

describe('built-in aggregates', () => {
  const orders = [{ price: 3 }, { price: 1 }, { price: 8 }]

  test('by a field and by a function', () => {
    expect(resultOf(count(), orders)).toBe(3)
    expect(resultOf(sum('price'), orders)).toBe(12)
    expect(
      resultOf(
        sum(({ price }: Order) => price * 2),
        orders,
      ),
    ).toBe(24)
    expect(resultOf(min('price'), orders)).toBe(1)
    expect(resultOf(max('price'), orders)).toBe(8)
    expect(resultOf(avg('price'), orders)).toBe(4)
  })

  test('have accumulators of doubles, so that they live off the heap', () => {
    for (const aggregate of [count(), sum('x'), min('x'), max('x'), avg('x')]) {
      const type = aggregate.accumulatorType
      if (type.kind !== 'record') throw new Error('no record')
      expect(type.fields.map((field) => field.type.kind)).toEqual(type.fields.map(() => 'double'))
      expect(type.fields.map((field) => field.name)).toEqual(Object.keys(aggregate.createAccumulator()))
    }
  })

  // Integers: the order of merging makes no difference then (R41).
  const prices = fc.array(fc.record({ price: fc.integer({ min: -1_000_000, max: 1_000_000 }) }), { minLength: 1 })

  test('give the same for parts that are merged as for all at once', () => {
    fc.assert(
      fc.property(prices, prices, (left, right) => {
        const merged = <A>(aggregate: NumberAggregate<Order, A>): number =>
          aggregate.getResult(aggregate.merge(foldOf(aggregate, left), foldOf(aggregate, right)))
        const all = [...left, ...right]
        expect(merged(count())).toBe(resultOf(count(), all))
        expect(merged(sum('price'))).toBe(resultOf(sum('price'), all))
        expect(merged(min('price'))).toBe(Math.min(...all.map(({ price }) => price)))
        expect(merged(max('price'))).toBe(Math.max(...all.map(({ price }) => price)))
        expect(merged(avg('price'))).toBe(resultOf(avg('price'), all))
      }),
    )
  })
})
