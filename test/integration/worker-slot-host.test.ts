import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { datagenEnumerator } from '../../src/connectors/datagen/datagen-source.ts'
import { WorkerSlotHost } from '../../src/task/worker-slot-host.ts'
import numbersJob, { type NumbersArguments } from '../unit/task/jobs/numbers-job.ts'
import { slotHostConformance } from '../unit/task/slot-host-conformance.ts'
import { TestCluster } from '../unit/task/test-cluster.ts'

const host = new WorkerSlotHost()

/** Threads take a while to start on a busy machine. */
const patience = { timeout: 30_000 }

describe('The worker host', patience, () => {
  slotHostConformance({
    host,
    blobStore: (folder) => ({ type: 'filesystem', folder }),
  })
})

describe('A slot whose thread ends', patience, () => {
  /** Runs the job in two slots until one is gone, and gives that slot's exit. */
  async function exitOf(
    fault: NumbersArguments['fault'],
    act: (cluster: TestCluster) => Promise<void> = async () => {},
    heapLimitBytes = 2 ** 31,
  ): Promise<TestCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-slots-'))
    mkdirSync(join(folder, 'out'))
    const count = 1_000_000
    const options: NumbersArguments = { folder: join(folder, 'out'), count, ...(fault === undefined ? {} : { fault }) }
    const cluster = new TestCluster({
      host,
      definition: numbersJob,
      job: {
        bundleUrl: new URL('../unit/task/jobs/numbers-job.ts', import.meta.url).href,
        arguments: [JSON.stringify(options)],
        configuration: {},
      },
      parallelism: 2,
      blobStore: { type: 'filesystem', folder },
      splits: { numbers: await datagenEnumerator({ count }).start(2) },
      heapLimitBytes,
    })
    try {
      await cluster.start()
      await cluster.deploy()
      await act(cluster)
      await cluster.until(() => cluster.exits.size > 0, 'exit')
      return cluster
    } finally {
      await cluster.terminate()
      rmSync(folder, { recursive: true, force: true })
    }
  }

  test('by process.exit in a function has died, with its exit code', async () => {
    const { exits } = await exitOf('exit')
    expect([...exits.values()]).toContainEqual({
      type: 'died',
      code: 'MR_SLOT_LOST',
      reason: expect.stringContaining('exit code 7'),
    })
  })

  test('by an uncaught error has died, with the error', async () => {
    const { exits } = await exitOf('uncaught')
    expect([...exits.values()]).toContainEqual({
      type: 'died',
      code: 'MR_SLOT_LOST',
      reason: expect.stringContaining('thrown outside'),
    })
  })

  test('by reaching the soft limit of its heap says so before it dies (R31)', async () => {
    const { exits, messages } = await exitOf('grow', undefined, 2 ** 27)
    expect(messages).toContainEqual({
      type: 'slotFailed',
      error: expect.objectContaining({ code: 'MR_SLOT_OUT_OF_MEMORY' }),
    })
    expect([...exits.values()]).toContainEqual(expect.objectContaining({ type: 'died', code: 'MR_SLOT_OUT_OF_MEMORY' }))
  })

  test('leaves nothing behind on the streams of the process', async () => {
    const listeners = () =>
      [process.stdout, process.stderr].flatMap((stream) =>
        ['error', 'close'].map((event) => stream.listenerCount(event)),
      )
    const before = listeners()
    await exitOf('exit')
    await exitOf('uncaught')
    expect(listeners()).toEqual(before)
  })

  test('by terminate has stopped, though a function loops for ever', async () => {
    const { exits } = await exitOf('loop', (cluster) => cluster.terminate())
    expect([...exits.values()]).toEqual([{ type: 'stopped' }, { type: 'stopped' }])
  })
})
