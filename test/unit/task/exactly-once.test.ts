import { job, type Sink, WatermarkStrategy } from 'millrace'
import { collectingSink } from 'millrace/testing'
import { afterAll, expect, test } from 'vitest'
import { buildJob } from '../../../src/api/job.ts'
import { datagen, datagenEnumerator } from '../../../src/connectors/datagen/datagen-source.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { InlineSlotHost } from '../../../src/task/inline-slot-host.ts'
import { turn } from '../../../src/task/turn.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { slowSink } from '../engine/support/slow-sink.ts'
import { type TestCheckpoint, TestCluster, type TestClusterOptions } from './test-cluster.ts'

interface Counted {
  readonly id: string
  readonly key: number
  readonly seen: number
}

const parallelism = 3
const shortCount = 1500
const longCount = 12_000
const recordsPerSecond = 30_000
const keys = 7

/** Two sources of different length, joined, counted by key, dealt out again: barriers meet ends and many channels. */
function joinedJob(sink: Sink<Counted>, mode: 'exactly-once' | 'at-least-once') {
  return job('joined', (env) => {
    env.enableCheckpointing('10min', { mode })
    env.configure({ 'execution.buffer-timeout.interval': 0 })
    const source = (name: string, count: number) =>
      env.fromSource(
        datagen({ generate: (index) => ({ id: `${name}-${index}`, key: index % keys }), count, recordsPerSecond }),
        WatermarkStrategy.noWatermarks(),
        name,
      )
    source('short', shortCount)
      .union(source('long', longCount))
      .keyBy(({ key }) => key)
      .aggregate({
        createAccumulator: () => ({ id: '', key: 0, seen: 0 }),
        add: (accumulator, { id, key }) => ({ id, key, seen: accumulator.seen + 1 }),
        getResult: ({ id, key, seen }) => ({ id, key, seen }),
      })
      .uid('count')
      .rebalance()
      .map((counted) => counted)
      .sinkTo(sink)
  })
}

/** A small generator of random numbers, so that a failing run can be repeated by its seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** A cluster under virtual time, which the test moves. */
class Run {
  readonly sink = collectingSink<Counted>()
  readonly clock = new VirtualClock()
  readonly random: (below: number) => number
  readonly cluster: TestCluster
  completed: TestCheckpoint | undefined

  constructor(seed: number, splits: TestClusterOptions['splits']) {
    this.random = randomOf(seed)
    const definition = joinedJob(slowSink(this.sink, 1), 'exactly-once')
    const blobStore = new MemoryBlobStore()
    this.cluster = new TestCluster({
      host: new InlineSlotHost({
        clock: this.clock,
        turn,
        graphOf: (start) => createJobGraph(buildJob(definition, start.job.arguments, start.job.configuration)),
        blobStoreOf: () => blobStore,
        warn: (message) => {
          throw new Error(message)
        },
      }),
      definition,
      job: { bundleUrl: '', arguments: [], configuration: {} },
      parallelism,
      blobStore: { type: 'memory', name: 'test' },
      splits,
    })
  }

  /** Lets the job go on for a random while. */
  async proceed(): Promise<void> {
    for (let step = this.random(3); step > 0; step--) {
      this.clock.advanceTo(this.clock.now() + this.random(20))
      for (let done = this.random(6); done > 0; done--) await turn()
    }
  }

  async untilAll(type: 'ended' | 'finished'): Promise<void> {
    while (this.cluster.attemptsThat(type) < this.cluster.subtasks.length) {
      this.clock.advanceTo(this.clock.now() + 10)
      await turn()
    }
  }

  /** One checkpoint, whatever becomes of it. */
  async checkpoint(): Promise<void> {
    const { cluster, random } = this
    const { id } = cluster.trigger()
    const chosen = random(10)
    if (chosen < 3) {
      // Aborted at any stage of its alignment, or overtaken by the next one without an abort ever coming.
      await this.proceed()
      if (chosen > 0) cluster.abort(id)
      return
    }
    const checkpoint = await cluster.acknowledged(id)
    if (chosen < 5) {
      cluster.abort(id)
      return
    }
    this.completed = checkpoint
    cluster.complete(id)
    // The slots may be lost before, while and after they commit.
    if (chosen === 9) await this.proceed()
    if (chosen >= 8) await this.loseAllSlots()
  }

  async loseAllSlots(): Promise<void> {
    if (this.cluster.attemptsThat('ended') === 0) restartsInMidstream++
    await this.cluster.restart(this.completed)
  }
}

let restartsInMidstream = 0

afterAll(() => {
  // Else the test tests little.
  expect(restartsInMidstream).toBeGreaterThan(10)
})

test.each(Array.from({ length: 10 }, (_, seed) => seed + 1))(
  'triggers, aborts, completions and losses of all slots at random moments give every record once (seed %i)',
  async (seed) => {
    const run = new Run(seed, {
      short: await datagenEnumerator({ count: shortCount }).start(parallelism),
      long: await datagenEnumerator({ count: longCount }).start(parallelism),
    })
    const { cluster, sink } = run
    await cluster.start()
    await cluster.deploy()
    for (let action = 0; action < 12; action++) {
      await run.proceed()
      await run.checkpoint()
      if (run.random(6) === 0) await run.loseAllSlots()
    }
    await run.untilAll('ended')
    cluster.complete((await cluster.acknowledged(cluster.trigger().id)).id)
    await run.untilAll('finished')
    await cluster.terminate()
    expect(cluster.messages.filter(({ type }) => type === 'failed' || type === 'checkpointDeclined')).toEqual([])
    expect(sink.records.length).toBe(shortCount + longCount)
    expect(new Set(sink.records.map(({ id }) => id)).size).toBe(shortCount + longCount)
    for (let key = 0; key < keys; key++) {
      const seen = sink.records.filter((record) => record.key === key).map((record) => record.seen)
      expect(seen.toSorted((left, right) => left - right)).toEqual(seen.map((_, at) => at + 1))
    }
  },
)
