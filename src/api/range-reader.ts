import { MillraceError } from '../common/errors.ts'
import type { JsonValue } from '../common/json.ts'
import { noTimestamp, type PollResult, type SourceOutput, type SourceReader, type SourceSplit } from './source.ts'

/** A split of a collection or sequence: indices [next, end) are still to be read. */
interface Range {
  readonly id: string
  next: number
  readonly end: number
  reported: boolean
}

/** Reads ranges of indices, one split after the other a poll, so that none falls behind. */
export class RangeReader<T> implements SourceReader<T> {
  readonly #ranges: Range[] = []
  readonly #valueAt: (index: number) => T
  #turn = 0
  #complete = false

  /** @param valueAt the record of an index */
  constructor(valueAt: (index: number) => T) {
    this.#valueAt = valueAt
  }

  addSplits(splits: readonly SourceSplit[]): void {
    for (const { id, position } of splits) this.#ranges.push({ id, ...positionOf(id, position), reported: false })
  }

  noMoreSplits(): void {
    this.#complete = true
  }

  poll(output: SourceOutput<T>, maxRecords: number): PollResult {
    const range = this.#nextOpen()
    if (range === undefined) return this.#complete ? 'ended' : 'waiting'
    output.useSplit(range.id)
    const end = Math.min(range.end, range.next + maxRecords)
    while (range.next < end) {
      const value = this.#valueAt(range.next)
      range.next += 1
      output.collect(value, noTimestamp)
    }
    if (range.next >= range.end) {
      range.reported = true
      output.splitFinished(range.id)
    }
    return 'records'
  }

  snapshot(): readonly SourceSplit[] {
    return this.#ranges.map(({ id, next, end }) => ({ id, position: rangePosition(next, end) }))
  }

  async close(): Promise<void> {}

  #nextOpen(): Range | undefined {
    for (let step = 0; step < this.#ranges.length; step++) {
      const range = this.#ranges[(this.#turn + step) % this.#ranges.length]
      if (range === undefined || range.reported) continue
      this.#turn = (this.#turn + step + 1) % this.#ranges.length
      return range
    }
    return undefined
  }
}

/** A position as it stands in checkpoints. */
export function rangePosition(next: number, end: number): JsonValue {
  return { next, end }
}

function positionOf(id: string, position: JsonValue): { next: number; end: number } {
  if (typeof position === 'object' && position !== null && 'next' in position && 'end' in position) {
    const { next, end } = position
    if (typeof next === 'number' && typeof end === 'number') return { next, end }
  }
  throw new MillraceError(
    'MR_STATE_INCOMPATIBLE',
    `split ${id} has no position [next, end): ${JSON.stringify(position)}`,
  )
}
