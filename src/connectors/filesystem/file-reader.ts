import {
  noTimestamp,
  type PollResult,
  type SourceOutput,
  type SourceReader,
  type SourceRecord,
  type SourceSplit,
} from '../../api/source.ts'
import { messageOf } from '../../common/errors.ts'
import type { FileWaker } from './file-bytes.ts'
import type { FileReading, FileRecords, ReadableFileFormat } from './file-reading.ts'
import { type FileSplit, fileSplitOf, sourceSplitOf } from './file-split.ts'

interface ReadSplit {
  readonly id: string
  split: FileSplit
}

/** Reads the splits of one subtask, one after the other. */
export class FileReader<T> implements SourceReader<T> {
  readonly #format: ReadableFileFormat<T>
  readonly #waker: FileWaker
  readonly #splits: ReadSplit[] = []
  /** Index of the one that is being read; all before it are finished. */
  #current = 0
  #reading: FileReading<T> | undefined
  #records: FileRecords<T> | undefined
  #noMoreSplits = false

  constructor(format: ReadableFileFormat<T>, waker: FileWaker) {
    this.#format = format
    this.#waker = waker
  }

  addSplits(splits: readonly SourceSplit[]): void {
    this.#splits.push(...splits.map((split) => ({ id: split.id, split: fileSplitOf(split) })))
    this.#waker.wake()
  }

  noMoreSplits(): void {
    this.#noMoreSplits = true
    this.#waker.wake()
  }

  poll(output: SourceOutput<T>, maxRecords: number): PollResult {
    const current = this.#splits[this.#current]
    if (current === undefined) return this.#noMoreSplits ? 'ended' : 'waiting'
    if (current.split.position.done) return this.#finish(current, output)
    this.#reading ??= this.#format.openFile(current.split, this.#waker)
    output.useSplit(current.id)
    this.#records ??= this.#recordsTo(output)
    const result = this.#reading.read(this.#records, maxRecords)
    if (result !== 'ended') return result
    current.split = { ...current.split, position: this.#reading.position }
    return this.#finish(current, output)
  }

  snapshot(): readonly SourceSplit[] {
    return this.#splits.map(({ split }, index) => {
      const isOpen = index === this.#current && this.#reading !== undefined
      return sourceSplitOf(isOpen ? { ...split, position: this.#reading?.position ?? split.position } : split)
    })
  }

  currentPlace(): string {
    return this.#reading?.place ?? 'no file'
  }

  currentRecord(): SourceRecord {
    const value = this.#reading?.recordBytes() ?? null
    return { place: this.currentPlace(), key: null, value, timestamp: noTimestamp }
  }

  async close(): Promise<void> {
    this.#reading?.close()
  }

  #finish(current: ReadSplit, output: SourceOutput<T>): PollResult {
    this.#reading?.close()
    this.#reading = undefined
    this.#current++
    output.splitFinished(current.id)
    return 'records'
  }

  #recordsTo(output: SourceOutput<T>): FileRecords<T> {
    return {
      collect: (value) => output.collect(value, noTimestamp),
      undecoded: (error) => output.deadLetter({ ...this.currentRecord(), error: messageOf(error) }),
    }
  }
}
