import type { Duration } from '../common/duration.ts'
import type { DataType } from '../formats/data-type.ts'
import type { RestartStrategy } from '../graph/job-configuration.ts'
import {
  type ConfigurationValues,
  highestMaxParallelism,
  type JobConfigurationKey,
  jobConfigurationKeys,
  resolveConfiguration,
  restartStrategyValues,
} from '../graph/resolve-configuration.ts'
import type { StreamGraph } from '../graph/stream-graph.ts'
import { collectionSource } from './collection-source.ts'
import { SingleOutputStreamOperator } from './data-stream.ts'
import type { DeadLetter, DeadLetterBudget } from './dead-letters.ts'
import { declaredDurationMs, declaredFunction, declaredInteger, declaredText, definitionError } from './declaration.ts'
import type { OutputTag } from './functions.ts'
import { sequenceSource } from './sequence-source.ts'
import type { Source } from './source.ts'
import { StreamGraphBuilder } from './stream-graph-builder.ts'
import { WatermarkStrategy } from './watermark-strategy.ts'

/** Settings of checkpoints besides their interval. */
export interface CheckpointingOptions {
  /** `exactly-once` (default): barriers are aligned. `at-least-once`: they are not, and a restart may repeat records. */
  readonly mode?: 'exactly-once' | 'at-least-once'
  /** A checkpoint that takes longer is aborted. Default 4 min: so jobs with a Kafka sink fit into a broker's default transaction timeout (R17) */
  readonly timeout?: Duration
  /** Between the end of one checkpoint and the start of the next. Default 0 */
  readonly minPause?: Duration
  /** Failures in a row that do not fail the job. Default 0 */
  readonly tolerableFailedCheckpoints?: number
  /** Completed checkpoints that are kept. Default 2 */
  readonly retained?: number
}

/** Settings that `env.configure` takes: the job's configuration keys. */
export type JobSettings = { readonly [Name in JobConfigurationKey]?: string | number }

/** Options of `env.fromSource`. */
export interface SourceOptions {
  /**
   * Side output of records that can not be decoded; read it by `getSideOutput`. Left out, such a record fails the job
   * with its place.
   */
  readonly deadLetters?: OutputTag<DeadLetter>
  /** Past it the job fails at once (MR_DEAD_LETTER_BUDGET). Left out, there is no limit. */
  readonly deadLetterBudget?: DeadLetterBudget
}

/** Options of collections and sequences. */
export interface CollectionOptions<T> {
  /** The type of the items; left out, they are untyped. */
  readonly type?: DataType<T>
  /** Name of the operator. */
  readonly name?: string
}

/**
 * What a job is built with: its settings and its sources. Settings made here win over flags, environment variables and
 * millrace.yaml; of two for the same thing in the job, the later wins, `configure` included.
 */
export class StreamExecutionEnvironment {
  readonly #builder = new StreamGraphBuilder()
  readonly #values: { [key: string]: ConfigurationValues[string] }

  /** @internal Jobs get it from `job`. */
  constructor(configuration: ConfigurationValues) {
    this.#values = { ...configuration }
  }

  /** `parallelism.default`: the subtasks of operators that have no parallelism of their own. */
  setParallelism(parallelism: number): this {
    this.#values['parallelism.default'] = declaredInteger(parallelism, 'setParallelism', 'the parallelism', 1)
    return this
  }

  /** `pipeline.max-parallelism`, default 128: the number of key groups, and so the highest parallelism for the life of a job's state. */
  setMaxParallelism(maxParallelism: number): this {
    const checked = declaredInteger(maxParallelism, 'setMaxParallelism', 'the max parallelism', 1)
    if (checked > highestMaxParallelism) {
      throw definitionError(
        'setMaxParallelism',
        `the max parallelism is ${checked}; ${highestMaxParallelism} is the most`,
      )
    }
    this.#values['pipeline.max-parallelism'] = checked
    return this
  }

  /** `execution.buffer-timeout.interval`, default 5 ms: how long a partial batch waits for more. 0: not at all. */
  setBufferTimeout(timeout: Duration): this {
    const timeoutMs = declaredDurationMs(timeout, 'setBufferTimeout', 'the timeout', 0)
    this.#values['execution.buffer-timeout.interval'] = timeoutMs
    return this
  }

  /** `pipeline.auto-watermark-interval`, default 200 ms: how often watermarks are made. 0: after every batch. */
  setAutoWatermarkInterval(interval: Duration): this {
    const intervalMs = declaredDurationMs(interval, 'setAutoWatermarkInterval', 'the interval', 0)
    this.#values['pipeline.auto-watermark-interval'] = intervalMs
    return this
  }

