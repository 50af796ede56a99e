import { expect, test } from 'vitest'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import { RestartStrategies } from '../../../src/api/restart-strategies.ts'
import { WatermarkStrategy } from '../../../src/api/watermark-strategy.ts'
import { datagen } from '../../../src/connectors/datagen/datagen-source.ts'
import { TransactionalList } from './inline-cluster.ts'
import { eventually, ReplaceableCluster } from './replaceable-cluster.ts'

interface Counted {
  readonly key: string
  readonly count: number
}

/** Goes on until it is drained. */
const counting = (output: TransactionalList<Counted>) => (env: StreamExecutionEnvironment) => {
  env.setParallelism(2).enableCheckpointing('5ms')
  env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 10, delay: '1ms' }))
  env
    .fromSource(
      datagen({ generate: (index) => ({ key: `k${index % 7}`, count: 1 }), recordsPerSecond: 20_000 }),
      WatermarkStrategy.noWatermarks(),
      'endless',
    )
    .keyBy((value) => value.key)
    .reduce((one, other) => ({ key: one.key, count: one.count + other.count }))
    .sinkTo(output)
}

/** A running count gives each key's 1, 2, 3 …: no gap, no repeat. */
function expectNoGaps(output: TransactionalList<Counted>): void {
  const highest = new Map<string, number>()
  for (const { key, count } of output.committed) {
    expect(count).toBe((highest.get(key) ?? 0) + 1)
    highest.set(key, count)
  }
}

async function running(taskManagers: Readonly<Record<string, number>>) {
  const output = new TransactionalList<Counted>()
  const cluster = new ReplaceableCluster(counting(output))
  cluster.lead()
  for (const [name, slots] of Object.entries(taskManagers)) cluster.startTaskManager(name, slots)
  cluster.submit()
  const goesOn = async (): Promise<void> => {
    const committed = output.committed.length
    await eventually('more is committed', () => output.committed.length > committed + 500)
  }
  await goesOn()
  const ends = async (restarts: number): Promise<void> => {
    cluster.drain()
    await eventually('the job has ended', () => cluster.hasEnded)
    expect(cluster.status).toMatchObject({ state: 'FINISHED', restarts })
    expectNoGaps(output)
    await eventually('the job is forgotten', () => cluster.storedJobs.length === 0)
  }
  return { cluster, goesOn, ends }
}

test('tasks run on without a leader, and the next one adopts them as they are: no restart, every output once (R23)', async () => {
  const { cluster, goesOn, ends } = await running({ a: 1, b: 1 })
  for (let times = 0; times < 3; times++) {
    await cluster.killLeader()
    cluster.lead()
    await goesOn()
  }
  await ends(0)
})

test('a TaskManager that dies costs one restart in a slot of another one', async () => {
  const { cluster, goesOn, ends } = await running({ a: 1, b: 1, c: 1 })
  await cluster.killTaskManager('a')
  await eventually('it restarts', () => cluster.status?.restarts === 1)
  await goesOn()
  await ends(1)
  expect([...cluster.plane.taskManagers.keys()].toSorted()).toEqual(['b', 'c'])
})

test('a leader and a TaskManager that die together: what is missing restarts', async () => {
  const { cluster, goesOn, ends } = await running({ a: 1, b: 1, c: 1 })
  await Promise.all([cluster.killLeader(), cluster.killTaskManager('b')])
  cluster.lead()
  await eventually('it restarts', () => cluster.status?.restarts === 1)
  await goesOn()
  await ends(1)
})

test.each([
  ['of a TaskManager to the job', 'task-manager/a', 'job-master/', ''],
  // Others come after it, by whose numbers the loss is noticed.
  ['of the job to a TaskManager', 'job-master/', 'task-manager/a', 'checkpointCompleted'],
  ['of a TaskManager to the leader', 'task-manager/a', 'job-manager', ''],
  ['of the leader to a TaskManager', 'job-manager', 'task-manager/a', ''],
])('lost messages %s: all is asked for again, and nothing restarts (R22)', async (_, from, to, text) => {
  const { cluster, goesOn, ends } = await running({ a: 1, b: 1 })
  let lost = 0
  cluster.fate = (envelope, address) => {
    const isMeant = envelope.from.startsWith(from) && address.startsWith(to) && lost < 2
    if (!isMeant || !JSON.stringify(envelope.body).includes(text)) return 'deliver'
    lost++
    return 'lose'
  }
  await eventually('messages are lost', () => lost === 2)
  await goesOn()
  await goesOn()
  await ends(0)
})

test('a TaskManager that is to leave goes when its job has a checkpoint and slots elsewhere (R29)', async () => {
  const { cluster, goesOn, ends } = await running({ a: 1, b: 1, c: 1 })
  const leaving = cluster.status?.taskManagers[0]?.slice('task-manager/'.length) ?? ''
  cluster.tellTaskManager(leaving, { type: 'leave', graceMs: 15_000 })
  await eventually('it has left', () => cluster.left.includes(leaving))
  await eventually('its regions restart elsewhere', () => cluster.status?.restarts === 1)
  await goesOn()
  await ends(1)
})
