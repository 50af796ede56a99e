import {
  avg,
  col,
  count,
  type DataStream,
  lit,
  max,
  min,
  type SingleOutputStreamOperator,
  sum,
  TumblingEventTimeWindows,
} from 'millrace'
import { expectTypeOf, test } from 'vitest'

interface Order {
  readonly user: string
  readonly shop: number
  readonly price: number
  readonly discount: number | null
  readonly note: string | null
}
declare const orders: DataStream<Order>

test('names of fields are compared with the record', () => {
  expectTypeOf(orders.where(col('price').gt(10).and(col('user').ne('x')))).toEqualTypeOf<
    SingleOutputStreamOperator<Order>
  >()
  // @ts-expect-error: no such field
  orders.where(col('prise').gt(10))
  // @ts-expect-error: no such field in the operand
  orders.where(col('price').gt(col('prise')))
  // @ts-expect-error: no such field
  orders.select('prise')
  // @ts-expect-error: no such field
  orders.select({ double: col('prise').times(2) })
  // @ts-expect-error: no such field
  orders.keyBy('prise')
  // @ts-expect-error: no such field
  orders.keyBy('user', 'prise')
  // @ts-expect-error: no such field
  orders.keyBy('user').aggregate({ total: sum('prise') })
})

test('select gives the record of what is selected, with null where a value may be missing', () => {
  const selected = orders.select('user', 'note', {
    price: col('price'),
    paid: col('price').minus(col('discount')),
    rest: col('price').minus(col('discount').coalesce(0)),
    ratio: col('price').dividedBy(2),
    name: col('user').lower(),
    known: col('note').isNotNull(),
    one: lit(1),
  })
  expectTypeOf(selected).toEqualTypeOf<
    SingleOutputStreamOperator<{
      user: string
      note: string | null
      price: number
      paid: number | null
      rest: number
      ratio: number | null
      name: string
      known: boolean
      one: number
    }>
  >()
})

test('a key of names is a value or a tuple, and aggregates give its fields and their results', () => {
  const one = orders
    .keyBy('user')
    .aggregate({ n: count(), total: sum('price'), lowest: min('discount'), mean: avg(col('price').times(2)) })
  expectTypeOf(one).toEqualTypeOf<
    SingleOutputStreamOperator<{ user: string; n: number; total: number; lowest: number | null; mean: number }>
  >()
  const two = orders
    .keyBy('user', 'shop')
    .window(TumblingEventTimeWindows.of('1s'))
    .aggregate({ top: max('price') })
  expectTypeOf(two).toEqualTypeOf<
    SingleOutputStreamOperator<{ user: string; shop: number; top: number; windowStart: number; windowEnd: number }>
  >()
  orders.keyBy('user', 'shop').aggregate(count(), {
    withKey: (key, n) => {
      expectTypeOf(key).toEqualTypeOf<readonly [string, number]>()
      return n
    },
  })
})
