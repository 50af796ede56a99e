import type { JobResult } from '../actors/job-client.ts'
import type { RestoreSubmission } from '../actors/local-cluster.ts'
import type { DataStream } from '../api/data-stream.ts'
import type { JobSettings, StreamExecutionEnvironment } from '../api/environment.ts'
import { buildJob, isJob, type JobBuilder, type JobDefinition, job } from '../api/job.ts'
import type { EnumeratorOf } from '../api/source.ts'
import { type Duration, durationMs } from '../common/duration.ts'
import { errorOf, MillraceError } from '../common/errors.ts'
import { type JobId, jobId } from '../common/ids.ts'
import { type Logger, silentLogger } from '../common/logger.ts'
import type { Ports } from '../common/ports.ts'
import { SeededRandom } from '../common/seeded-random.ts'
import { createJobGraph } from '../graph/chaining.ts'
import { planOf } from '../graph/plan.ts'
import type { StreamGraph } from '../graph/stream-graph.ts'
import type { TransactionLedger } from '../state/transaction-ledger.ts'
import { ClusterProcess } from './cluster-process.ts'
import { ClusterTime, type TestTime } from './cluster-time.ts'
import { type CollectingSink, collectingSink } from './collecting-sink.ts'
import { enumeratorOfTest } from './connectors.ts'
import { withObservedWork } from './observed-work.ts'
import { type ReplacedConnectors, sinkNamesOf, withReplacedConnectors } from './replaced-connectors.ts'
import { type ScriptProgress, scriptProgressOf } from './script-progress.ts'
import { TestJob } from './test-job.ts'
import { testPorts } from './test-ports.ts'
import { FaultyCheckpointStore, TestStorage } from './test-storage.ts'

export interface TestClusterOptions {
  /** Task slots; a job needs as many as its highest parallelism. Default 4 */
  readonly slots?: number
  /** How time passes, default `automatic`. */
  readonly time?: TestTime
  /** Wall clock at the beginning, epoch milliseconds, where time is virtual. Default 0 */
  readonly startTimeMs?: number
  /** Of the jitter of restarts: runs of the same seed are alike. Default 1 */
  readonly seed?: number
  /** `taskmanager.memory.managed.size` of each slot, bytes. Default 64 MB */
  readonly managedMemoryBytes?: number
  /** Enumerators of sources of one's own, by the name of the connector. */
  readonly enumerators?: Readonly<Record<string, EnumeratorOf>>
  /** Where warnings and errors go. Default nowhere */
  readonly logger?: Logger
  /** A slot gives way to the others after so many batches; few make slots interleave in more ways. Default 256 */
  readonly batchesPerTurn?: number
  /** `even` (default): slots take turns. `random`: some get fewer turns than others, by the seed. */
  readonly interleaving?: 'even' | 'random'
}

export interface StartOptions extends ReplacedConnectors {
  /** What follows `--` on the command line. */
  readonly args?: readonly string[]
  /** Settings, as flags give them: those that the job makes itself win. */
  readonly configuration?: JobSettings
  /**
   * Goes on from the newest completed checkpoint of this job, also at another parallelism; without one, from the
   * beginning. After a crash it is the same run, else a new one.
   */
  readonly from?: TestJob
}

export interface CollectOptions extends StartOptions {
  /** Name of the sink, where the job has several. */
  readonly sink?: string
}

/** What `runAndCollect` takes besides a job: declares a stream, whose records are collected. */
export type StreamBuilder<T> = (env: StreamExecutionEnvironment, args: readonly string[]) => DataStream<T>

/**
 * Starts a cluster in this thread: the actors, slots and checkpoints of `millrace run`, with slots that share the test's
 * thread, so that jobs may use what the test holds, and with virtual time.
 * @example
 * ```ts
 * import { startTestCluster } from 'millrace/testing'
 *
 * await using cluster = startTestCluster()
 * const squares = await cluster.runAndCollect((env) => env.fromSequence(1, 4).map((value) => value * value))
 * console.log(squares) // [1, 4, 9, 16]
 * ```
 */
export function startTestCluster(options: TestClusterOptions = {}): TestCluster {
  return new TestCluster(options)
}

