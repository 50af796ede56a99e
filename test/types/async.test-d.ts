import { AsyncDataStream, type AsyncFunction, type DataStream, type SingleOutputStreamOperator } from 'millrace'
import { expectTypeOf, test } from 'vitest'

declare const ids: DataStream<string>

test('results have the type of what the function gives', () => {
  const lengths = AsyncDataStream.orderedWait(ids, async (id) => [id.length], { timeout: '1s' })
  expectTypeOf(lengths).toEqualTypeOf<SingleOutputStreamOperator<number>>()
  const either = AsyncDataStream.unorderedWait(
    ids,
    async (id, { signal, attempt, timestamp }) => {
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
      expectTypeOf(attempt).toEqualTypeOf<number>()
      expectTypeOf(timestamp).toEqualTypeOf<number>()
      return id === '' ? [] : [{ id }]
    },
    { timeout: 1000, onTimeout: (id) => [{ id }] },
  )
  expectTypeOf(either).toEqualTypeOf<SingleOutputStreamOperator<{ id: string }>>()
})

test('what is no array in a promise is refused, and so are options that do not fit', () => {
  const one: AsyncFunction<string, number> = async () => [1]
  // @ts-expect-error a text is no array of results
  AsyncDataStream.orderedWait(ids, async (id) => id, { timeout: '1s' })
  // @ts-expect-error the function has to give a promise
  AsyncDataStream.orderedWait(ids, (id) => [id], { timeout: '1s' })
  // @ts-expect-error a timeout is needed
  AsyncDataStream.orderedWait(ids, one, {})
  // @ts-expect-error onTimeout gives what the function gives
  AsyncDataStream.orderedWait(ids, one, { timeout: '1s', onTimeout: () => ['late'] })
  // @ts-expect-error a fixed back-off has a delay
  AsyncDataStream.orderedWait(ids, one, { timeout: '1s', retry: { maxAttempts: 2, backoff: { type: 'fixed' } } })
})
