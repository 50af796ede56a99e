import { afterEach, describe, expect, it } from 'vitest'
import { ClusterProcesses, until } from './support/cluster.ts'

const count = 6000

describe('a cluster of processes', () => {
  let started: Awaited<ReturnType<typeof ClusterProcesses.start>> | undefined
  afterEach(async () => {
    await started?.cluster.stop()
    started = undefined
  })

  /** Numbers at a known rate, keyed, so that they cross from TaskManager to TaskManager; each is published once. */
  const jobOf = (cluster: ClusterProcesses): string =>
    cluster.folder.write(
      'numbers.ts',
      `import { datagen, job, WatermarkStrategy } from 'millrace'
import { FileSink } from 'millrace/filesystem'
export default job('numbers', (env) => {
  env.fromSource(datagen({ generate: (index: number) => ({ index }), count: ${count}, recordsPerSecond: 1500 }), WatermarkStrategy.noWatermarks(), 'numbers')
    .keyBy((number) => number.index % 7)
    .reduce((_, number) => number)
    .sinkTo(FileSink.of<{ index: number }>({ folder: ${JSON.stringify(`${cluster.folder.path}/out`)} }))
})
`,
    )
  const flags = [
    '-p',
    '4',
    '-D',
    'execution.checkpointing.interval=300ms',
    '-D',
    'restart-strategy.type=fixed-delay',
    '-D',
    'restart-strategy.fixed-delay.attempts=100',
    '-D',
    'restart-strategy.fixed-delay.delay=100ms',
  ]

  const expectAll = (cluster: ClusterProcesses): void => {
    const found = cluster.lines('out').map((line) => (JSON.parse(line) as { index: number }).index)
    expect(found.toSorted((one, other) => one - other)).toEqual(Array.from({ length: count }, (_, index) => index))
  }

  it('runs a job over two TaskManagers, and keeps no key of it', async () => {
    started = await ClusterProcesses.start({ jobManagers: 1, taskManagers: 2 })
    const { cluster, jobManagers } = started
    const result = await cluster.run(jobOf(cluster), jobManagers, flags).result
    expect(result.stderr).toContain('started')
    expect(JSON.parse(result.stdout)).toMatchObject({ state: 'FINISHED', restarts: 0 })
    expectAll(cluster)
    await until('nothing of the job is left', async () => (await cluster.keysOfJobs()).length === 0)
  })

  it('goes on from the latest checkpoint when a TaskManager is killed', async () => {
    started = await ClusterProcesses.start({ jobManagers: 1, taskManagers: 3 })
    const { cluster, jobManagers, taskManagers } = started
    const run = cluster.run(jobOf(cluster), jobManagers, flags)
    await until('something is published', () => cluster.lines('out').length > 0)
    for (const { child } of taskManagers.slice(0, 1)) child.kill('SIGKILL')
    const result = await run.result
    expect(JSON.parse(result.stdout)).toMatchObject({ state: 'FINISHED' })
    expectAll(cluster)
    await until('nothing of the job is left', async () => (await cluster.keysOfJobs()).length === 0)
  })

  it('restarts nothing when the leader is killed and a standby takes over', async () => {
    started = await ClusterProcesses.start({ jobManagers: 2, taskManagers: 2 })
    const { cluster, jobManagers } = started
    const run = cluster.run(jobOf(cluster), jobManagers, flags)
    await until('something is published', () => cluster.lines('out').length > 0)
    jobManagers.find((each) => each.stderr().includes('the JobManager leads'))?.child.kill('SIGKILL')
    const result = await run.result
    expect(JSON.parse(result.stdout)).toMatchObject({ state: 'FINISHED', restarts: 0 })
    expectAll(cluster)
    await until('nothing of the job is left', async () => (await cluster.keysOfJobs()).length === 0)
  })

  it('goes on by itself when all processes were killed and are started again', async () => {
    started = await ClusterProcesses.start({ jobManagers: 1, taskManagers: 2 })
    const { cluster, jobManagers, taskManagers } = started
    const run = cluster.run(jobOf(cluster), jobManagers, [...flags, '-d'])
    await until('something is published', () => cluster.lines('out').length > 0)
    for (const { child } of [...jobManagers, ...taskManagers]) child.kill('SIGKILL')
    expect((await run.result).code).toBe(0)
    await cluster.jobManager()
    await Promise.all([cluster.taskManager(), cluster.taskManager()])
    await until('the job has finished', async () => (await cluster.keysOfJobs()).length === 0, 60_000)
    expectAll(cluster)
  })
})
