import {
  noTimestamp,
  type PollResult,
  type Source,
  type SourceOutput,
  type SourceReader,
  type SourceReaderContext,
  type SourceSplit,
  type SplitEnumerator,
} from '../api/source.ts'
import { type Duration, durationMs } from '../common/duration.ts'
import { MillraceError } from '../common/errors.ts'
import type { JsonValue } from '../common/json.ts'
import type { Timer } from '../common/ports.ts'
import type { DataType } from '../formats/data-type.ts'
import { type ScriptProgress, type ScriptReading, scriptProgressOf } from './script-progress.ts'

/** A place in a script at which something happens. */
export class ScriptMarker {
  readonly does: 'fail' | 'pause' | 'end'

  /** @internal There are three: FAIL, PAUSE and END. */
  constructor(does: ScriptMarker['does']) {
    this.does = does
  }
}

/** In a script: the source fails here, once. After the restart it reads on. */
export const FAIL = new ScriptMarker('fail')
/** In a script: the source waits here until `TestJob.resumeSources`. */
export const PAUSE = new ScriptMarker('pause')
/** In a script: the split ends here; what follows is not read. */
export const END = new ScriptMarker('end')

export interface ScriptedSourceOptions<T> {
  /** The type of the records; left out, they are untyped. */
  readonly type?: DataType<T>
  /** A subtask emits at most this many records at once; left out, as many as the engine takes. */
  readonly recordsAtOnce?: number
  /** A subtask waits this long, in the cluster's time, before it emits the next records. Default 0 */
  readonly interval?: Duration
}

/**
 * A bounded source that emits the records of a script, and fails or pauses where the script says so. Each script is a
 * split of its own, read in order; several are dealt out to the source's subtasks.
 * @example
 * ```ts
 * import { WatermarkStrategy } from 'millrace'
 * import { FAIL, scriptedSource, startTestCluster } from 'millrace/testing'
 *
 * await using cluster = startTestCluster()
 * const records = await cluster.runAndCollect(
 *   (env) =>
 *     env
 *       .fromSource(scriptedSource([[1, 2, FAIL, 3]]), WatermarkStrategy.noWatermarks(), 'numbers')
 *       .map((value) => value * 10),
 *   { configuration: { 'execution.checkpointing.interval': '1s' } },
 * )
 * console.log(records) // [10, 20, 30]: the failure loses nothing and doubles nothing
 * ```
 */
export function scriptedSource<T>(
  scripts: readonly (readonly (T | ScriptMarker)[])[],
  options: ScriptedSourceOptions<T> = {},
): Source<T> {
  const { type = { kind: 'untyped' }, recordsAtOnce = Number.POSITIVE_INFINITY, interval = 0 } = options
  if (!(recordsAtOnce >= 1)) {
    throw new MillraceError(
      'MR_JOB_DEFINITION',
      `scriptedSource: recordsAtOnce is ${recordsAtOnce}; it has to be 1 or more`,
    )
  }
  const pace = { recordsAtOnce, intervalMs: durationMs(interval, 'scriptedSource: interval') }
  const copies = scripts.map((script) => [...script])
  return {
    boundedness: 'bounded',
    description: { connector: 'scripted', options: { scripts: copies.length } },
    type,
    createReader: (context) => new ScriptedReader(copies, pace, context),
  }
}

/** Gives the splits of a scripted source: one a script. */
export function scriptedEnumerator(options: JsonValue): SplitEnumerator {
  const { scripts } = options as { readonly scripts: number }
  return {
    start: async () => Array.from({ length: scripts }, (_, index): SourceSplit => ({ id: `${index}`, position: 0 })),
    restore: async (known) => known,
    discover: async () => [],
    checkpointCompleted: async () => {},
    close: async () => {},
  }
}

interface Pace {
  readonly recordsAtOnce: number
  readonly intervalMs: number
}

class ScriptSplit<T> {
  readonly id: string
  readonly #script: readonly (T | ScriptMarker)[]
  next: number
  /** The watermarks were told of its end. */
  reported = false

  constructor(id: string, script: readonly (T | ScriptMarker)[], next: number) {
    this.id = id
    this.#script = script
    this.next = next
  }

  get item(): T | ScriptMarker | undefined {
    return this.#script[this.next]
  }

  get ended(): boolean {
    return this.next >= this.#script.length || this.item === END
  }
}

