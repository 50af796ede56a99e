import { TumblingEventTimeWindows, WatermarkStrategy } from 'millrace'
import { double, record, string } from 'millrace/formats'
import { startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'

const sales = [
  { shop: 'a', item: 'pen', price: 3, at: 1 },
  { shop: 'a', item: 'ink', price: 1, at: 2 },
  { shop: 'a', item: 'cap', price: 1, at: 3 },
  { shop: 'a', item: 'pad', price: 5, at: 4 },
]
type Sale = (typeof sales)[number]
const declared = record({ shop: string(), item: string(), price: double(), at: double() })

test.each([undefined, declared])(
  'running aggregates by field keep the first record, by function give numbers',
  async (type) => {
    await using cluster = startTestCluster()
    const running = (name: 'sum' | 'min' | 'max') =>
      cluster.runAndCollect((env) => {
        const stream = type === undefined ? env.fromCollection(sales) : env.fromCollection(sales, { type })
        return stream.keyBy((sale) => sale.shop)[name]('price')
      })
    const prices = (results: readonly Sale[]): unknown[] => results.map(({ item, price }) => [item, price])
    expect(prices(await running('sum'))).toEqual([3, 4, 5, 10].map((price) => ['pen', price]))
    expect(prices(await running('min'))).toEqual([3, 1, 1, 1].map((price) => ['pen', price]))
    expect(prices(await running('max'))).toEqual([3, 3, 3, 5].map((price) => ['pen', price]))
    const numbers = await cluster.runAndCollect((env) =>
      env
        .fromCollection(sales)
        .keyBy((sale) => sale.shop)
        .sum((sale) => sale.price * 2),
    )
    expect(numbers).toEqual([6, 8, 10, 20])
  },
)

test('minBy and maxBy give whole records; of equal ones the first, or the last', async () => {
  await using cluster = startTestCluster()
  const items = async (ties: 'first' | 'last') => {
    const results = await cluster.runAndCollect((env) =>
      env
        .fromCollection(sales)
        .keyBy((sale) => sale.shop)
        .minBy('price', { ties }),
    )
    return results.map(({ item }) => item)
  }
  expect(await items('first')).toEqual(['pen', 'ink', 'ink', 'ink'])
  expect(await items('last')).toEqual(['pen', 'ink', 'cap', 'cap'])
  const highest = await cluster.runAndCollect((env) =>
    env
      .fromCollection(sales)
      .keyBy((sale) => sale.shop)
      .maxBy((sale) => sale.item),
  )
  expect(highest.map(({ item }) => item)).toEqual(['pen', 'pen', 'pen', 'pen'])
})

test('the same over windows', async () => {
  await using cluster = startTestCluster()
  const results = await cluster.runAndCollect((env) => {
    const windows = env
      .fromCollection(sales)
      .assignTimestampsAndWatermarks(
        WatermarkStrategy.forMonotonousTimestamps().withTimestamps((sale: Sale) => sale.at),
      )
      .keyBy((sale) => sale.shop)
      .window(TumblingEventTimeWindows.of(10))
    const texts = (name: string) => (sale: Sale) => `${name} ${sale.item} ${sale.price}`
    return windows
      .sum('price')
      .uid('sum')
      .map(texts('sum'))
      .union(
        windows.min('price').uid('min').map(texts('min')),
        windows.maxBy('price').uid('maxBy').map(texts('maxBy')),
        windows.minBy('price', { ties: 'last' }).uid('minBy').map(texts('minBy')),
        windows
          .max((sale) => sale.price)
          .uid('max')
          .map((price) => `max ${price}`),
      )
  })
  expect(results.toSorted()).toEqual(['max 5', 'maxBy pad 5', 'min pen 1', 'minBy cap 1', 'sum pen 10'])
})

test.each([undefined, record({ shop: string(), price: double() })])(
  'numbers are in the order of Double.compare: NaN is above all others, and -0 below 0',
  async (type) => {
    await using cluster = startTestCluster()
    const prices = [Number.NaN, 3, 0, Number.NaN, -0, 5].map((price) => ({ shop: 'a', price }))
    const running = (name: 'min' | 'max' | 'minBy' | 'maxBy') =>
      cluster.runAndCollect((env) => {
        const stream = type === undefined ? env.fromCollection(prices) : env.fromCollection(prices, { type })
        return stream
          .keyBy((sale) => sale.shop)
          [name]('price')
          .map(({ price }) => price)
      })
    const byFunction = (name: 'min' | 'max') =>
      cluster.runAndCollect((env) =>
        env
          .fromCollection(prices)
          .keyBy((sale) => sale.shop)
          [name]((sale) => sale.price),
      )
    const lowest = [Number.NaN, 3, 0, 0, -0, -0]
    const highest = prices.map(() => Number.NaN)
    expect(await running('min')).toEqual(lowest)
    expect(await running('minBy')).toEqual(lowest)
    expect(await byFunction('min')).toEqual(lowest)
    expect(await running('max')).toEqual(highest)
    expect(await running('maxBy')).toEqual(highest)
    expect(await byFunction('max')).toEqual(highest)
  },
)
