import { job, type Sink, WatermarkStrategy } from 'millrace'
import { expect, test } from 'vitest'
import { buildJob } from '../../../src/api/job.ts'
import { datagen, datagenEnumerator } from '../../../src/connectors/datagen/datagen-source.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { InlineSlotHost } from '../../../src/task/inline-slot-host.ts'
import { creditsPerChannel } from '../../../src/task/output-channel.ts'
import { recordsPerBatch } from '../../../src/task/record-batch.ts'
import { turn } from '../../../src/task/turn.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { TestCluster } from './test-cluster.ts'

/** Takes `room` records, then none until it is opened again. */
class NarrowSink implements Sink<number> {
  readonly connector = 'narrow'
  readonly deliveryGuarantee = 'none'
  readonly written: number[] = []
  room = 1000
  #wake: () => void = () => {}

  createWriter({ wake }: Parameters<Sink<number>['createWriter']>[0]): ReturnType<Sink<number>['createWriter']> {
    this.#wake = wake
    const roomLeft = (): boolean => this.written.length < this.room
    return {
      get writable() {
        return roomLeft()
      },
      write: (value) => void this.written.push(value),
      prepareCommit: async () => [],
      commit: async () => {},
      close: async () => {},
    }
  }

  open(): void {
    this.room = Number.POSITIVE_INFINITY
    this.#wake()
  }
}

const count = 50_000

async function run(slots: number) {
  const sink = new NarrowSink()
  const clock = new VirtualClock()
  let generated = 0
  const definition = job('narrow', (env) => {
    env.enableCheckpointing('10min')
    env
      .fromSource(
        datagen({
          generate: (index) => {
            generated++
            return index
          },
          count,
        }),
        WatermarkStrategy.noWatermarks(),
        'numbers',
      )
      .setParallelism(1)
      .rebalance()
      .sinkTo(sink)
      .setParallelism(slots)
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
    parallelism: slots,
    blobStore: { type: 'memory', name: 'test' },
    splits: { numbers: await datagenEnumerator({ count }).start(1) },
  })
  await cluster.start()
  await cluster.deploy()
  for (let step = 0; step < 20; step++) {
    clock.advanceTo(clock.now() + 10)
    await turn()
  }
  return { cluster, sink, clock, generated: () => generated }
}

test.each([1, 2])(
  'a sink that can take no more stops the source after what the credits allow (%i slots)',
  async (slots) => {
    const { cluster, sink, clock, generated } = await run(slots)
    const stalled = generated()
    // The credits of each channel, one batch that overflows, one that is being filled, and what the sinks took.
    expect(stalled).toBeLessThan(
      slots * (creditsPerChannel + 2) * recordsPerBatch + sink.room + slots * recordsPerBatch,
    )
    for (let step = 0; step < 20; step++) {
      clock.advanceTo(clock.now() + 1000)
      await turn()
    }
    expect(generated()).toBe(stalled)
    const metrics = cluster.messages.findLast((message) => message.type === 'metrics')
    expect(metrics?.type === 'metrics' && metrics.subtasks.some(({ backpressured }) => backpressured)).toBe(true)
    // No barrier passes while the sink is full, and none is lost.
    const barrier = cluster.trigger()
    await turn()
    expect(cluster.count('checkpointAcknowledged')).toBe(0)
    sink.open()
    await cluster.acknowledged(barrier.id)
    cluster.complete(barrier.id)
    while (cluster.attemptsThat('ended') < cluster.subtasks.length) {
      clock.advanceTo(clock.now() + 10)
      await turn()
    }
    expect(sink.written.length).toBe(count)
    await cluster.terminate()
  },
)
