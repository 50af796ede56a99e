import {
  noTimestamp,
  type PollResult,
  type Source,
  type SourceOutput,
  type SourceReader,
  type SourceReaderContext,
  type SourceSplit,
  type SplitEnumerator,
} from '../../api/source.ts'
import { MillraceError } from '../../common/errors.ts'
import type { JsonValue } from '../../common/json.ts'
import type { Timer } from '../../common/ports.ts'
import type { DataType } from '../../formats/data-type.ts'

/** Options of `datagen`. */
export interface DatagenOptions<T> {
  /** The record of an index, counted from 0. Must depend on the index alone: a replay calls it again. */
  readonly generate: (index: number) => T
  /** Number of records; left out: it never ends. */
  readonly count?: number
  /** Records a second over all subtasks; left out: as fast as they are read. */
  readonly recordsPerSecond?: number
  readonly type?: DataType<T>
}

/**
 * A source that makes its records: Flink's DataGeneratorSource. Its indices are dealt out to as many splits as it has
 * subtasks at the first start; the position in each is part of every checkpoint.
 *
 * @throws MillraceError MR_JOB_DEFINITION where count or rate are negative or no numbers
 * @example
 * ```ts
 * import { datagen, job, WatermarkStrategy } from 'millrace'
 *
 * export default job('ticks', (env) => {
 *   env
 *     .fromSource(datagen({ generate: (index) => ({ index }), recordsPerSecond: 10 }), WatermarkStrategy.noWatermarks(), 'ticks')
 *     .print()
 * })
 * ```
 */
export function datagen<T>(options: DatagenOptions<T>): Source<T> {
  const { generate, count, recordsPerSecond, type = { kind: 'untyped' } } = options
  if (count !== undefined && !(Number.isSafeInteger(count) && count >= 0)) {
    throw new MillraceError('MR_JOB_DEFINITION', `datagen: count ${count} is no whole number from 0 up`)
  }
  if (recordsPerSecond !== undefined && !(Number.isFinite(recordsPerSecond) && recordsPerSecond > 0)) {
    throw new MillraceError('MR_JOB_DEFINITION', `datagen: recordsPerSecond ${recordsPerSecond} is no number above 0`)
  }
  return {
    boundedness: count === undefined ? 'continuous' : 'bounded',
    description: { connector: 'datagen', options: { count: count ?? null } },
    type,
    createReader: (context) => new DatagenReader(generate, recordsPerSecond, context),
  }
}

/** Position of a split: the next index, and the step to the one after it. */
interface DatagenPosition {
  readonly next: number
  readonly step: number
  /** null: no end. */
  readonly end: number | null
}

/** Finds the splits of a datagen source: index k, k + n, k + 2n … for each of the n subtasks of the first start. */
export function datagenEnumerator(options: JsonValue): SplitEnumerator {
  const { count } = options as { readonly count: number | null }
  return {
    start: async (parallelism) =>
      Array.from({ length: parallelism }, (_, index): SourceSplit => {
        const position = { next: index, step: parallelism, end: count }
        return { id: `${index} of ${parallelism}`, position }
      }),
    restore: async (known) => known,
    discover: async () => [],
    checkpointCompleted: async () => {},
    close: async () => {},
  }
}

interface Progress {
  readonly id: string
  next: number
  readonly step: number
  readonly end: number
  /** Its end has been told. */
  finished: boolean
}

/** A pause is at least this long, so that a slow rate costs few wake-ups. */
const shortestPauseMs = 5

class DatagenReader<T> implements SourceReader<T> {
  readonly #generate: (index: number) => T
  readonly #context: SourceReaderContext
  /** Records a millisecond of this subtask; Infinity: no limit. */
  readonly #ratePerMs: number
  readonly #splits: Progress[] = []
  #complete = false
  #turn = 0
  #startedMs: number | undefined
  #emitted = 0
  #pause: Timer | undefined

  constructor(generate: (index: number) => T, recordsPerSecond: number | undefined, context: SourceReaderContext) {
    this.#generate = generate
    this.#context = context
    this.#ratePerMs =
      recordsPerSecond === undefined ? Number.POSITIVE_INFINITY : recordsPerSecond / 1000 / context.parallelism
  }

  addSplits(splits: readonly SourceSplit[]): void {
    for (const split of splits) {
      const { next, step, end } = split.position as unknown as DatagenPosition
      this.#splits.push({ id: split.id, next, step, end: end ?? Number.POSITIVE_INFINITY, finished: false })
    }
    this.#context.wake()
  }

  noMoreSplits(): void {
    this.#complete = true
    this.#context.wake()
  }

  poll(output: SourceOutput<T>, maxRecords: number): PollResult {
    const allowed = Math.min(maxRecords, this.#due(maxRecords))
    if (allowed === 0) return 'waiting'
    for (let tried = 0; tried < this.#splits.length; tried++) {
      const split = this.#splits[this.#turn++ % this.#splits.length]
      if (split === undefined || split.finished) continue
      output.useSplit(split.id)
      for (let emitted = 0; emitted < allowed && split.next < split.end; emitted++) {
        const value = this.#generate(split.next)
        split.next += split.step
        this.#emitted++
        output.collect(value, noTimestamp)
      }
      if (split.next >= split.end) {
        // Also a restored split that is at its end already: it must hold back no watermark.
        split.finished = true
        output.splitFinished(split.id)
      }
      return 'records'
    }
    return this.#complete ? 'ended' : 'waiting'
  }

  snapshot(): readonly SourceSplit[] {
    return this.#splits.map(({ id, next, step, end }) => ({
      id,
      position: { next, step, end: Number.isFinite(end) ? end : null },
    }))
  }

  async close(): Promise<void> {
    this.#pause?.cancel()
  }

  /** How many records the rate allows now; plans the next wake-up where it is none. */
  #due(wanted: number): number {
    if (this.#ratePerMs === Number.POSITIVE_INFINITY) return wanted
    const now = this.#context.clock.monotonicMs()
    this.#startedMs ??= now
    const due = Math.floor((now - this.#startedMs) * this.#ratePerMs) + 1 - this.#emitted
    if (due > 0) return due
    this.#pause?.cancel()
    this.#pause = this.#context.clock.schedule(Math.max(shortestPauseMs, 1 / this.#ratePerMs), () =>
      this.#context.wake(),
    )
    return 0
  }
}