class ScriptedReader<T> implements SourceReader<T>, ScriptReading {
  readonly #scripts: readonly (readonly (T | ScriptMarker)[])[]
  readonly #pace: Pace
  readonly #context: SourceReaderContext
  readonly #progress: ScriptProgress
  readonly #splits: ScriptSplit<T>[] = []
  #complete = false
  #turn = 0
  #notBeforeMs = 0
  #timer: Timer | undefined

  constructor(scripts: readonly (readonly (T | ScriptMarker)[])[], pace: Pace, context: SourceReaderContext) {
    this.#scripts = scripts
    this.#pace = pace
    this.#context = context
    this.#progress = scriptProgressOf(context.clock)
    this.#progress.opened(this)
  }

  addSplits(splits: readonly SourceSplit[]): void {
    for (const { id, position } of splits) {
      const script = this.#scripts[Number(id)]
      if (script === undefined) {
        throw new MillraceError(
          'MR_STATE_INCOMPATIBLE',
          `scripted source "${this.#context.operatorName}" has no script ${id}`,
        )
      }
      this.#splits.push(new ScriptSplit(id, script, Number(position)))
    }
    this.#context.wake()
  }

  noMoreSplits(): void {
    this.#complete = true
    this.#context.wake()
  }

  get state(): ScriptReading['state'] {
    if (!this.#complete) return 'reading'
    if (this.#splits.every((split) => split.ended)) return 'ended'
    return this.#splits.every((split) => split.ended || this.#pausedAt(split)) ? 'paused' : 'reading'
  }

  resume(): void {
    for (const split of this.#splits) if (this.#pausedAt(split)) this.#progress.pass(this.#placeOf(split))
    this.#context.wake()
  }

  poll(output: SourceOutput<T>, maxRecords: number): PollResult {
    this.#reportEnds(output)
    const split = this.#nextReadable()
    if (split === undefined)
      return this.#complete && this.#splits.every(({ reported }) => reported) ? 'ended' : 'waiting'
    if (!this.#due()) return 'waiting'
    output.useSplit(split.id)
    this.#emit(split, output, Math.min(maxRecords, this.#pace.recordsAtOnce))
    this.#reportEnds(output)
    return 'records'
  }

  snapshot(): readonly SourceSplit[] {
    return this.#splits.map(({ id, next }) => ({ id, position: next }))
  }

  async close(): Promise<void> {
    this.#progress.closed(this)
    this.#timer?.cancel()
  }

  #emit(split: ScriptSplit<T>, output: SourceOutput<T>, count: number): void {
    for (let emitted = 0; emitted < count && !split.ended; ) {
      const { item } = split
      if (item instanceof ScriptMarker) {
        if (!this.#passMarker(split, item)) return
        continue
      }
      split.next++
      emitted++
      output.collect(item as T, noTimestamp)
    }
  }

  /** False: the split waits here. */
  #passMarker(split: ScriptSplit<T>, marker: ScriptMarker): boolean {
    const place = this.#placeOf(split)
    const passed = this.#progress.hasPassed(place)
    if (marker.does === 'fail' && !passed) {
      this.#progress.pass(place)
      throw new Error(`the script fails at ${place}`)
    }
    if (!passed) return false
    split.next++
    return true
  }

  /** One split after the other, so that none falls behind. */
  #nextReadable(): ScriptSplit<T> | undefined {
    for (let tried = 0; tried < this.#splits.length; tried++) {
      const split = this.#splits[this.#turn++ % this.#splits.length]
      if (split !== undefined && !split.ended && !this.#pausedAt(split)) return split
    }
    return undefined
  }

  #reportEnds(output: SourceOutput<T>): void {
    for (const split of this.#splits) {
      if (split.reported || !split.ended) continue
      split.reported = true
      output.splitFinished(split.id)
    }
  }

  #due(): boolean {
    const { clock } = this.#context
    const now = clock.monotonicMs()
    if (now < this.#notBeforeMs) {
      this.#timer?.cancel()
      this.#timer = clock.schedule(this.#notBeforeMs - now, () => this.#context.wake())
      return false
    }
    this.#notBeforeMs = now + this.#pace.intervalMs
    return true
  }

  #pausedAt(split: ScriptSplit<T>): boolean {
    return split.item === PAUSE && !this.#progress.hasPassed(this.#placeOf(split))
  }

  #placeOf({ id, next }: ScriptSplit<T>): string {
    return `item ${next} of script ${id} of source "${this.#context.operatorName}"`
  }
}
