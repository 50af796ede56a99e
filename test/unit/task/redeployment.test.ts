import { type AggregateFunction, job, type Sink, WatermarkStrategy } from 'millrace'
import { long, record } from 'millrace/formats'
import { expect, test } from 'vitest'
import { buildJob } from '../../../src/api/job.ts'
import { datagen, datagenEnumerator } from '../../../src/connectors/datagen/datagen-source.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { InlineSlotHost } from '../../../src/task/inline-slot-host.ts'
import { turn } from '../../../src/task/turn.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { TestCluster } from './test-cluster.ts'

const recordsPerSecond = 1000
const count = 10_000

const counting: AggregateFunction<number, { seen: number }, { seen: number }> = {
  accumulatorType: record({ seen: long() }, { name: 'Seen' }),
  createAccumulator: () => ({ seen: 0 }),
  add: (accumulator) => {
    accumulator.seen++
    return accumulator
  },
  getResult: ({ seen }) => ({ seen }),
}

class DiscardingSink implements Sink<unknown> {
  readonly connector = 'discarding'
  readonly deliveryGuarantee = 'none'

  createWriter(): ReturnType<Sink<unknown>['createWriter']> {
    return {
      writable: true,
      write: () => {},
      prepareCommit: async () => [],
      commit: async () => {},
      close: async () => {},
    }
  }
}

/** Two slots that live through all deployments, as in the restart of a region. */
async function livingSlots() {
  const clock = new VirtualClock()
  /** What each evaluation of the job counts in a variable of its own. */
  const evaluations: { seen: number }[] = []
  const definition = job('redeployed', (env) => {
    env.enableCheckpointing('10min')
    env.configure({ 'execution.buffer-timeout.interval': 0 })
    const state = { seen: 0 }
    evaluations.push(state)
    env
      .fromSource(
        datagen({ generate: (index) => index, count, recordsPerSecond }),
        WatermarkStrategy.noWatermarks(),
        'numbers',
      )
      .map((value) => {
        state.seen++
        return value
      })
      .keyBy((value) => value % 100)
      .aggregate(counting)
      .uid('count')
      .sinkTo(new DiscardingSink())
  })
  const blobStore = new MemoryBlobStore()
  const cluster = new TestCluster({
    host: new InlineSlotHost({
      clock,
      turn,
      graphOf: (start) => createJobGraph(buildJob(definition, start.job.arguments, start.job.configuration)),
      blobStoreOf: () => blobStore,
      warn: (message) => {
        throw new Error(message)
      },
    }),
    definition,
    job: { bundleUrl: '', arguments: [], configuration: {} },
    parallelism: 2,
    blobStore: { type: 'memory', name: 'test' },
    splits: { numbers: await datagenEnumerator({ count }).start(2) },
  })
  await cluster.start()
  const proceed = async (): Promise<void> => {
    for (let step = 0; step < 10; step++) {
      clock.advanceTo(clock.now() + 20)
      await turn()
    }
  }
  return { cluster, evaluations, proceed }
}

test('Each deployment to a living slot has function objects of its own.', async () => {
  const { cluster, evaluations, proceed } = await livingSlots()
  await cluster.deploy()
  await proceed()
  const before = evaluations.map(({ seen }) => seen)
  expect(before.filter((seen) => seen > 0)).toHaveLength(2)
  await cluster.cancel()
  await cluster.deploy()
  await proceed()
  const after = evaluations.map(({ seen }) => seen)
  expect(after.slice(0, before.length)).toEqual(before)
  expect(after.slice(before.length).every((seen) => seen > 0)).toBe(true)
  expect(after.slice(before.length)).toHaveLength(2)
  await cluster.terminate()
})

test('Attempts that are gone leave no managed memory behind in a living slot.', async () => {
  const { cluster, proceed } = await livingSlots()
  const managedUsed = (): number[] =>
    cluster.messages.flatMap((message) => (message.type === 'metrics' ? [message.managedUsedBytes] : []))
  await cluster.deploy()
  await proceed()
  const checkpoint = await cluster.checkpoint()
  for (let deployment = 0; deployment < 3; deployment++) {
    await cluster.cancel()
    expect(managedUsed().at(-1)).toBe(0)
    await cluster.deploy(checkpoint)
    await proceed()
  }
  expect(Math.max(...managedUsed())).toBeGreaterThan(0)
  await cluster.terminate()
})
