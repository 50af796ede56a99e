import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startLocalCluster } from '../../../src/actors/local-cluster.ts'
import { buildJob } from '../../../src/api/job.ts'
import { jobId, leaderToken } from '../../../src/common/ids.ts'
import { silentLogger } from '../../../src/common/logger.ts'
import { systemClock, systemPorts } from '../../../src/common/system-ports.ts'
import { datagenEnumerator } from '../../../src/connectors/datagen/datagen-source.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { planOf } from '../../../src/graph/plan.ts'
import { controlKeys } from '../../../src/redis/control-keys.ts'
import { openRedis, type RedisConnection } from '../../../src/redis/redis-connection.ts'
import { blobPrefix } from '../../../src/state/redis/blob-keys.ts'
import { RedisBlobStore } from '../../../src/state/redis/redis-blob-store.ts'
import { RedisCheckpointStore } from '../../../src/state/redis/redis-checkpoint-store.ts'
import { WorkerSlotHost } from '../../../src/task/worker-slot-host.ts'
import faultyJob, { type FaultyArguments } from '../jobs/faulty.ts'
import { RedisServer } from '../support/redis.ts'

test('a job whose threads die and whose Redis is killed in the middle gives every output once, and leaves no key (F4, R14)', async () => {
  const server = await RedisServer.start()
  const folder = mkdtempSync(join(tmpdir(), 'millrace-redis-'))
  mkdirSync(join(folder, 'out'))
  const redis = { urls: [server.url], key: 'state.backend.redis.url' }
  const keys = controlKeys('c1')
  const token = leaderToken('first:1')
  await server.client.set(keys.leader, token)
  let connection: RedisConnection | undefined
  const blobStore = new RedisBlobStore(redis, blobPrefix('c1'), systemClock)
  const id = jobId(systemPorts.ids.hexadecimal())
  const checkpointStore = new RedisCheckpointStore({
    jobId: id,
    keys,
    connect: async () => {
      if (connection?.isOpen !== true) connection = await openRedis(redis)
      return connection
    },
    token: () => token,
    blobStore,
  })
  const cluster = startLocalCluster({
    ports: systemPorts,
    slotHost: new WorkerSlotHost({ redis }),
    numberOfTaskSlots: 2,
    slotMemory: { heapLimitBytes: 2 ** 31, managedBytes: 2 ** 28 },
    enumeratorOf: (description) => datagenEnumerator(description.options),
    logger: silentLogger,
    killProcess: () => undefined,
  })
  onTestFinished(async () => {
    await cluster.close()
    connection?.close()
    blobStore.close()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const count = 12_000
  const job = {
    bundleUrl: new URL('../jobs/faulty.ts', import.meta.url).href,
    arguments: [JSON.stringify({ folder, count, fault: 'exit' } satisfies FaultyArguments)],
    configuration: { 'parallelism.default': 2, 'execution.checkpointing.tolerable-failed-checkpoints': 1000 },
  }
  const client = await cluster.submit({
    jobId: id,
    plan: planOf(createJobGraph(buildJob(faultyJob, job.arguments, job.configuration))),
    job,
    checkpointStore,
    blobStore: { type: 'redis', clusterId: 'c1', prefix: blobPrefix('c1') },
    restore: undefined,
  })
  await expect.poll(() => existsSync(join(folder, 'exited-5000')), { timeout: 30_000 }).toBe(true)
  await server.restart()
  expect(await client.result).toMatchObject({ state: 'FINISHED', error: undefined })
  const out = join(folder, 'out')
  const lines = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .flatMap((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as { key: string; count: number })
  const expected = Array.from({ length: count }, (_, index) => `k${index % 7}:${Math.floor(index / 7) + 1}`)
  expect(lines.map((line) => `${line.key}:${line.count}`).toSorted()).toEqual(expected.toSorted())
  expect(await server.client.keys('*')).toEqual([keys.leader])
})
