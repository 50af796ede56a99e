import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { startLocalCluster } from '../../src/actors/local-cluster.ts'
import { silentLogger } from '../../src/common/logger.ts'
import { systemPorts } from '../../src/common/system-ports.ts'
import { datagenEnumerator } from '../../src/connectors/datagen/datagen-source.ts'
import { LocalClusterGateway } from '../../src/rest/local-cluster-gateway.ts'
import { restSettings } from '../../src/rest/rest-settings.ts'
import { startRestServer } from '../../src/rest/server.ts'
import { blobFolder, FolderCheckpointStore } from '../../src/state/filesystem/folder-checkpoint-store.ts'
import { WorkerSlotHost } from '../../src/task/worker-slot-host.ts'
import { millrace, until } from './support/millrace.ts'
import { TrialFolder } from './support/trial-folder.ts'

let folder: TrialFolder

beforeEach(() => {
  folder = new TrialFolder()
})
afterEach(() => folder.remove())

const token = 'open-sesame'
const environment = { MILLRACE_SECURITY_REST_TOKEN: token }

/** A cluster in this process, whose slots are threads, behind a REST server on loopback. */
async function startCluster(): Promise<string> {
  const storage = mkdtempSync(join(tmpdir(), 'millrace-rest-'))
  mkdirSync(join(storage, 'bundles'))
  const lines: string[] = []
  const cluster = startLocalCluster({
    ports: systemPorts,
    slotHost: new WorkerSlotHost(),
    numberOfTaskSlots: 4,
    slotMemory: { heapLimitBytes: 2 ** 31, managedBytes: 2 ** 26 },
    enumeratorOf: (description) => datagenEnumerator(description.options),
    logger: silentLogger,
  })
  const gateway = new LocalClusterGateway({
    cluster,
    ports: systemPorts,
    resourcesOf: async ({ bundle, plan }, id, sha256) => {
      const file = join(storage, 'bundles', `${sha256}.mjs`)
      writeFileSync(file, bundle)
      lines.push(JSON.stringify({ level: 30, time: 0, msg: 'the job starts', jobId: id }))
      const run = join(storage, id)
      return {
        bundleUrl: pathToFileURL(file).href,
        checkpointStore: plan.configuration.checkpointing === undefined ? undefined : new FolderCheckpointStore(run),
        blobStore: { type: 'filesystem', folder: blobFolder(run) },
        restore: undefined,
      }
    },
    taskManager: {
      ...{ id: 'tm-1', host: '127.0.0.1', pid: process.pid, dataAddress: '', slots: 4 },
      ...{ managedMemoryBytes: 2 ** 28, heapLimitBytes: 2 ** 31 },
    },
    log: async (fromByte) => {
      const log = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      return { text: log.subarray(fromByte).toString(), nextByte: log.length }
    },
  })
  const server = await startRestServer({
    settings: restSettings({ 'rest.port': 0, 'security.rest.token': token }),
    gateway: () => gateway,
    leaderAddress: async () => undefined,
    configuration: {},
    checkpointStorage: 'filesystem',
    version: '0.1.0',
    ports: systemPorts,
    logger: silentLogger,
  })
  onTestFinished(async () => {
    await server.close()
    await cluster.close()
    rmSync(storage, { recursive: true, force: true })
  })
  return server.url.replace('http://', '')
}

const command = (...args: readonly string[]) => millrace(args, { cwd: folder.path, environment })

/** Numbers at a steady rate. Arguments: how many. */
const steady = `
  env.enableCheckpointing('100ms')
  const numbers = datagen({ generate: (id) => ({ id }), count: Number(args[0]), recordsPerSecond: 2000 })
  env
    .fromSource(numbers, WatermarkStrategy.noWatermarks(), 'numbers')
    .keyBy(({ id }) => id % 7)
    .process({ processElement: (record, context, out) => out.collect(record) })
    .sinkTo(FileSink.of({ folder: 'OUT' }))`

const writeSteady = (): string => folder.writeJob('steady', steady.replace('OUT', join(folder.path, 'out')))

