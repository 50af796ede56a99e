import { MillraceError } from '../common/errors.ts'
import type { JsonValue } from '../common/json.ts'
import { declaredInteger, definitionError } from './declaration.ts'
import { RangeReader, rangePosition } from './range-reader.ts'
import type { Source, SourceSplit, SplitEnumerator } from './source.ts'

/** A bounded source of the whole numbers `from`, …, `to`, both included, as Flink's NumberSequenceSource. */
export function sequenceSource(from: number, to: number): Source<number> {
  declaredInteger(from, 'fromSequence', 'from', Number.MIN_SAFE_INTEGER)
  declaredInteger(to, 'fromSequence', 'to', Number.MIN_SAFE_INTEGER)
  if (from > to) throw definitionError('fromSequence', `from ${from} is above to ${to}`)
  return {
    boundedness: 'bounded',
    description: { connector: 'sequence', options: { from, to } },
    type: { kind: 'double' },
    createReader: () => new RangeReader((index) => index),
  }
}

/** Deals a sequence out at the first start; after that the ranges stay, whatever the parallelism. */
export function sequenceEnumerator(options: JsonValue): SplitEnumerator {
  const from = boundOf(options, 'from')
  const to = boundOf(options, 'to')
  return {
    start: async (parallelism) => sequenceSplits(from, to, parallelism),
    restore: async (known) => known,
    discover: async () => [],
    checkpointCompleted: async () => {},
    close: async () => {},
  }
}

/** As many splits of nearly equal size as there are subtasks, none of them empty. */
function sequenceSplits(from: number, to: number, parallelism: number): readonly SourceSplit[] {
  const length = to - from + 1
  const count = Math.min(length, parallelism)
  const size = Math.floor(length / count)
  const larger = length % count
  return Array.from({ length: count }, (_, index) => {
    const start = from + index * size + Math.min(index, larger)
    const end = start + size + (index < larger ? 1 : 0)
    return { id: `sequence-${index}`, position: rangePosition(start, end) }
  })
}

function boundOf(options: JsonValue, name: 'from' | 'to'): number {
  const value =
    typeof options === 'object' && options !== null ? (options as { [key: string]: JsonValue })[name] : undefined
  if (typeof value === 'number') return value
  throw new MillraceError('MR_INTERNAL', `the description of a sequence has no '${name}'`)
}
