// npm run bench:state [-- --keys 1000000 --tier untyped|declared --value counts|strings]
// Keyed state alone, in one thread: what an update costs, how long a checkpoint stops the loop, how much it writes, how
// long a restore takes, how much a key takes, and the longest garbage collection. Prints one line of JSON.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PerformanceObserver, performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { attemptId, checkpointId, jobId, vertexId } from '../src/common/ids.ts'
import { hashKey } from '../src/common/key.ts'
import { slicedBuffer } from '../src/formats/avro-primitives.ts'
import { double, record, string } from '../src/formats/index.ts'
import { FolderBlobStore } from '../src/state/filesystem/folder-blob-store.ts'
import { type AccumulatorState, KeyedStateBackend } from '../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../src/state/managed-memory.ts'
import { OperatorStateBackend } from '../src/state/operator-state-backend.ts'
import { readManifest, restoreOperator } from '../src/state/restore.ts'
import type { SubtaskManifest } from '../src/state/subtask-manifest.ts'
import { SubtaskSnapshots } from '../src/state/subtask-snapshots.ts'

const { values: flags } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    tier: { type: 'string', default: 'untyped' },
    value: { type: 'string', default: 'counts' },
    updates: { type: 'string', default: '2000000' },
  },
})
const keyCount = Number(flags.keys)
const batchSize = 500
const maxParallelism = 128
const keyLength = 10

interface Accumulator {
  count: number
  sum: number
  last: string
}
const withText = flags.value === 'strings'
const create = (): Accumulator => ({ count: 0, sum: 0, ...(withText ? { last: '' } : {}) }) as Accumulator
const fields = { count: double(), sum: double() }
const declared = withText ? record({ ...fields, last: string() }) : record(fields)

/** A batch of keys as they come from a decoder: fresh strings, hashes shipped along. */
const keyBytes = slicedBuffer(Buffer.alloc(keyLength * batchSize))
const keys: string[] = new Array(batchSize).fill('')
const hashes = new Int32Array(batchSize)

function fill(numberAt: (index: number) => number, count = batchSize): void {
  for (let index = 0; index < count; index++) {
    keyBytes.latin1Write(`u${String(numberAt(index)).padStart(9, '0')}`, index * keyLength)
    const key = keyBytes.latin1Slice(index * keyLength, (index + 1) * keyLength)
    keys[index] = key
    hashes[index] = hashKey(key)
  }
}

function newBackend(): KeyedStateBackend {
  return new KeyedStateBackend({
    keyGroups: { from: 0, to: maxParallelism },
    maxParallelism,
    memory: new ManagedMemory(2 ** 34),
    operatorName: 'bench',
  })
}

const accumulatorsOf = (backend: KeyedStateBackend): AccumulatorState<Accumulator> =>
  backend.accumulators<Accumulator>('sums', {
    create,
    type: flags.tier === 'declared' ? (declared as never) : undefined,
  })

function update(backend: KeyedStateBackend, accumulators: AccumulatorState<Accumulator>, count = batchSize): void {
  for (let index = 0; index < count; index++) {
    backend.setCurrentKey(keys[index] as string, hashes[index] as number)
    const accumulator = accumulators.forUpdate()
    accumulator.count++
    accumulator.sum += index
    if (withText) accumulator.last = keys[index] as string
  }
}

let seed = 1
/** A linear congruential generator: the same keys in each run. */
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed % below
}

let longestCollectionMs = 0
/** Collections before are not counted, such as those that this benchmark asks for. */
let collectionsFrom = Number.POSITIVE_INFINITY
new PerformanceObserver((list) => {
  for (const { duration, startTime } of list.getEntries()) {
    if (startTime >= collectionsFrom) longestCollectionMs = Math.max(longestCollectionMs, duration)
  }
}).observe({ entryTypes: ['gc'] })
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function usedBytes(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-state-'))
const blobStore = new FolderBlobStore(folder)

interface CheckpointFigures {
  readonly ms: number
  /** CPU time of the thread, that of the records in between included. */
  readonly cpuMs: number
  readonly megabytes: number
  /** The synchronous part at the barrier. */
  readonly beginMs: number
  /** The longest slice of writing, without the records between two slices. */
  readonly longestSliceMs: number
  /** The longest turn of the loop: a batch of records and a slice. */
  readonly longestTurnMs: number
  /** The same in CPU time of the thread, collections on it included, to within 4 ms: where the machine has other work. */
  readonly longestTurnCpuMs: number
  readonly manifest: SubtaskManifest
}

function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1000
}

/** A checkpoint while records come in, as a subtask does it: a batch, a slice, a turn of the event loop. */
async function checkpoint(
  snapshots: SubtaskSnapshots,
  backend: KeyedStateBackend,
  options: { readonly id: number; readonly base: number; readonly records: () => void },
): Promise<CheckpointFigures> {
  const barrier = {
    id: checkpointId(options.id),
    base: checkpointId(options.base),
    kind: 'checkpoint',
  } as const
  const start = performance.now()
  const usedBefore = process.threadCpuUsage()
  const part = {
    keyed: backend.snapshot(barrier),
    operatorState: undefined,
    committables: undefined,
    watermark: 0,
  }
  const snapshot = snapshots.begin(barrier, [{ uid: 'bench', snapshot: part }])
  const beginMs = performance.now() - start
  let [longestSliceMs, longestTurnMs, longestTurnCpuMs] = [0, beginMs, 0]
  for (let isDrained = false; !isDrained; ) {
    const turn = performance.now()
    const used = process.threadCpuUsage()
    options.records()
    const slice = performance.now()
    isDrained = snapshot.step(500)
    const end = performance.now()
    longestSliceMs = Math.max(longestSliceMs, end - slice)
    longestTurnMs = Math.max(longestTurnMs, end - turn)
    longestTurnCpuMs = Math.max(longestTurnCpuMs, cpuMsSince(used))
    await nextTurn()
  }
  const result = await snapshot.finish()
  const ms = performance.now() - start
  const cpuMs = cpuMsSince(usedBefore)
  snapshots.checkpointCompleted(barrier.id)
  const manifest = await readManifest(blobStore, result.manifest)
  return {
    ms,
    cpuMs,
    megabytes: result.writtenBytes / 2 ** 20,
    beginMs,
    longestSliceMs,
    longestTurnMs,
    longestTurnCpuMs,
    manifest,
  }
}

