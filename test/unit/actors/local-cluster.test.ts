import { expect, test } from 'vitest'
import { startLocalCluster } from '../../../src/actors/local-cluster.ts'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import { RestartStrategies } from '../../../src/api/restart-strategies.ts'
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.ts'
import { type ErrorData, MillraceError } from '../../../src/common/errors.ts'
import { jobId } from '../../../src/common/ids.ts'
import { silentLogger } from '../../../src/common/logger.ts'
import { systemPorts } from '../../../src/common/system-ports.ts'
import { datagen } from '../../../src/connectors/datagen/datagen-source.ts'
import type { JobStatus } from '../../../src/coordinator/job-master/job-status.ts'
import { QueuePort } from '../../../src/task/queue-port.ts'
import { enumeratorOf, InlineCluster, TransactionalList, until } from './inline-cluster.ts'

interface Counted {
  readonly key: string
  readonly count: number
}

const items = (size: number): readonly Counted[] =>
  Array.from({ length: size }, (_, index) => ({ key: `k${index % 7}`, count: 1 }))

/** Every value of a running count, once: what a job without faults gives. */
const expectedCounts = (size: number): readonly string[] =>
  items(size)
    .map(({ key }, index) => `${key}:${Math.floor(index / 7) + 1}`)
    .toSorted()

const textsOf = (output: TransactionalList<Counted>): readonly string[] =>
  output.committed.map(({ key, count }) => `${key}:${count}`).toSorted()

interface CountingJob {
  readonly size: number
  readonly output: TransactionalList<Counted>
  readonly parallelism?: number
  readonly interval?: string
  readonly restart?: ReturnType<(typeof RestartStrategies)[keyof typeof RestartStrategies]>
  onRecord?(value: Counted): void
}

function counting({ size, output, parallelism = 1, interval = '1ms', restart, onRecord }: CountingJob) {
  return (env: StreamExecutionEnvironment): void => {
    env.setParallelism(parallelism).enableCheckpointing(interval)
    env.setRestartStrategy(restart ?? RestartStrategies.fixedDelay({ attempts: 10, delay: '1ms' }))
    env
      .fromCollection(items(size))
      .map((value) => {
        onRecord?.(value)
        return value
      })
      .keyBy((value) => value.key)
      .reduce((a, b) => ({ key: a.key, count: a.count + b.count }))
      .sinkTo(output)
  }
}

/** Records a second of an endless stream: it goes on until somebody ends it. */
function endless(output: TransactionalList<Counted>, recordsPerSecond = 20_000) {
  return (env: StreamExecutionEnvironment): void => {
    env.enableCheckpointing('5ms').setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 10, delay: '1ms' }))
    env
      .fromSource(
        datagen({ generate: (index) => ({ key: `k${index % 7}`, count: 1 }), recordsPerSecond }),
        WatermarkStrategy.noWatermarks(),
        'endless',
      )
      .keyBy((value) => value.key)
      .reduce((a, b) => ({ key: a.key, count: a.count + b.count }))
      .sinkTo(output)
  }
}

/** A running count of n records gives each key's 1, 2, 3 …: no gap, no repeat. */
function expectNoGaps(output: TransactionalList<Counted>): void {
  const highest = new Map<string, number>()
  for (const { key, count } of output.committed) {
    expect(count).toBe((highest.get(key) ?? 0) + 1)
    highest.set(key, count)
  }
}

test('a bounded job ends FINISHED with every output once, committed by one checkpoint begun after its end (R12)', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(counting({ size: 1000, output, interval: '1h' }), { slots: 1 })
  const result = await cluster.run()
  expect(result).toMatchObject({ state: 'FINISHED', error: undefined, recordsIn: 1000, recordsOut: 1000, restarts: 0 })
  expect(textsOf(output)).toEqual(expectedCounts(1000))
  expect(cluster.store.operations).toEqual(['begin 1', 'complete 1', 'mark 1'])
})

test('a failing function restarts by fixed-delay, and every output is there once', async () => {
  const output = new TransactionalList<Counted>()
  let seen = 0
  const onRecord = (): void => {
    if ([2000, 5000, 9000].includes(++seen)) throw new Error('now and then')
  }
  const cluster = new InlineCluster(counting({ size: 12_000, output, parallelism: 2, onRecord }), { slots: 2 })
  const result = await cluster.run()
  expect(result).toMatchObject({ state: 'FINISHED', error: undefined })
  expect(result.restarts).toBe(3)
  expect(textsOf(output)).toEqual(expectedCounts(12_000))
})