  /**
   * `execution.checkpointing.…`: checkpoints at this interval, 1 ms at least. Options left out keep what the
   * configuration says.
   */
  enableCheckpointing(interval: Duration, options: CheckpointingOptions = {}): this {
    const subject = 'enableCheckpointing'
    const values = this.#values
    const { mode, timeout, minPause, tolerableFailedCheckpoints, retained } = options
    values['execution.checkpointing.interval'] = declaredDurationMs(interval, subject, 'the interval', 1)
    if (mode !== undefined) values['execution.checkpointing.mode'] = declaredText(mode, subject, 'mode')
    if (timeout !== undefined) {
      values['execution.checkpointing.timeout'] = declaredDurationMs(timeout, subject, 'timeout', 1)
    }
    if (minPause !== undefined) {
      values['execution.checkpointing.min-pause'] = declaredDurationMs(minPause, subject, 'minPause', 0)
    }
    if (tolerableFailedCheckpoints !== undefined) {
      const checked = declaredInteger(tolerableFailedCheckpoints, subject, 'tolerableFailedCheckpoints', 0)
      values['execution.checkpointing.tolerable-failed-checkpoints'] = checked
    }
    if (retained !== undefined) {
      values['state.checkpoints.num-retained'] = declaredInteger(retained, subject, 'retained', 1)
    }
    return this
  }

  /** `restart-strategy.…`; see `RestartStrategies`. */
  setRestartStrategy(strategy: RestartStrategy): this {
    Object.assign(this.#values, restartStrategyValues(strategy))
    return this
  }

  /**
   * Sets configuration keys of the job. They win over what was set before, in the job or by flags, and later calls win
   * over them.
   * @throws MillraceError MR_JOB_DEFINITION for a key that is no job's; MR_CONFIGURATION, when the job is built, for a
   *   value that is not allowed
   * @example
   * ```ts
   * import { job, type Sink } from 'millrace'
   *
   * declare const sink: Sink<number>
   * export default job('configured', (env) => {
   *   env.configure({ 'execution.checkpointing.interval': '10s', 'restart-strategy.type': 'none' })
   *   env.fromSequence(1, 100).sinkTo(sink)
   * })
   * ```
   */
  configure(settings: JobSettings): this {
    for (const [key, value] of Object.entries(settings)) {
      if (!(jobConfigurationKeys as readonly string[]).includes(key)) {
        throw definitionError(
          'configure',
          `${key} is no setting of a job; there are ${jobConfigurationKeys.join(', ')}`,
        )
      }
      this.#values[key] = value
    }
    return this
  }

  /**
   * Reads a source.
   * @param name of the operator, unique among the job's sources unless they have uids
   * @example
   * ```ts
   * import { job, type Sink, type Source, WatermarkStrategy } from 'millrace'
   *
   * declare const readings: Source<{ sensor: string; at: number }>
   * declare const sink: Sink<string>
   * export default job('sensors', (env) => {
   *   env
   *     .fromSource(
   *       readings,
   *       WatermarkStrategy.forBoundedOutOfOrderness('5s').withTimestamps((reading) => reading.at),
   *       'readings',
   *     )
   *     .map((reading) => reading.sensor)
   *     .sinkTo(sink)
   * })
   * ```
   */
  fromSource<T>(
    source: Source<T>,
    watermarkStrategy: WatermarkStrategy<NoInfer<T>>,
    name: string,
    options: SourceOptions = {},
  ): SingleOutputStreamOperator<T> {
    declaredFunction(source?.createReader, 'fromSource', 'createReader of the source')
    const spec = {
      kind: 'source',
      source: source as Source<unknown>,
      watermarks: (watermarkStrategy as WatermarkStrategy<unknown>).specification,
    } as const
    const operatorName = declaredText(name, 'fromSource', 'the name')
    const node = this.#builder.add({ spec, name: operatorName, outputType: source.type }, [])
    const stream = new SingleOutputStreamOperator<T>(this.#builder, node)
    const { deadLetters, deadLetterBudget } = options
    if (deadLetters === undefined) return stream
    return stream.deadLetters(deadLetters, deadLetterBudget === undefined ? {} : { budget: deadLetterBudget })
  }

  /**
   * A bounded source of items that the job file holds, read by one subtask. The items have no timestamps; must be the
   * same at each evaluation of the job.
   */
  fromCollection<T>(items: Iterable<T>, options: CollectionOptions<T> = {}): SingleOutputStreamOperator<T> {
    const source = collectionSource(items, options.type)
    return this.fromSource<T>(source, WatermarkStrategy.noWatermarks(), options.name ?? 'Collection Source')
  }

  /**
   * A bounded source of the whole numbers `from`, …, `to`, both included; its subtasks share the range.
   * @throws MillraceError MR_JOB_DEFINITION where they are no whole numbers, or `from` is above `to`
   */
  fromSequence(from: number, to: number, options: { readonly name?: string } = {}): SingleOutputStreamOperator<number> {
    const source = sequenceSource(from, to)
    return this.fromSource(source, WatermarkStrategy.noWatermarks(), options.name ?? 'Sequence Source')
  }

  /** @internal What was declared; nothing can be added any more. */
  finish(jobName: string): StreamGraph {
    return this.#builder.finish(jobName, resolveConfiguration(this.#values))
  }
}