test('run -m follows a job to its end, with the summary and exit code of a local run', async () => {
  const address = await startCluster()
  const result = await command('run', writeSteady(), '-m', address, '-p', '2', '--json', '--', '500')
  expect(result, result.stderr).toMatchObject({ code: 0 })
  expect(JSON.parse(result.stdout)).toMatchObject({ job: 'steady', state: 'FINISHED', recordsIn: 500, recordsOut: 500 })
  expect(result.stderr).toContain('millrace: job steady started\nmillrace: its id on the cluster is ')
  expect(folder.leftovers()).toEqual([])
})

test('a job that fails on the cluster ends run -m with 1 and its message', async () => {
  const address = await startCluster()
  folder.writeJob(
    'broken',
    `
  env.setRestartStrategy({ type: 'none' })
  env.fromSource(datagen({ generate: (id) => id, count: 9 }), WatermarkStrategy.noWatermarks(), 'numbers')
    .map((id) => { if (id === 5) throw new Error('five is too much'); return id })
    .sinkTo(FileSink.of({ folder: '${join(folder.path, 'out')}' }))`,
  )
  const result = await command('run', 'broken.ts', '-m', address)
  expect(result.code, result.stderr).toBe(1)
  expect(result.stderr).toMatch(/MR_USER_FUNCTION.*five is too much/)
  expect(result.stderr).toContain('job broken FAILED')
})

test('Ctrl-C asks the cluster to stop the job after a last checkpoint', async () => {
  const address = await startCluster()
  writeSteady()
  const running = folder.start(['steady.ts', '-m', address, '--json', '--', '1000000'], { environment })
  await until('start', () => running.stderr().includes('its id on the cluster') || running.child.exitCode !== null)
  running.child.kill('SIGINT')
  const result = await running.result
  expect(result, result.stderr).toMatchObject({ code: 0 })
  expect(result.stderr).toContain('stopping after a last checkpoint')
  expect(JSON.parse(result.stdout)).toMatchObject({ state: 'SUSPENDED' })
})

test('run -d leaves the job; list, info, logs, stop and cancel speak of it by id or name', async () => {
  const address = await startCluster()
  const detached = await command('run', writeSteady(), '-m', address, '-d', '--', '1000000')
  expect(detached, detached.stderr).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9a-f]{32}\n$/) })
  const id = detached.stdout.trim()
  const list = await command('list', '-m', address)
  expect(list.stdout).toMatch(/^JOB ID +NAME +STATE +STARTED +DURATION +RUNNING TASKS\n/)
  expect(list.stdout).toContain(`${id}  steady`)
  const info = await command('info', 'steady', '-m', address)
  expect(info.stdout).toContain(`job steady (${id})`)
  expect(info.stdout).toMatch(/VERTEX +PARALLELISM +SUBTASKS/)
  expect((await command('logs', 'tm-1', '-m', address)).stdout).toContain(`INFO  the job starts jobId=${id}`)
  expect((await command('cancel', id.slice(0, 8), '-m', address)).stdout).toContain('is being cancelled')
  const ended = async () => JSON.parse((await command('list', '-a', '--json', '-m', address)).stdout)[0].state
  expect(['CANCELED', 'CANCELLING']).toContain(await ended())
  expect((await command('stop', 'nothing', '-m', address)).stderr).toContain('there is no job nothing on this cluster')
})

test('each wrong use gets one clear message and its exit code', async () => {
  const address = await startCluster()
  writeSteady()
  const wrong = [
    { args: ['run', 'steady.ts', '-d'], code: 2, says: '-d goes with -m host:port' },
    { args: ['list', '-m', 'nowhere'], code: 2, says: "-m nowhere: it takes host:port of a JobManager's REST server" },
    { args: ['list', '-m', '127.0.0.1:1'], code: 3, says: 'MR_CLUSTER_UNREACHABLE: no JobManager answered' },
    { args: ['info', 'nothing', '-m', address], code: 2, says: 'MR_JOB_NOT_FOUND: there is no job nothing' },
    { args: ['info', '-m', address], code: 2, says: "missing required argument 'job'" },
    {
      args: ['list', '-m', address, '-D', 'security.rest.token=wrong'],
      code: 3,
      says: 'the token is not that of this',
    },
  ]
  for (const { args, code, says } of wrong) {
    const result = await command(...args)
    expect(result.stderr).toContain(says)
    expect(result, result.stderr).toMatchObject({ code, stdout: '' })
    expect(result.stderr.match(/^millrace: /gm), result.stderr).toHaveLength(1)
  }
})