test.each([[2], [3]])('a deployment spans %d TaskManagers, and comes again after failures', async (taskManagers) => {
  const output = new TransactionalList<Counted>()
  let seen = 0
  const onRecord = (): void => {
    if ([2000, 9000].includes(++seen)) throw new Error('now and then')
  }
  const build = counting({ size: 12_000, output, parallelism: 6, onRecord })
  const result = await new InlineCluster(build, { slots: 6 / taskManagers, taskManagers }).run()
  expect(result).toMatchObject({ state: 'FINISHED', error: undefined })
  expect(result.restarts).toBeGreaterThan(0)
  expect(textsOf(output)).toEqual(expectedCounts(12_000))
})

test('a function that always fails ends the job when the restart strategy gives up, with the last failure in the message', async () => {
  const output = new TransactionalList<Counted>()
  const onRecord = (): void => {
    throw new Error('always')
  }
  const restart = RestartStrategies.fixedDelay({ attempts: 2, delay: '1ms' })
  const cluster = new InlineCluster(counting({ size: 10, output, restart, onRecord }), { slots: 1 })
  const result = await cluster.run()
  expect(result).toMatchObject({ state: 'FAILED', restarts: 2, error: { code: 'MR_RESTARTS_EXHAUSTED' } })
  expect(result.error?.message).toMatch(/allows 2 restarts.*always/)
  expect(output.committed).toEqual([])
})

test('without a restart strategy the first failure is the error', async () => {
  const output = new TransactionalList<Counted>()
  const onRecord = (): void => {
    throw new Error('once')
  }
  const cluster = new InlineCluster(counting({ size: 10, output, restart: RestartStrategies.none(), onRecord }), {
    slots: 1,
  })
  expect(await cluster.run()).toMatchObject({ state: 'FAILED', restarts: 0, error: { code: 'MR_USER_FUNCTION' } })
})

test('a job that needs more slots than there are fails at once, with both numbers', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(counting({ size: 10, output, parallelism: 3 }), { slots: 2 })
  const { state, error } = await cluster.run()
  expect(state).toBe('FAILED')
  expect(error).toMatchObject({ code: 'MR_NOT_ENOUGH_SLOTS', message: expect.stringMatching(/needs 3 .*2 are/) })
})

test('the slots of a job that has ended are free for the next', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(counting({ size: 100, output, parallelism: 2, interval: '1h' }), { slots: 2 })
  for (const digit of ['1', '2', '3']) {
    expect(await cluster.run({ jobId: jobId(digit.repeat(32)) })).toMatchObject({ state: 'FINISHED' })
  }
  expect(output.committed.length).toBe(300)
})

test('a slot that dies restarts its region from the newest checkpoint, and nothing is lost or doubled', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(endless(output), { slots: 1 })
  const client = await cluster.submit()
  for (let kills = 1; kills <= 3; kills++) {
    const { completed } = client.status().checkpoints
    await until(client, (status) => status.state === 'RUNNING' && status.checkpoints.completed > completed + 1)
    cluster.host.kill(0, 'shot')
    await until(client, (status) => status.restarts === kills)
  }
  await until(client, (status) => status.state === 'RUNNING')
  client.drain()
  const result = await client.result
  expect(result).toMatchObject({ state: 'FINISHED', restarts: 3, error: undefined })
  expectNoGaps(output)
})

test('cancel ends a job CANCELED', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(endless(output), { slots: 1 })
  const client = await cluster.submit()
  await until(client, (status) => status.checkpoints.completed > 1)
  client.cancel()
  expect(await client.result).toMatchObject({ state: 'CANCELED', error: undefined })
  expectNoGaps(output)
})

