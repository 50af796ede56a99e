import { expect, test } from 'vitest'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import { RestartStrategies } from '../../../src/api/restart-strategies.ts'
import type { Sink } from '../../../src/api/sink.ts'
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.ts'
import { MillraceError } from '../../../src/common/errors.ts'
import { datagen } from '../../../src/connectors/datagen/datagen-source.ts'
import { InlineCluster, TransactionalList, until } from './inline-cluster.ts'

const fast = RestartStrategies.fixedDelay({ attempts: 100, delay: '1ms' })

/** What the sink of region `name` sees, and a switch that makes the region fail once. */
class Island {
  readonly output = new TransactionalList<number>()
  starts = 0
  failNext = false
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  build(env: StreamExecutionEnvironment, count?: number): void {
    const options = { generate: (index: number) => index, recordsPerSecond: 20_000 }
    env
      .fromSource(
        datagen(count === undefined ? options : { ...options, count }),
        WatermarkStrategy.noWatermarks(),
        `source ${this.#name}`,
      )
      .process({
        open: () => {
          this.starts++
        },
        processElement: (value, _context, out) => {
          if (this.failNext) {
            this.failNext = false
            throw new Error(`${this.#name} fails`)
          }
          out.collect(value)
        },
      })
      .name(`check ${this.#name}`)
      .sinkTo(this.output)
      .name(`sink ${this.#name}`)
  }
}

const inOrder = (size: number): readonly number[] => Array.from({ length: size }, (_, index) => index)

test('only the region that fails restarts, in the slot that both share, and both go on without a gap (R13)', async () => {
  const [left, right] = [new Island('left'), new Island('right')]
  const cluster = new InlineCluster(
    (env) => {
      env.enableCheckpointing('5ms').setRestartStrategy(fast)
      left.build(env)
      right.build(env)
    },
    { slots: 1 },
  )
  const client = await cluster.submit()
  for (let failure = 1; failure <= 3; failure++) {
    const { completed } = client.status().checkpoints
    await until(client, (status) => status.state === 'RUNNING' && status.checkpoints.completed > completed + 1)
    left.failNext = true
    await until(client, (status) => status.restarts === failure)
  }
  await until(client, (status) => status.state === 'RUNNING')
  client.drain()
  expect(await client.result).toMatchObject({ state: 'FINISHED', restarts: 3 })
  expect([left.starts, right.starts]).toEqual([4, 1])
  for (const { output } of [left, right]) expect(output.committed).toEqual(inOrder(output.committed.length))
})

test('a region that ends does not wait for another: it is committed and finished while that runs on, and stays finished over restarts (R12)', async () => {
  const [short, long] = [new Island('short'), new Island('long')]
  const cluster = new InlineCluster(
    (env) => {
      env.enableCheckpointing('1h').setRestartStrategy(fast)
      short.build(env, 100)
      long.build(env)
    },
    { slots: 1 },
  )
  const client = await cluster.submit()
  await until(client, (status) => status.checkpoints.completed === 1 && cluster.store.committed.size === 1)
  expect(short.output.committed).toEqual(inOrder(100))
  long.failNext = true
  await until(client, (status) => status.restarts === 1)
  await until(client, (status) => status.state === 'RUNNING')
  client.drain()
  expect(await client.result).toMatchObject({ state: 'FINISHED' })
  expect(short.starts).toBe(1)
  expect(short.output.committed).toEqual(inOrder(100))
  expect(long.output.committed).toEqual(inOrder(long.output.committed.length))
})

test('a job without exactly-once sinks goes back to the checkpoint before a damaged one by itself (R9)', async () => {
  const seen: number[] = []
  const list: Sink<number> = {
    connector: 'seen',
    deliveryGuarantee: 'at-least-once',
    createWriter: () => ({
      writable: true,
      write: (value) => void seen.push(value),
      prepareCommit: async () => [],
      commit: async () => {},
      close: async () => {},
    }),
  }
  const cluster = new InlineCluster(
    (env) => {
      env.enableCheckpointing('5ms').setRestartStrategy(RestartStrategies.none())
      env
        .fromSource(
          datagen({ generate: (index) => index, recordsPerSecond: 20_000 }),
          WatermarkStrategy.noWatermarks(),
          'source',
        )
        .sinkTo(list)
    },
    { slots: 1 },
  )
  const client = await cluster.submit()
  await until(client, (status) => status.checkpoints.completed > 2)
  client.suspend()
  expect(await client.result).toMatchObject({ state: 'SUSPENDED' })
  const [older, newest] = (await cluster.store.list()).slice(-2)
  if (older === undefined || newest === undefined) throw new Error('no two checkpoints')
  await cluster.blobs.delete((await cluster.blobs.list('')).filter((name) => name.includes(`/chk-${newest}/`)))
  const again = new InlineCluster(
    (env) => {
      env.enableCheckpointing('5ms').setRestartStrategy(RestartStrategies.none())
      env
        .fromSource(
          datagen({ generate: (index) => index, recordsPerSecond: 20_000 }),
          WatermarkStrategy.noWatermarks(),
          'source',
        )
        .sinkTo(list)
    },
    { slots: 1 },
    cluster.blobs,
  )
  const record = await cluster.store.read(newest)
  const restore = { record, blobStore: { type: 'memory', name: 'own' }, committed: true, sameJob: true } as const
  const restored = await again.submit({ restore, checkpointStore: cluster.store })
  await until(restored, (status) => status.checkpoints.completed > 1)
  expect(restored.status()).toMatchObject({ restarts: 1, lastFailure: { code: 'MR_CHECKPOINT_DAMAGED' } })
  restored.drain()
  expect(await restored.result).toMatchObject({ state: 'FINISHED' })
  expect(new Set(seen).size).toBe(Math.max(...seen) + 1)
})

test('splits that appear while the job runs are read from their first record', async () => {
  const output = new TransactionalList<number>()
  const from = (id: string, next: number) => ({ id, position: { next, step: 2, end: next + 20 } })
  let looks = 0
  const cluster = new InlineCluster(
    (env) => {
      env.enableCheckpointing('5ms').setRestartStrategy(fast)
      env.fromSource(datagen({ generate: (index) => index }), WatermarkStrategy.noWatermarks(), 'source').sinkTo(output)
    },
    {
      slots: 1,
      enumeratorOf: () => ({
        start: async () => [from('even', 0)],
        restore: async (known) => known,
        discoveryIntervalMs: 2,
        discover: async (known) => {
          looks++
          if (looks === 1) throw new MillraceError('MR_KAFKA', 'the broker is busy')
          return known.has('odd') ? [] : [from('odd', 1)]
        },
        checkpointCompleted: async () => {},
        close: async () => {},
      }),
    },
  )
  const client = await cluster.submit()
  await until(client, () => output.committed.length === 20)
  client.drain()
  expect(await client.result).toMatchObject({ state: 'FINISHED' })
  expect(output.committed.toSorted((a, b) => a - b)).toEqual(inOrder(20))
})
