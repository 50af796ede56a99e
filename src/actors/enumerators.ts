import type { EnumeratorOf, SourceSplit, SplitEnumerator } from '../api/source.ts'
import { errorData, messageOf } from '../common/errors.ts'
import type { VertexId } from '../common/ids.ts'
import type { Logger } from '../common/logger.ts'
import type { Clock } from '../common/ports.ts'
import type { JobMasterEffect, JobMasterMessage } from '../coordinator/job-master/messages.ts'
import type { CheckpointStore } from '../state/checkpoint-store.ts'

type LocateSplits = Extract<JobMasterEffect, { readonly type: 'locateSplits' }>

/** Where the first positions of sources stand; undefined for a job without checkpoints. */
type StartPositions = Pick<CheckpointStore, 'recordStart' | 'recordedStart'>

/** The split enumerators of a job's sources; what they find goes to the JobMaster as messages. */
export class Enumerators {
  readonly #enumeratorOf: EnumeratorOf
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #starts: StartPositions | undefined
  readonly #tell: (message: JobMasterMessage) => void
  readonly #enumerators = new Map<VertexId, SplitEnumerator>()
  #closed = false

  constructor(
    enumeratorOf: EnumeratorOf,
    ports: { readonly clock: Clock; readonly logger: Logger; readonly starts: StartPositions | undefined },
    tell: (message: JobMasterMessage) => void,
  ) {
    this.#enumeratorOf = enumeratorOf
    this.#clock = ports.clock
    this.#logger = ports.logger
    this.#starts = ports.starts
    this.#tell = tell
  }

  async locate({ vertexId, description, operatorName, parallelism, known }: LocateSplits): Promise<void> {
    try {
      await this.#closeOne(vertexId)
      // The job has ended meanwhile: nobody would close another one.
      if (this.#closed) return
      const enumerator = this.#enumeratorOf(description, {
        operatorName,
        clock: this.#clock,
        warn: (text) => this.#logger.warn({ operator: operatorName }, text),
      })
      this.#enumerators.set(vertexId, enumerator)
      const splits = await this.#splitsOf(enumerator, { vertexId, parallelism, known })
      const { discoveryIntervalMs } = enumerator
      this.#tell({ type: 'splitsLocated', vertexId, splits, discoveryIntervalMs })
    } catch (error) {
      this.#tell({ type: 'splitsNotLocated', vertexId, error: errorData(error) })
    }
  }

  /** A first start's positions are durable before anyone acts on them; a run that goes on without a checkpoint has them (R18). */
  async #splitsOf(
    enumerator: SplitEnumerator,
    { vertexId, parallelism, known }: Pick<LocateSplits, 'vertexId' | 'parallelism' | 'known'>,
  ): Promise<readonly SourceSplit[]> {
    const positions = known ?? (await this.#starts?.recordedStart(vertexId))
    if (positions !== undefined) return enumerator.restore(positions, parallelism)
    const splits = await enumerator.start(parallelism)
    await this.#starts?.recordStart(vertexId, splits)
    return splits
  }

  /** A failed look is worth a warning; the next one comes after the interval. */
  async discover(vertexId: VertexId, knownIds: readonly string[]): Promise<void> {
    let splits: readonly SourceSplit[] = []
    try {
      splits = (await this.#enumerators.get(vertexId)?.discover(new Set(knownIds))) ?? []
    } catch (error) {
      this.#logger.warn({ vertexId }, `looking for new splits failed: ${messageOf(error)}`)
    }
    this.#tell({ type: 'splitsDiscovered', vertexId, splits })
  }

  /** For people's tools only, such as group offsets: an error is a warning. */
  async checkpointCompleted(vertexId: VertexId, splits: readonly SourceSplit[]): Promise<void> {
    try {
      await this.#enumerators.get(vertexId)?.checkpointCompleted(splits)
    } catch (error) {
      this.#logger.warn({ vertexId }, `the source was not told of the checkpoint: ${messageOf(error)}`)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#enumerators.keys()].map((vertexId) => this.#closeOne(vertexId)))
  }

  async #closeOne(vertexId: VertexId): Promise<void> {
    const enumerator = this.#enumerators.get(vertexId)
    this.#enumerators.delete(vertexId)
    try {
      await enumerator?.close()
    } catch (error) {
      this.#logger.warn({ vertexId }, `closing the source's enumerator failed: ${messageOf(error)}`)
    }
  }
}