/** A cluster for tests, by `startTestCluster`. */
export class TestCluster {
  readonly #options: TestClusterOptions
  /** @internal */
  readonly time: ClusterTime
  readonly #ports: Ports
  readonly #scripts: ScriptProgress
  readonly #storages = new Map<string, TestStorage>()
  readonly #graphs = new Map<JobId, (configuration: JobSettings) => StreamGraph>()
  #process: ClusterProcess

  /** @internal */
  constructor(options: TestClusterOptions) {
    this.#options = options
    const { time = 'automatic', startTimeMs = 0, seed = 1, interleaving = 'even' } = options
    const random = new SeededRandom(seed)
    // Mostly none, now and then many: slots run apart for a while.
    const extraTurns = (): number => Math.floor(random.next() ** 4 * 12)
    this.time = new ClusterTime(time, startTimeMs, interleaving === 'random' ? extraTurns : undefined)
    this.#ports = testPorts(this.time.clock, seed)
    this.#scripts = scriptProgressOf(this.time.clock)
    this.#process = this.#startProcess()
  }

  /** The cluster's wall clock, epoch milliseconds. */
  get now(): number {
    return this.time.clock.now()
  }

  /**
   * Runs a job to its end, in whatever state: look at `state` and `error` of the result.
   * @throws MillraceError MR_JOB_DEFINITION, MR_CONFIGURATION where the job can not be built; MR_TEST where it does not
   *   end within an hour of virtual time
   */
  async run(what: JobDefinition | JobBuilder, options: StartOptions = {}): Promise<JobResult> {
    return (await this.start(what, options)).result()
  }

  /**
   * Runs a job to its end and gives what its stream, or its sink, has got, each record once.
   * @throws MillraceError the job's own error where it fails; else as `run`
   */
  async runAndCollect<T>(what: StreamBuilder<T>, options?: StartOptions): Promise<readonly T[]>
  async runAndCollect<T = unknown>(what: JobDefinition, options?: CollectOptions): Promise<readonly T[]>
  async runAndCollect<T>(what: StreamBuilder<T> | JobDefinition, options: CollectOptions = {}): Promise<readonly T[]> {
    const sink = collectingSink<T>()
    const { error } = isJob(what)
      ? await this.run(what, collecting(what, options, sink))
      : await this.run((env, args) => {
          what(env, args).sinkTo(sink)
        }, options)
    if (error !== undefined) throw errorOf(error)
    return sink.records
  }

