import type { SourceSplit } from '../../api/source.ts'
import { MillraceError } from '../../common/errors.ts'
import type { JsonValue } from '../../common/json.ts'

/** A file, or a range of its bytes, and how far it is read. Offsets count the bytes that its name's `.gz` unpacks to. */
export interface FileSplit {
  readonly path: string
  /** Lines that begin in `[start, end)` belong to the split; null: the file's end. */
  readonly start: number
  readonly end: number | null
  readonly position: FilePosition
}

/** Where to read on. */
export interface FilePosition {
  /** Of the next line, or of the block of records that is being read. */
  readonly offset: number
  /** Lines before `offset` since the split's start, or records of the block that were emitted. */
  readonly index: number
  /** The end is reached: the file is not needed any more. */
  readonly done: boolean
}

/** Stable over restarts: where a file is cut does not depend on how far it is read. */
export function fileSplitId(path: string, start: number): string {
  return `${path}#${start}`
}

export function sourceSplitOf({ path, start, end, position }: FileSplit): SourceSplit {
  const { offset, index, done } = position
  return { id: fileSplitId(path, start), position: { path, start, end, offset, index, done } }
}

/** @throws MillraceError MR_STATE_INCOMPATIBLE where it is no split of a file */
export function fileSplitOf({ id, position }: SourceSplit): FileSplit {
  const { path, start, end, offset, index, done } = fieldsOf(position)
  if (
    typeof path === 'string' &&
    typeof start === 'number' &&
    (typeof end === 'number' || end === null) &&
    typeof offset === 'number' &&
    typeof index === 'number' &&
    typeof done === 'boolean'
  ) {
    return { path, start, end, position: { offset, index, done } }
  }
  throw new MillraceError('MR_STATE_INCOMPATIBLE', `split ${id} has no position in a file: ${JSON.stringify(position)}`)
}

function fieldsOf(position: JsonValue): Readonly<Record<string, unknown>> {
  return typeof position === 'object' && position !== null && !Array.isArray(position) ? { ...position } : {}
}

/** Packed as gzip, by its name. */
export function isGzip(path: string): boolean {
  return path.endsWith('.gz')
}
