// npm run bench:redis-state [-- --keys 1000000 --url redis://localhost:6379]
// A checkpoint of keyed state to Redis, in one thread: how long until a full one and one of all keys again are durable and
// recorded, how much memory of Redis a key takes, and how long reading it back takes. Without --url a redis-server of its
// own is started with appendfsync always. Prints one line of JSON.
import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { attemptId, checkpointId, jobId, leaderToken, vertexId } from '../src/common/ids.ts'
import { hashKey } from '../src/common/key.ts'
import { systemClock } from '../src/common/system-ports.ts'
import { double, record } from '../src/formats/index.ts'
import { controlKeys } from '../src/redis/control-keys.ts'
import { openRedis } from '../src/redis/redis-connection.ts'
import type { CheckpointRecord } from '../src/state/checkpoint-record.ts'
import { KeyedStateBackend } from '../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../src/state/managed-memory.ts'
import { blobPrefix } from '../src/state/redis/blob-keys.ts'
import { RedisBlobStore } from '../src/state/redis/redis-blob-store.ts'
import { RedisCheckpointStore } from '../src/state/redis/redis-checkpoint-store.ts'
import { SubtaskSnapshots } from '../src/state/subtask-snapshots.ts'
import { RedisServer } from '../test/integration/support/redis.ts'

const { values: flags } = parseArgs({
  options: { keys: { type: 'string', default: '100000' }, url: { type: 'string' } },
})
const keyCount = Number(flags.keys)
const maxParallelism = 128
const server = flags.url === undefined ? await RedisServer.start() : undefined
const redis = { urls: [flags.url ?? server?.url ?? ''], key: '--url' }

const backend = new KeyedStateBackend({
  keyGroups: { from: 0, to: maxParallelism },
  maxParallelism,
  memory: new ManagedMemory(2 ** 34),
  operatorName: 'bench',
})
const accumulators = backend.accumulators<{ count: number; sum: number }>('sums', {
  create: () => ({ count: 0, sum: 0 }),
  type: record({ count: double(), sum: double() }) as never,
})

function updateAll(): void {
  for (let index = 0; index < keyCount; index++) {
    const key = `u${String(index).padStart(9, '0')}`
    backend.setCurrentKey(key, hashKey(key))
    const accumulator = accumulators.forUpdate()
    accumulator.count++
    accumulator.sum += index
  }
}

const keys = controlKeys('bench')
const connection = await openRedis(redis)
const token = leaderToken('bench:1')
await connection.call('SET', keys.leader, token)
const blobStore = new RedisBlobStore(redis, blobPrefix('bench'), systemClock)
const checkpointStore = new RedisCheckpointStore({
  jobId: jobId('job'),
  keys,
  connect: async () => connection,
  token: () => token,
  blobStore,
})
const snapshots = new SubtaskSnapshots({
  blobStore,
  jobId: jobId('job'),
  vertexId: vertexId('vertex'),
  attemptId: attemptId('attempt'),
  subtaskIndex: 0,
  parallelism: 1,
  maxParallelism,
})

async function usedMemory(): Promise<number> {
  const info = String(await connection.call('INFO', 'memory'))
  return Number(/used_memory:(\d+)/.exec(info)?.[1])
}

function recordOf(
  id: number,
  manifest: Awaited<ReturnType<ReturnType<SubtaskSnapshots['begin']>['finish']>>['manifest'],
) {
  const subtasks = [{ manifest, splits: [], finished: false, hasCommittables: false }]
  const vertex = { vertexId: vertexId('vertex'), operatorUids: ['bench'], parallelism: 1, maxParallelism, subtasks }
  return {
    formatVersion: 1,
    jobId: jobId('job'),
    jobName: 'bench',
    id: checkpointId(id),
    kind: 'checkpoint',
    triggeredAt: 0,
    completedAt: 0,
    graphHash: '',
    vertices: [vertex],
  } as const satisfies CheckpointRecord
}

async function checkpoint(base: number): Promise<{ ms: number; recordMs: number; megabytes: number }> {
  updateAll()
  await nextTurn()
  const start = performance.now()
  const id = await checkpointStore.begin()
  const barrier = { id, base: checkpointId(base), kind: 'checkpoint' } as const
  const part = { keyed: backend.snapshot(barrier), operatorState: undefined, committables: undefined, watermark: 0 }
  const snapshot = snapshots.begin(barrier, [{ uid: 'bench', snapshot: part }])
  while (!snapshot.step(500)) await nextTurn()
  const result = await snapshot.finish()
  const acknowledged = performance.now()
  await checkpointStore.complete(recordOf(id, result.manifest))
  const end = performance.now()
  snapshots.checkpointCompleted(id)
  return { ms: end - start, recordMs: end - acknowledged, megabytes: result.writtenBytes / 2 ** 20 }
}

const before = await usedMemory()
const full = await checkpoint(0)
const bytesPerKey = ((await usedMemory()) - before) / keyCount
const changed = await checkpoint(1)
await checkpointStore.retain(1)
const readStart = performance.now()
for (const name of await blobStore.list('job/')) await blobStore.get(name)
const readMs = performance.now() - readStart
const discardStart = performance.now()
await checkpointStore.discard()
const discardMs = performance.now() - discardStart

const round = (value: number) => Math.round(value * 10) / 10
const figuresOf = ({ ms, recordMs, megabytes }: Awaited<ReturnType<typeof checkpoint>>) => ({
  ms: round(ms),
  recordMs: round(recordMs),
  megabytes: round(megabytes),
})
console.log(
  JSON.stringify({
    keys: keyCount,
    full: figuresOf(full),
    allChanged: figuresOf(changed),
    redisBytesPerKey: round(bytesPerKey),
    readMs: round(readMs),
    discardMs: round(discardMs),
  }),
)
blobStore.close()
connection.close()
await server?.stop()