test.each([
  ['the same run', true],
  ['a new run with a store of its own', false],
])('suspend ends with a checkpoint that is committed, and %s goes on from it without a gap', async (_, sameJob) => {
  const output = new TransactionalList<Counted>()
  const first = new InlineCluster(endless(output), { slots: 1 })
  const client = await first.submit()
  await until(client, (status) => status.checkpoints.completed > 1)
  client.suspend()
  expect(await client.result).toMatchObject({ state: 'SUSPENDED', error: undefined })
  const last = (await first.store.list()).at(-1)
  if (last === undefined) throw new Error('no checkpoint')
  expect(first.store.committed.has(last)).toBe(true)
  expectNoGaps(output)
  const sofar = output.committed.length

  const second = new InlineCluster(endless(output), { slots: 1 }, first.blobs)
  const restore = {
    record: await first.store.read(last),
    blobStore: { type: 'memory', name: 'own' },
    committed: true,
    sameJob,
  } as const
  const again = await second.submit({ restore, checkpointStore: sameJob ? first.store : second.store })
  await until(again, (status) => status.checkpoints.completed > 1)
  again.drain()
  expect(await again.result).toMatchObject({ state: 'FINISHED', error: undefined })
  expect(output.committed.length).toBeGreaterThan(sofar)
  expectNoGaps(output)
})

test('a new run from a finished checkpoint commits what was not committed, and is FINISHED (R12)', async () => {
  const output = new TransactionalList<Counted>()
  output.commitDelay = () => Promise.reject(new Error('the broker is away'))
  const job = counting({ size: 100, output, interval: '1h', restart: RestartStrategies.none() })
  const first = new InlineCluster(job, { slots: 1 })
  expect(await first.run()).toMatchObject({ state: 'FAILED' })
  const last = (await first.store.list()).at(-1)
  if (last === undefined) throw new Error('no checkpoint')
  expect(output.committed).toEqual([])
  output.commitDelay = async () => {}
  for (const sameJob of [false, true]) {
    const next = new InlineCluster(job, { slots: 1 }, first.blobs)
    const restore = {
      record: await first.store.read(last),
      blobStore: { type: 'memory', name: 'own' },
      sameJob,
    } as const
    const checkpointStore = sameJob ? first.store : next.store
    const result = await next.run({ restore: { ...restore, committed: false }, checkpointStore })
    expect(result).toMatchObject({ state: 'FINISHED', error: undefined, recordsIn: 0 })
    expect(textsOf(output)).toEqual(expectedCounts(100))
  }
  expect(first.store.committed.size).toBeGreaterThan(0)
})

test('while it is unknown whether a record was written, nothing is committed and nothing restarts; then it counts (R3)', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(counting({ size: 500, output, interval: '1h' }), { slots: 1 })
  let refusals = 0
  cluster.store.failing = (operation) => {
    if (operation !== 'complete 1' || ++refusals > 2) return 'no'
    expect(output.committed).toEqual([])
    return refusals === 1 ? 'before' : 'after'
  }
  expect(await cluster.run()).toMatchObject({ state: 'FINISHED', checkpoints: 1, restarts: 0 })
  expect(cluster.store.operations).toEqual(['begin 1', 'complete 1', 'complete 1', 'make durable 1', 'mark 1'])
  expect(textsOf(output)).toEqual(expectedCounts(500))
})

test('a damaged checkpoint fails a job with exactly-once sinks, naming the blob (R9)', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(endless(output), { slots: 1 })
  const client = await cluster.submit()
  await until(client, (status) => status.checkpoints.completed > 1)
  const blobs = await cluster.blobs.list('')
  await cluster.blobs.delete(blobs)
  cluster.host.kill(0, 'shot')
  const { state, error } = await client.result
  expect(state).toBe('FAILED')
  expect(error?.code).toBe('MR_CHECKPOINT_DAMAGED')
})

test('a job that takes checkpoints is refused without a store for them', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(counting({ size: 10, output }), { slots: 1 })
  const submitted = cluster.submit({ checkpointStore: undefined })
  await expect(submitted).rejects.toThrow(/there is no store for them/)
})

test('a source whose splits can not be found fails the job at once, with that error', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(counting({ size: 10, output }), {
    slots: 1,
    enumeratorOf: () => ({
      start: () => Promise.reject(new MillraceError('MR_KAFKA_UNREACHABLE', 'no broker of localhost:1 answered')),
      restore: async (known) => known,
      discover: async () => [],
      checkpointCompleted: async () => {},
      close: async () => {},
    }),
  })
  const { state, error } = await cluster.run()
  expect(state).toBe('FAILED')
  expect(error).toMatchObject({ code: 'MR_KAFKA_UNREACHABLE', message: 'no broker of localhost:1 answered' })
})

