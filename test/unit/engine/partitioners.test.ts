import type { DataStream } from 'millrace'
import { collectingSink, startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'

/** For each subtask behind an edge the numbers that it got. */
async function received(
  partition: (stream: DataStream<number>) => DataStream<number>,
  parallelism: { readonly senders: number; readonly receivers: number },
): Promise<ReadonlyMap<number, readonly number[]>> {
  await using cluster = startTestCluster()
  const results = await cluster.runAndCollect((env) => {
    let subtask = -1
    const numbers = env.fromSequence(0, 99).setParallelism(1).rebalance()
    const sent = numbers.map((value) => value).setParallelism(parallelism.senders)
    return partition(sent)
      .process<readonly [number, number]>({
        open(context) {
          subtask = context.subtaskIndex
        },
        processElement: (value, _context, out) => out.collect([subtask, value]),
      })
      .setParallelism(parallelism.receivers)
  })
  return Map.groupBy(results, ([subtask]) => subtask) as unknown as Map<number, number[]>
}

const sizes = (map: ReadonlyMap<number, readonly number[]>): unknown[] =>
  [...map].map(([subtask, values]) => [subtask, values.length]).toSorted()

test('rescale deals out within groups', async () => {
  expect(sizes(await received((stream) => stream.rescale(), { senders: 2, receivers: 4 }))).toEqual([
    [0, 25],
    [1, 25],
    [2, 25],
    [3, 25],
  ])
  expect(sizes(await received((stream) => stream.rescale(), { senders: 4, receivers: 2 }))).toEqual([
    [0, 50],
    [1, 50],
  ])
})

test('global sends everything to the first subtask, shuffle something to each', async () => {
  expect(sizes(await received((stream) => stream.global(), { senders: 2, receivers: 3 }))).toEqual([[0, 100]])
  const shuffled = await received((stream) => stream.shuffle(), { senders: 2, receivers: 3 })
  expect([...shuffled.keys()].toSorted()).toEqual([0, 1, 2])
})

test('a custom partitioner chooses by key, and is refused what is no subtask', async () => {
  const custom = await received(
    (stream) =>
      stream.partitionCustom(
        (key: number, count) => key % count,
        (value) => Math.floor(value / 10),
      ),
    { senders: 2, receivers: 3 },
  )
  expect(sizes(custom)).toEqual([
    [0, 40],
    [1, 30],
    [2, 30],
  ])
  for (const partition of [3, -1, 0.5, Number.NaN, 'length' as unknown as number]) {
    await expect(
      received(
        (stream) =>
          stream.partitionCustom(
            () => partition,
            (value) => value,
          ),
        { senders: 1, receivers: 3 },
      ),
    ).rejects.toThrow(`gave partition ${partition} of 3`)
  }
})

test('forward keeps records where they are, and refuses another parallelism', async () => {
  await expect(received((stream) => stream.forward(), { senders: 2, receivers: 3 })).rejects.toThrow(
    'by forward(), which has parallelism 2, and it has 3',
  )
  expect(sizes(await received((stream) => stream.forward(), { senders: 2, receivers: 2 }))).toEqual([
    [0, 50],
    [1, 50],
  ])
})

test('operators of another slot sharing group run in slots of their own', async () => {
  await using cluster = startTestCluster({ slots: 5 })
  const job = await cluster.start((env) => {
    env.setParallelism(2)
    const numbers = env.fromSequence(0, 9).map((value) => value)
    const apart = numbers
      .map((value) => value)
      .slotSharingGroup('apart')
      .setParallelism(3)
    apart.sinkTo(collectingSink<number>())
  })
  expect((await job.result()).state).toBe('FINISHED')
  await using small = startTestCluster({ slots: 4 })
  const refused = await small.run((env) => {
    env.setParallelism(2)
    env
      .fromSequence(0, 9)
      .map((value) => value)
      .slotSharingGroup('apart')
      .setParallelism(3)
      .sinkTo(collectingSink<number>())
  })
  expect(refused.state).toBe('FAILED')
  expect(refused.error?.message).toContain('5')
})
