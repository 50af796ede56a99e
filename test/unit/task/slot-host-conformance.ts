import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildJob, job } from '../../../src/api/job.ts'
import type { SourceSplit } from '../../../src/api/source.ts'
import { datagenEnumerator } from '../../../src/connectors/datagen/datagen-source.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { planOf } from '../../../src/graph/plan.ts'
import type { SlotHost } from '../../../src/task/slot-host.ts'
import type { BlobStoreReference, FromSlot } from '../../../src/task/slot-protocol.ts'
import numbersJob, { type Counted, type NumbersArguments } from './jobs/numbers-job.ts'
import { publishedRecords, TestCluster } from './test-cluster.ts'

export interface HostUnderTest {
  readonly host: SlotHost
  blobStore(folder: string): BlobStoreReference
}

const parallelism = 2

/** What every slot host does; the job and its slots are the same code in all. */
export function slotHostConformance({ host, blobStore }: HostUnderTest): void {
  let folder = ''
  let cluster: TestCluster | undefined

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-slots-'))
    mkdirSync(join(folder, 'out'))
  })

  afterEach(async () => {
    await cluster?.terminate()
    cluster = undefined
    rmSync(folder, { recursive: true, force: true })
  })

  const out = (): Counted[] => publishedRecords<Counted>(join(folder, 'out'))

  async function clusterOf(options: Omit<NumbersArguments, 'folder'>): Promise<TestCluster> {
    cluster = new TestCluster({
      host,
      definition: numbersJob,
      job: {
        bundleUrl: new URL('./jobs/numbers-job.ts', import.meta.url).href,
        arguments: [JSON.stringify({ ...options, folder: join(folder, 'out') } satisfies NumbersArguments)],
        configuration: {},
      },
      parallelism,
      blobStore: blobStore(folder),
      splits: { numbers: await splitsOf(options.count) },
    })
    return cluster
  }

  test('a bounded job without checkpointing runs over two slots and publishes every record once', async () => {
    const slots = await clusterOf({ count: 20_000 })
    await slots.start()
    await slots.deploy()
    await slots.until(() => slots.count('finished') === slots.subtasks.length, 'end')
    expectExactlyOnce(out(), 20_000)
    expect(slots.sourceRecords()).toBe(20_000)
    expect(slots.count('ended')).toBe(slots.subtasks.length)
  })

  test('with checkpointing an ended subtask stays until a checkpoint holds its end, and publishes only then (R12)', async () => {
    const slots = await clusterOf({ count: 5_000, checkpoints: true })
    await slots.start()
    await slots.deploy()
    await slots.until(() => slots.count('ended') === slots.subtasks.length, 'ended subtasks')
    const barrier = slots.trigger()
    const { acknowledged } = await slots.acknowledged(barrier.id)
    expect(acknowledged.map(({ finished }) => finished)).toEqual(slots.subtasks.map(() => true))
    expect(acknowledged.filter(({ hasCommittables }) => hasCommittables)).toHaveLength(parallelism)
    expect(slots.count('finished')).toBe(0)
    expect(out()).toEqual([])
    slots.complete(barrier.id)
    await slots.until(() => slots.count('finished') === slots.subtasks.length, 'end')
    expectExactlyOnce(out(), 5_000)
  })

  test.each(['exactly-once', 'at-least-once'] as const)(
    'checkpoints complete while records flow between the slots (%s)',
    async (mode) => {
      const slots = await clusterOf({ count: 40_000, rate: 60_000, checkpoints: true, mode })
      await slots.start()
      await slots.deploy()
      for (let round = 0; round < 3; round++) await slots.checkpoint()
      await slots.until(() => slots.count('ended') === slots.subtasks.length, 'ended subtasks')
      await slots.checkpoint()
      await slots.until(() => slots.count('finished') === slots.subtasks.length, 'end')
      expectExactlyOnce(out(), 40_000)
    },
  )

  test('a restart from a checkpoint in the middle gives every record exactly once', async () => {
    const slots = await clusterOf({ count: 20_000, rate: 8_000, checkpoints: true })
    await slots.start()
    await slots.deploy()
    await slots.checkpoint()
    const aborted = slots.trigger()
    slots.abort(aborted.id)
    const checkpoint = await slots.checkpoint()
    expect(checkpoint.acknowledged.some(({ finished }) => finished)).toBe(false)
    await slots.cancel()
    await slots.deploy(checkpoint)
    await slots.until(() => slots.count('ended') === slots.subtasks.length, 'ended subtasks')
    await slots.checkpoint()
    await slots.until(() => slots.count('finished') === slots.subtasks.length, 'end')
    expectExactlyOnce(out(), 20_000)
  })

  test('what a checkpoint lists is committed by the restart, before anything is processed (R16)', async () => {
    const slots = await clusterOf({ count: 10_000, rate: 7_000, checkpoints: true })
    await slots.start()
    await slots.deploy()
    await slots.until(() => slots.count('metrics') > 0, 'metrics')
    const checkpoint = await slots.acknowledged(slots.trigger().id)
    await slots.cancel()
    expect(out()).toEqual([])
    await slots.deploy(checkpoint)
    const committed = slots.messages.findIndex(({ type }) => type === 'committed')
    const running = slots.messages.findLastIndex(({ type }) => type === 'running')
    expect(committed).toBeGreaterThan(0)
    expect(committed).toBeLessThan(running)
    const published = out()
    expect(published.length).toBeGreaterThan(0)
    await slots.until(() => slots.count('ended') === slots.subtasks.length, 'ended subtasks')
    await slots.checkpoint()
    expectExactlyOnce(out(), 10_000)
  })

  test('drain ends the sources where they are, as if their input had ended', async () => {
    const slots = await clusterOf({ count: 1_000_000, rate: 20_000, checkpoints: true })
    await slots.start()
    await slots.deploy()
    await slots.checkpoint()
    slots.drain()
    await slots.until(() => slots.count('ended') === slots.subtasks.length, 'ended subtasks')
    await slots.checkpoint()
    await slots.until(() => slots.count('finished') === slots.subtasks.length, 'end')
    const records = out()
    expect(records.length).toBeGreaterThan(0)
    expect(records.length).toBeLessThan(1_000_000)
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length)
  })

  test('a function that throws fails its subtask once, naming operator and record; the others can be cancelled', async () => {
    const slots = await clusterOf({ count: 1_000_000, fault: 'throw' })
    await slots.start()
    await slots.deploy()
    await slots.until(() => slots.count('failed') > 0, 'failure')
    await slots.cancel()
    const failures = slots.messages.filter(
      (message): message is FromSlot & { readonly type: 'failed' } => message.type === 'failed',
    )
    expect(failures).toHaveLength(1)
    expect(failures[0]?.error).toMatchObject({ code: 'MR_USER_FUNCTION', operator: 'Map' })
    expect(failures[0]?.error.message).toContain('number 1000')
    expect(failures[0]?.error.message).toContain('of source "numbers"')
    expect(out()).toEqual([])
  })

  test('a slot that builds another graph than the client ends with MR_GRAPH_MISMATCH', async () => {
    const slots = await clusterOf({ count: 1 })
    const another = job('numbers', (env) => {
      env.fromSequence(1, 2).print()
    })
    await slots.start(planOf(createJobGraph(buildJob(another))))
    const [message] = slots.messages
    expect(message).toMatchObject({
      type: 'slotFailed',
      error: { code: 'MR_GRAPH_MISMATCH', message: expect.stringContaining("is only in the client's") },
    })
    await slots.until(() => slots.exits.size === parallelism, 'exits')
    expect(slots.exits.get(0)).toMatchObject({ type: 'died', code: 'MR_SLOT_LOST' })
  })

  test('a terminated slot tells its exit once, as stopped', async () => {
    const slots = await clusterOf({ count: 1_000_000, rate: 1000 })
    await slots.start()
    await slots.deploy()
    await slots.terminate()
    expect([...slots.exits.values()]).toEqual([{ type: 'stopped' }, { type: 'stopped' }])
  })
}

function expectExactlyOnce(records: readonly Counted[], count: number): void {
  expect(records.length).toBe(count)
  expect(new Set(records.map(({ id }) => id)).size).toBe(count)
  // The running counts of a key are 1, 2, 3 … : state was neither lost nor applied twice.
  for (let key = 0; key < 10; key++) {
    const seen = records.filter((record) => record.key === key).map((record) => record.seen)
    expect(seen.toSorted((left, right) => left - right)).toEqual(Array.from({ length: count / 10 }, (_, at) => at + 1))
  }
}

async function splitsOf(count: number): Promise<readonly SourceSplit[]> {
  return datagenEnumerator({ count }).start(parallelism)
}
