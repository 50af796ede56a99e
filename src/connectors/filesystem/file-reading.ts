import type { DataType } from '../../formats/data-type.ts'
import type { FileWaker } from './file-bytes.ts'
import type { FileFormat } from './file-format.ts'
import type { FilePosition, FileSplit } from './file-split.ts'

/** A format of files that can be read as well as written. */
export interface ReadableFileFormat<T> extends FileFormat<T> {
  readonly type: DataType<T>
  /** Each line is a record: a large file may be read in ranges. */
  readonly splittable: boolean
  /** Begins to read. */
  openFile(split: FileSplit, waker: FileWaker): FileReading<T>
}

/** Takes the records of a file, and those of its bytes that are no record. */
export interface FileRecords<T> {
  collect(value: T): void
  undecoded(error: unknown): void
}

/** Reads the records of one split of a file. Its position is that after the record that is being emitted. */
export interface FileReading<T> {
  /** Emits up to `maxRecords` records of what is here. `waiting`: nothing is here, `wake` follows. */
  read(records: FileRecords<T>, maxRecords: number): 'records' | 'waiting' | 'ended'
  readonly position: FilePosition
  /** Of the record that was emitted last, such as `file /data/a.csv, line 7`. */
  readonly place: string
  /** The bytes of the record that was emitted last, copied; null where it has none of its own. */
  recordBytes(): Uint8Array | null
  close(): void
}