test('the status tells the state, the counts and the last checkpoint', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(counting({ size: 1000, output, interval: '1h' }), { slots: 1 })
  const client = await cluster.submit()
  const states: string[] = []
  client.onChange((status: JobStatus) => {
    if (states.at(-1) !== status.state) states.push(status.state)
  })
  await client.result
  expect(states).toEqual(expect.arrayContaining(['INITIALIZING', 'RUNNING', 'FINISHED']))
  const { checkpoints, metrics } = client.status()
  expect(checkpoints).toMatchObject({ completed: 1, failed: 0, inProgress: false })
  expect(checkpoints.last?.writtenBytes).toBeGreaterThan(0)
  expect(metrics).toMatchObject({ recordsIn: 1000, recordsOut: 1000 })
})

test('a cluster is closed with a job running in it', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(endless(output), { slots: 1 })
  const client = await cluster.submit()
  await until(client, (status) => status.state === 'RUNNING')
  await cluster.cluster.close()
  expect(await client.result).toMatchObject({ state: 'CANCELED' })
  expect(startLocalCluster).toBeTypeOf('function')
})

test('a cluster is closed while a job is being submitted, and takes none after it', async () => {
  const cluster = new InlineCluster(endless(new TransactionalList<Counted>()), { slots: 1 })
  const submitting = cluster.submit()
  await cluster.cluster.close()
  expect(await (await submitting).result).toMatchObject({ state: 'CANCELED' })
  await expect(cluster.submit()).rejects.toThrow(/closed/)
})

test('a listener that throws keeps nobody from hearing how the job ends', async () => {
  const cluster = new InlineCluster(counting({ size: 10, output: new TransactionalList<Counted>() }), { slots: 1 })
  const client = await cluster.submit()
  client.onChange(() => {
    throw new Error('in a listener')
  })
  expect(await client.result).toMatchObject({ state: 'FINISHED' })
})

test('a thread that does not end while the cluster is closed ends the process (R32)', async () => {
  const cluster = new InlineCluster(counting({ size: 10, output: new TransactionalList<Counted>() }), { slots: 1 })
  const submission = cluster.submission()
  const configuration = { ...submission.plan.configuration, cancellationTimeoutMs: 5 }
  let exit = (): void => {}
  const killed: ErrorData[] = []
  const stuck = startLocalCluster({
    ports: systemPorts,
    slotHost: {
      start: (_, listener) => {
        exit = () => listener.exit({ type: 'stopped' })
        return { send: () => {}, terminate: () => {} }
      },
      connect: () => [undefined, undefined],
      portOf: () => QueuePort.pair()[0],
    },
    numberOfTaskSlots: 1,
    slotMemory: { heapLimitBytes: 2 ** 30, managedBytes: 2 ** 20 },
    enumeratorOf,
    logger: silentLogger,
    killProcess: (error) => {
      killed.push(error)
      exit()
    },
  })
  const client = await stuck.submit({ ...submission, plan: { ...submission.plan, configuration } })
  await until(client, (status) => status.state === 'INITIALIZING')
  await stuck.close()
  expect(await client.result).toMatchObject({ state: 'CANCELED' })
  expect(killed).toMatchObject([{ code: 'MR_CANCELLATION_TIMEOUT' }])
})

test('a checkpoint whose parts do not fit their base is aborted before its record is written (R1)', async () => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(counting({ size: 100, output, interval: '1h' }), { slots: 1 })
  cluster.store.violation = 'a manifest names what its base does not'
  const client = await cluster.submit()
  client.onChange(({ restarts }) => {
    if (restarts > 0) cluster.store.violation = undefined
  })
  expect(await client.result).toMatchObject({ state: 'FINISHED', restarts: 1 })
  expect(client.status().checkpoints).toMatchObject({ completed: 1, failed: 1 })
  expect(cluster.store.operations).toEqual(['begin 1', 'begin 2', 'complete 2', 'mark 2'])
  expect(textsOf(output)).toEqual(expectedCounts(100))
})
