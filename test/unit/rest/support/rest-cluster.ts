import { onTestFinished } from 'vitest'
import { startLocalCluster } from '../../../../src/actors/local-cluster.ts'
import { buildJob, type JobDefinition, job } from '../../../../src/api/job.ts'
import { WatermarkStrategy } from '../../../../src/api/watermark-strategy.ts'
import { type Logger, silentLogger } from '../../../../src/common/logger.ts'
import { systemPorts } from '../../../../src/common/system-ports.ts'
import type { Configuration } from '../../../../src/config/configuration.ts'
import { datagen } from '../../../../src/connectors/datagen/datagen-source.ts'
import { createJobGraph } from '../../../../src/graph/chaining.ts'
import { planOf } from '../../../../src/graph/plan.ts'
import type { Submission } from '../../../../src/rest/client.ts'
import type { ClusterGateway } from '../../../../src/rest/cluster-gateway.ts'
import { LocalClusterGateway } from '../../../../src/rest/local-cluster-gateway.ts'
import { restSettings } from '../../../../src/rest/rest-settings.ts'
import { type RestServer, type RestServerOptions, startRestServer } from '../../../../src/rest/server.ts'
import { MemoryBlobStore } from '../../../../src/state/memory-blob-store.ts'
import { MemoryCheckpointStore } from '../../../../src/state/memory-checkpoint-store.ts'
import { InlineSlotHost } from '../../../../src/task/inline-slot-host.ts'
import { turn } from '../../../../src/task/turn.ts'
import { collectingSink } from '../../../../src/testing/collecting-sink.ts'
import { enumeratorOfTest } from '../../../../src/testing/connectors.ts'

const numbers = (count: number, recordsPerSecond: number) =>
  datagen({ generate: (id) => ({ id }), count, recordsPerSecond })

/** Jobs by the text that stands for their bundle. */
const definitions: Readonly<Record<string, JobDefinition>> = {
  short: job('short', (env) => {
    env
      .fromSequence(1, 10)
      .map((value) => value * 2)
      .sinkTo(collectingSink())
  }),
  endless: job('endless', (env) => {
    env.enableCheckpointing('50ms')
    env
      .fromSource(numbers(1_000_000, 500), WatermarkStrategy.noWatermarks(), 'numbers')
      .keyBy(({ id }) => id % 7)
      .process({ processElement: (record, _context, out) => out.collect(record) })
      .sinkTo(collectingSink())
  }),
  broken: job('broken', (env) => {
    env
      .fromSequence(1, 10)
      .map((value) => {
        if (value === 5) throw new Error('five is too much')
        return value
      })
      .sinkTo(collectingSink())
  }),
}

const settings = { 'parallelism.default': 2 }

/** What a client would send for one of the jobs. */
export function submissionOf(name: string): Submission {
  const definition = definitions[name]
  if (definition === undefined) throw new Error(`there is no job ${name}`)
  const plan = planOf(createJobGraph(buildJob(definition, [], settings)))
  return { bundle: Buffer.from(name), plan, arguments: [], configuration: settings }
}

/** A cluster with its slots in this thread; ends with the test. */
export function startGateway(): LocalClusterGateway {
  const blobStore = new MemoryBlobStore()
  const cluster = startLocalCluster({
    ports: systemPorts,
    logger: silentLogger,
    numberOfTaskSlots: 4,
    slotMemory: { heapLimitBytes: 2 ** 30, managedBytes: 2 ** 24 },
    enumeratorOf: enumeratorOfTest({}),
    slotHost: new InlineSlotHost({
      clock: systemPorts.clock,
      turn,
      graphOf: ({ job: { bundleUrl, arguments: args, configuration } }) => {
        const definition = definitions[bundleUrl.replace('test:', '')] as JobDefinition
        return createJobGraph(buildJob(definition, args, configuration as Configuration))
      },
      blobStoreOf: () => blobStore,
      warn: () => {},
    }),
  })
  onTestFinished(() => cluster.close())
  return new LocalClusterGateway({
    cluster,
    ports: systemPorts,
    resourcesOf: async ({ bundle, plan }) => ({
      bundleUrl: `test:${bundle.toString()}`,
      checkpointStore:
        plan.configuration.checkpointing === undefined ? undefined : new MemoryCheckpointStore(blobStore),
      blobStore: { type: 'memory', name: 'test' },
      restore: undefined,
    }),
    taskManager: {
      id: 'tm-1',
      host: '127.0.0.1',
      pid: process.pid,
      dataAddress: '127.0.0.1:6122',
      slots: 4,
      managedMemoryBytes: 2 ** 26,
      heapLimitBytes: 2 ** 30,
    },
    log: async (fromByte) => {
      const log = Buffer.from('{"msg":"one"}\n{"msg":"two"}\n')
      return { text: log.subarray(fromByte).toString(), nextByte: log.length }
    },
  })
}

export interface StartedServer {
  readonly configuration?: Configuration
  readonly gateway?: () => ClusterGateway | undefined
  readonly leaderAddress?: () => Promise<string | undefined>
  readonly logger?: Logger
  readonly timeoutMs?: number
}

/** A REST server on any free port; ends with the test. */
export async function startServer(options: StartedServer = {}): Promise<RestServer> {
  const { configuration = {}, logger = silentLogger, timeoutMs } = options
  const all: RestServerOptions = {
    settings: restSettings({ 'rest.port': 0, ...configuration }),
    gateway: options.gateway ?? (() => undefined),
    leaderAddress: options.leaderAddress ?? (async () => undefined),
    configuration,
    checkpointStorage: 'redis',
    version: '0.1.0',
    ports: systemPorts,
    logger,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
  const server = await startRestServer(all)
  onTestFinished(() => server.close())
  return server
}

export async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const limit = performance.now() + 10_000
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > limit) throw new Error(`still no ${what}`)
    await turn()
  }
}
