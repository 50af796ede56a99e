import { type Sink, type Source, WatermarkStrategy } from 'millrace'
import { startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'
import { sequenceSource } from '../../../src/api/sequence-source.ts'

test('what a chain has opened is closed again where one of its operators can not be made', async () => {
  let open = 0
  const sink = (fails: boolean): Sink<number> => ({
    connector: 'counted',
    deliveryGuarantee: 'none',
    createWriter: () => {
      if (fails) throw new Error('no writer')
      open++
      return {
        writable: true,
        write: () => {},
        prepareCommit: async () => [],
        commit: async () => {},
        close: async () => {
          open--
        },
      }
    },
  })
  await using cluster = startTestCluster()
  const { error } = await cluster.run((env) => {
    env.setRestartStrategy({ type: 'none' })
    const numbers = env.fromSequence(1, 3).map((value) => value)
    // Operators of a chain are made from the last to the first.
    numbers.sinkTo(sink(true), 'first')
    numbers.sinkTo(sink(false), 'last')
  })
  expect(error?.message).toContain('no writer')
  expect(open).toBe(0)
})

test('a reader that refuses its splits is closed', async () => {
  let open = 0
  const numbers = sequenceSource(1, 3)
  const source: Source<number> = {
    ...numbers,
    createReader: (context) => {
      const reader = numbers.createReader(context)
      open++
      return {
        addSplits: () => {
          throw new Error('no such split')
        },
        noMoreSplits: () => reader.noMoreSplits(),
        poll: (output, maxRecords) => reader.poll(output, maxRecords),
        snapshot: () => reader.snapshot(),
        close: async () => {
          open--
        },
      }
    },
  }
  await using cluster = startTestCluster()
  const { error } = await cluster.run((env) => {
    env.setRestartStrategy({ type: 'none' })
    env.fromSource(source, WatermarkStrategy.noWatermarks(), 'refusing').print()
  })
  expect(error?.message).toContain('no such split')
  expect(open).toBe(0)
})
