import { MillraceError } from '../common/errors.ts'
import type { JsonValue } from '../common/json.ts'
import type { DataType } from '../formats/data-type.ts'
import { untyped } from '../formats/types.ts'
import { declaredFunction } from './declaration.ts'
import { RangeReader, rangePosition } from './range-reader.ts'
import type { Source, SourceSplit, SplitEnumerator } from './source.ts'

/**
 * A bounded source of items that the job file holds. They stay in the slots, which evaluate the same file; its one split
 * holds only how far it is read.
 */
export function collectionSource<T>(items: Iterable<T>, type: DataType<T> = untyped()): Source<T> {
  declaredFunction(items?.[Symbol.iterator], 'fromCollection', 'the iterator of the items')
  const copy = [...items]
  return {
    boundedness: 'bounded',
    description: { connector: 'collection', options: { length: copy.length } },
    type,
    maxParallelism: 1,
    createReader: () => new RangeReader((index) => copy[index] as T),
  }
}

/** Gives a collection's split, from the options of its description. */
export function collectionEnumerator(options: JsonValue): SplitEnumerator {
  const length = typeof options === 'object' && options !== null && 'length' in options ? options.length : undefined
  if (typeof length !== 'number')
    throw new MillraceError('MR_INTERNAL', 'the description of a collection has no length')
  return {
    start: async () => [{ id: 'collection', position: rangePosition(0, length) }],
    restore: async (known) => checkedLength(known, length),
    discover: async () => [],
    checkpointCompleted: async () => {},
    close: async () => {},
  }
}

/** A collection of another length is another collection: its positions mean nothing here. */
function checkedLength(known: readonly SourceSplit[], length: number): readonly SourceSplit[] {
  for (const { position } of known) {
    const end = typeof position === 'object' && position !== null && 'end' in position ? position['end'] : undefined
    if (end === length) continue
    throw new MillraceError(
      'MR_STATE_INCOMPATIBLE',
      `the checkpoint was written with a collection of ${String(end)} items; the job's has ${length} now`,
    )
  }
  return known
}
