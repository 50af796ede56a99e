import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { type LocalTaskManager, startLocalCluster } from '../../src/actors/local-cluster.ts'
import { buildJob } from '../../src/api/job.ts'
import type { ErrorData } from '../../src/common/errors.ts'
import { jobId } from '../../src/common/ids.ts'
import { silentLogger } from '../../src/common/logger.ts'
import { systemPorts } from '../../src/common/system-ports.ts'
import { datagenEnumerator } from '../../src/connectors/datagen/datagen-source.ts'
import { createJobGraph } from '../../src/graph/chaining.ts'
import { planOf } from '../../src/graph/plan.ts'
import { DataNetwork } from '../../src/network/data-network.ts'
import { blobFolder, FolderCheckpointStore } from '../../src/state/filesystem/folder-checkpoint-store.ts'
import { WorkerSlotHost } from '../../src/task/worker-slot-host.ts'
import faultyJob, { type FaultyArguments } from './jobs/faulty.ts'

/** The job with all its actors here, and two slots in threads. */
async function start(
  options: Omit<FaultyArguments, 'folder'>,
  configuration: Readonly<Record<string, string | number>> = {},
  networks: readonly DataNetwork[] = [],
) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-cluster-'))
  mkdirSync(join(folder, 'out'))
  const killed: ErrorData[] = []
  const cluster = startLocalCluster({
    ports: systemPorts,
    slotHost: new WorkerSlotHost(),
    numberOfTaskSlots: networks.length === 0 ? 2 : 1,
    ...(networks.length === 0
      ? {}
      : { taskManagers: networks.length, taskManagerOf: (index) => taskManagerOn(networks, index) }),
    slotMemory: { heapLimitBytes: 2 ** 31, managedBytes: 2 ** 28 },
    enumeratorOf: (description) => datagenEnumerator(description.options),
    logger: silentLogger,
    killProcess: (error) => void killed.push(error),
  })
  onTestFinished(async () => {
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const job = {
    bundleUrl: new URL('jobs/faulty.ts', import.meta.url).href,
    arguments: [JSON.stringify({ folder, ...options } satisfies FaultyArguments)],
    configuration: { 'parallelism.default': 2, ...configuration },
  }
  const client = await cluster.submit({
    jobId: jobId(systemPorts.ids.hexadecimal()),
    plan: planOf(createJobGraph(buildJob(faultyJob, job.arguments, job.configuration))),
    job,
    checkpointStore: new FolderCheckpointStore(join(folder, 'run-1')),
    blobStore: { type: 'filesystem', folder: blobFolder(join(folder, 'run-1')) },
    restore: undefined,
  })
  return { client, cluster, folder, killed }
}

/** A slot in a thread of its own, which reaches the others over the network alone. */
function taskManagerOn(networks: readonly DataNetwork[], index: number): LocalTaskManager {
  const network = networks[index]
  if (network === undefined) throw new Error(`no network ${index}`)
  const slotHost = new WorkerSlotHost()
  return { address: networkNames[index] ?? '', slotHost, remoteLinks: network, dataAddress: network.address }
}

const networkNames = ['task-manager/a', 'task-manager/b']

function listenAll(): Promise<DataNetwork[]> {
  const { clock, ids } = systemPorts
  const common = { secret: 'tested', host: '127.0.0.1', port: 0, clock, ids, logger: silentLogger }
  return Promise.all(
    networkNames.map(async (taskManager) => {
      const network = await DataNetwork.listen({ taskManager, ...common })
      onTestFinished(() => network.close())
      return network
    }),
  )
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = Date.now() + 30_000
  while (!condition()) {
    if (Date.now() > limit) throw new Error(`still no ${what}`)
    await delay(5)
  }
}

test('a job whose function loops for ever is cancelled within a second (R32)', async () => {
  const { client, folder } = await start({ count: 100_000, fault: 'loop' })
  await until(() => existsSync(join(folder, 'stuck')), 'loop')
  const startedMs = performance.now()
  client.cancel()
  expect(await client.result).toMatchObject({ state: 'CANCELED' })
  expect(performance.now() - startedMs).toBeLessThan(1000)
})

test('a thread that native code blocks past task.cancellation.timeout costs the process (R32)', async () => {
  const { client, folder, killed } = await start(
    { count: 100_000, fault: 'native' },
    { 'task.cancellation.timeout': '300ms' },
  )
  await until(() => existsSync(join(folder, 'stuck')), 'blocked thread')
  client.cancel()
  await until(() => killed.length > 0, 'end of the process')
  expect(killed[0]?.code).toBe('MR_CANCELLATION_TIMEOUT')
  // In this test the process lives on, so that the thread ends when the native call does.
  expect(await client.result).toMatchObject({ state: 'CANCELED' })
})

test.each([
  ['in one TaskManager', false],
  ['in two TaskManagers, linked by the data network', true],
])('threads that exit %s restart their region, and every output is there once', async (_, isSpread) => {
  const count = 12_000
  const { client, folder } = await start({ count, fault: 'exit' }, {}, isSpread ? await listenAll() : [])
  const result = await client.result
  expect(result).toMatchObject({ state: 'FINISHED', error: undefined })
  expect(result.restarts).toBeGreaterThanOrEqual(3)
  const out = join(folder, 'out')
  const lines = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .flatMap((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as { key: string; count: number })
  const expected = Array.from({ length: count }, (_, index) => `k${index % 7}:${Math.floor(index / 7) + 1}`)
  expect(lines.map((line) => `${line.key}:${line.count}`).toSorted()).toEqual(expected.toSorted())
})