  /**
   * Starts a job and leaves it to the test: to inject failures, to look at it, to end it.
   * @throws MillraceError MR_JOB_DEFINITION, MR_CONFIGURATION where the job can not be built
   */
  async start(what: JobDefinition | JobBuilder, options: StartOptions = {}): Promise<TestJob> {
    const definition = isJob(what) ? what : job('tested', what)
    const { args = [], configuration = {}, from } = options
    const build = (values: JobSettings): StreamGraph =>
      withObservedWork(withReplacedConnectors(buildJob(definition, args, values), options), this.time)
    const plan = planOf(createJobGraph(build(configuration)))
    const process = this.#process
    const run = await this.#runOf(from)
    if (from === undefined) this.#scripts.reset()
    this.#graphs.set(run.jobId, build)
    this.#storages.set(run.storage.name, run.storage)
    const store = new FaultyCheckpointStore(run.storage.checkpointStore, () => process.gone)
    const client = await process.cluster.submit({
      jobId: run.jobId,
      plan,
      job: { bundleUrl: 'test:', arguments: args, configuration: { ...configuration } },
      checkpointStore: store,
      blobStore: run.storage.reference,
      restore: run.restore,
      leftTransactions: await leftTransactions(run),
    })
    return new TestJob({ ...run, client, process, store, time: this.time, scripts: this.#scripts })
  }

  /**
   * Moves virtual time. What is due on the way happens in its order, each time with everything that follows from it.
   * @throws MillraceError MR_TEST with `time: 'system'`; MR_CONFIGURATION where it is no duration
   */
  async advanceTime(duration: Duration): Promise<void> {
    await this.time.advance(durationMs(duration, 'advanceTime'))
  }

  /**
   * Resolves when the cluster's clock has moved on by this: for an asynchronous function that stands in for a slow service.
   * @throws MillraceError MR_CONFIGURATION where it is no duration
   */
  async delay(duration: Duration): Promise<void> {
    await this.time.delay(durationMs(duration, 'delay'))
  }

  /** Waits until nothing is left to do at this moment of virtual time. */
  async settled(): Promise<void> {
    await this.time.settled()
  }

  /**
   * The process of the cluster is gone at once, as by kill -9: nothing is said, committed or closed any more. A new one
   * takes its place; `start` with `from` goes on with the run of a job that was in it.
   */
  crash(): void {
    this.#process.crash()
    this.#process = this.#startProcess()
  }

  /** Cancels what runs and ends all slots. */
  async close(): Promise<void> {
    let closed = false
    const closing = this.#process.cluster.close().finally(() => {
      closed = true
    })
    await this.time.until(
      () => closed,
      () => 'the end of all slots',
    )
    await closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #startProcess(): ClusterProcess {
    const { slots = 4, managedMemoryBytes = 2 ** 26, enumerators = {}, logger = silentLogger } = this.#options
    return new ClusterProcess({
      time: this.time,
      ports: this.#ports,
      logger,
      numberOfTaskSlots: slots,
      slotMemory: { heapLimitBytes: Number.POSITIVE_INFINITY, managedBytes: managedMemoryBytes },
      passesPerSlice: this.#options.batchesPerTurn,
      enumeratorOf: enumeratorOfTest(enumerators),
      graphOf: ({ jobId: id, job: { configuration } }) => {
        const build = this.#graphs.get(id)
        if (build === undefined) throw new MillraceError('MR_INTERNAL', `no job ${id} was started`)
        return build(configuration as JobSettings)
      },
      blobStoreOf: (reference) => {
        const storage = reference.type === 'memory' ? this.#storages.get(reference.name) : undefined
        if (storage === undefined) throw new MillraceError('MR_INTERNAL', 'no such blob store')
        return storage.blobStore
      },
    })
  }

  async #runOf(from: TestJob | undefined): Promise<Run> {
    const fresh = { jobId: jobId(this.#ports.ids.hexadecimal()), storage: new TestStorage() }
    if (from === undefined) return { ...fresh, restore: undefined }
    const { parts } = from
    this.#storages.set(parts.storage.name, parts.storage)
    const goesOn = parts.process.gone
    const run = goesOn ? { jobId: parts.jobId, storage: parts.storage } : fresh
    return { ...run, restore: (await newestOf(parts.storage, goesOn)) ?? parts.restore }
  }
}

interface Run {
  readonly jobId: JobId
  readonly storage: TestStorage
  readonly restore: RestoreSubmission | undefined
}

async function newestOf(storage: TestStorage, sameJob: boolean): Promise<RestoreSubmission | undefined> {
  const { checkpointStore, reference } = storage
  const id = (await checkpointStore.list()).at(-1)
  if (id === undefined) return undefined
  await checkpointStore.makeDurable(id)
  return {
    record: await checkpointStore.read(id),
    blobStore: reference,
    committed: await checkpointStore.isCommitted(id),
    sameJob,
    checkpointStore,
  }
}

/** What attempts of crashed processes and earlier runs may have left open (R16). */
async function leftTransactions({ storage: { checkpointStore }, restore }: Run): Promise<TransactionLedger> {
  const own = await checkpointStore.recordedTransactions()
  const earlier = restore?.checkpointStore
  if (earlier === undefined || earlier === checkpointStore) return own
  const ledger = [...own, ...(await earlier.recordedTransactions())]
  await checkpointStore.recordTransactions(ledger)
  await earlier.recordTransactions([])
  return ledger
}

/** The sink of a job is replaced by the collecting one. */
function collecting<T>(what: JobDefinition, options: CollectOptions, sink: CollectingSink<T>): StartOptions {
  const { args = [], configuration = {} } = options
  const names = sinkNamesOf(buildJob(what, args, configuration))
  const [only] = names
  const name = options.sink ?? (names.length === 1 ? only : undefined)
  if (name === undefined) {
    const list = names.map((one) => `'${one}'`).join(', ')
    throw new MillraceError('MR_TEST', `job '${what.name}' has several sinks: say which one by sink: ${list}`)
  }
  return { ...options, sinks: { ...options.sinks, [name]: sink } }
}