const before = usedBytes()
const backend = newBackend()
const accumulators = accumulatorsOf(backend)
let insertMs = 0
let longestInsertMs = 0
let longestInsertCpuMs = 0
for (let first = 0; first < keyCount; first += batchSize) {
  const count = Math.min(batchSize, keyCount - first)
  fill((index) => first + index, count)
  const start = performance.now()
  const used = process.threadCpuUsage()
  update(backend, accumulators, count)
  const ms = performance.now() - start
  insertMs += ms
  longestInsertCpuMs = Math.max(longestInsertCpuMs, cpuMsSince(used))
  longestInsertMs = Math.max(longestInsertMs, ms)
}
await nextTurn()
const bytesPerKey = (usedBytes() - before) / keyCount
collectionsFrom = performance.now()

/** Median of samples, since the machine has other work. */
function updateNs(below: number): number {
  const samples: number[] = []
  for (let done = 0; done < Number(flags.updates); done += batchSize) {
    fill(() => random(below))
    const start = process.hrtime.bigint()
    update(backend, accumulators)
    samples.push(Number(process.hrtime.bigint() - start) / batchSize)
  }
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] as number
}
updateNs(keyCount)
const uniformNs = updateNs(keyCount)
const hotNs = updateNs(Math.min(10_000, keyCount))
await nextTurn()

const recordsOf = (below: number) => () => {
  fill(() => random(below))
  update(backend, accumulators)
}
const snapshots = new SubtaskSnapshots({
  blobStore,
  jobId: jobId('job'),
  vertexId: vertexId('vertex'),
  attemptId: attemptId('attempt'),
  subtaskIndex: 0,
  parallelism: 1,
  maxParallelism,
})
const full = await checkpoint(snapshots, backend, { id: 1, base: 0, records: recordsOf(keyCount) })
const settled = await checkpoint(snapshots, backend, { id: 2, base: 1, records: () => undefined })
const onePercent = Math.ceil(keyCount / 100)
for (let first = 0; first < onePercent; first += batchSize) {
  fill((index) => first + index)
  update(backend, accumulators)
}
const delta = await checkpoint(snapshots, backend, { id: 3, base: 2, records: recordsOf(onePercent) })
const loopCollectionMs = longestCollectionMs
const peakMegabytes = process.resourceUsage().maxRSS / 1024

backend.dispose()
const restoreStart = performance.now()
const restoreUsed = process.threadCpuUsage()
const restored = newBackend()
await restoreOperator({
  blobStore,
  operatorUid: 'bench',
  operatorName: 'bench',
  checkpointId: 3,
  manifests: [{ subtaskIndex: 0, parallelism: 1, manifest: delta.manifest }],
  subtaskIndex: 0,
  parallelism: 1,
  maxParallelism,
  ownManifestIsBase: true,
  committed: false,
  keyedState: restored,
  operatorState: new OperatorStateBackend('bench'),
})
fill((index) => index)
update(restored, accumulatorsOf(restored))
const recoveryMs = performance.now() - restoreStart
const recoveryCpuMs = cpuMsSince(restoreUsed)
rmSync(folder, { recursive: true, force: true })

const round = (value: number): number => Number(value.toPrecision(3))
process.stdout.write(
  `${JSON.stringify({
    tier: flags.tier,
    value: flags.value,
    keys: keyCount,
    insert_ns: round((insertMs * 1e6) / keyCount),
    longest_insert_batch_ms: round(longestInsertMs),
    longest_insert_batch_cpu_ms: round(longestInsertCpuMs),
    update_ns: round(uniformNs),
    hot_update_ns: round(hotNs),
    bytes_per_key: round(bytesPerKey),
    full: figures(full),
    settled_ms: round(settled.ms),
    settled_cpu_ms: round(settled.cpuMs),
    one_percent: figures(delta),
    longest_gc_ms: round(loopCollectionMs),
    recovery_ms: round(recoveryMs),
    recovery_cpu_ms: round(recoveryCpuMs),
    peak_rss_mb: round(peakMegabytes),
  })}\n`,
)

function figures({
  ms,
  cpuMs,
  megabytes,
  beginMs,
  longestSliceMs,
  longestTurnMs,
  longestTurnCpuMs,
}: CheckpointFigures): object {
  return {
    ms: round(ms),
    cpu_ms: round(cpuMs),
    mb: round(megabytes),
    begin_ms: round(beginMs),
    longest_slice_ms: round(longestSliceMs),
    longest_turn_ms: round(longestTurnMs),
    longest_turn_cpu_ms: round(longestTurnCpuMs),
  }
}
