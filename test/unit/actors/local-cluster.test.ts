import { expect, test } from 'vitest'
import { InlineCluster, TransactionalList } from './inline-cluster.ts'

test('a keyed sum over a collection ends FINISHED with every output once', async () => {
  const output = new TransactionalList<{ key: string; sum: number }>()
  const cluster = new InlineCluster(
    (env) => {
      env.enableCheckpointing('1h')
      env
        .fromCollection(Array.from({ length: 1000 }, (_, index) => ({ key: `k${index % 7}`, sum: 1 })))
        .keyBy((value) => value.key)
        .reduce((a, b) => ({ key: a.key, sum: a.sum + b.sum }))
        .sinkTo(output)
    },
    { slots: 1 },
  )
  const result = await cluster.run()
  expect(result).toMatchObject({ state: 'FINISHED', error: undefined, recordsIn: 1000, recordsOut: 1000, restarts: 0 })
  expect(output.committed.length).toBe(1000)
  expect(cluster.store.committed.size).toBe(1)
})
