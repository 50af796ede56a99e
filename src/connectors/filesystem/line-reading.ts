import { MillraceError } from '../../common/errors.ts'
import { copyOfBytes } from '../../formats/avro-primitives.ts'
import type { Decoder } from '../../formats/format.ts'
import { ByteWindow, type FileWaker } from './file-bytes.ts'
import type { FileReading, FileRecords } from './file-reading.ts'
import type { FilePosition, FileSplit } from './file-split.ts'
import { namingFile } from './naming-file.ts'

/** How the lines of a file become records. */
export interface LineLayout<T> {
  /** For lines after the header's, where there is one: its bytes without line end. @throws Error where it does not fit */
  decoderOf(header: Buffer | undefined): Decoder<T>
  readonly hasHeader: boolean
  /** In which a line end is part of the record; undefined: each line end ends a record. */
  readonly quote: string | undefined
  /** Lines without a character are no records. */
  readonly skipsEmpty: boolean
}

/** A longer line is taken for a file of another kind: it would fill the memory. */
const maxLineBytes = 64 << 20
const lineFeed = 10
const carriageReturn = 13
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** Reads the lines that begin in a range of a file. */
export class LineReading<T> implements FileReading<T> {
  readonly #split: FileSplit
  readonly #layout: LineLayout<T>
  readonly #waker: FileWaker
  readonly #end: number
  readonly #quote: number
  #window: ByteWindow
  #stage: 'header' | 'partialLine' | 'lines'
  #decoder: Decoder<T> | undefined
  #lines: number
  #offset: number
  /** `window.at` up to here holds no end of a line; quotes up to here are counted. */
  #searched = 0
  #quoted = false
  #lineStart = 0
  #lineEnd = 0
  #done = false

  constructor(split: FileSplit, layout: LineLayout<T>, waker: FileWaker) {
    this.#split = split
    this.#layout = layout
    this.#waker = waker
    this.#end = split.end ?? Number.POSITIVE_INFINITY
    this.#quote = layout.quote === undefined ? -1 : layout.quote.charCodeAt(0)
    this.#offset = split.position.offset
    this.#lines = split.position.index
    if (layout.hasHeader) {
      this.#stage = 'header'
      this.#window = new ByteWindow(split.path, 0, waker)
      return
    }
    this.#decoder = layout.decoderOf(undefined)
    // The line that a range begins in belongs to the one before; a byte earlier, since a line may begin right at the start.
    const isFresh = split.start > 0 && this.#offset === split.start && this.#lines === 0
    this.#stage = isFresh ? 'partialLine' : 'lines'
    this.#window = new ByteWindow(split.path, isFresh ? split.start - 1 : this.#offset, waker)
  }

  get position(): FilePosition {
    return { offset: this.#offset, index: this.#lines, done: this.#done }
  }

  get place(): string {
    const { path, start } = this.#split
    return start === 0 ? `file ${path}, line ${this.#lines}` : `file ${path}, line ${this.#lines} after byte ${start}`
  }

  recordBytes(): Uint8Array | null {
    return copyOfBytes(this.#window.bytes, this.#lineStart, this.#lineEnd)
  }

  read(records: FileRecords<T>, maxRecords: number): 'records' | 'waiting' | 'ended' {
    let emitted = 0
    while (emitted < maxRecords) {
      if (this.#atEnd) return this.#finish()
      if (!this.#nextLine()) {
        if (this.#window.ended) return this.#finish()
        return emitted > 0 ? 'records' : 'waiting'
      }
      if (this.#stage === 'lines') emitted += this.#emit(records)
      else this.#begin()
    }
    return 'records'
  }

  get #atEnd(): boolean {
    return this.#stage === 'lines' && this.#offset >= this.#end
  }

  close(): void {
    this.#window.close()
  }

  #finish(): 'ended' {
    const { path, end } = this.#split
    if (end !== null && this.#offset < end) {
      throw new MillraceError(
        'MR_SOURCE_FILE',
        `FileSource: ${path} ends at byte ${this.#offset}, but had ${end} when it was found: files must not change`,
      )
    }
    this.#done = true
    return 'ended'
  }

  /** What comes before the lines has been read. */
  #begin(): void {
    const { path, position } = this.#split
    if (this.#stage === 'partialLine') {
      this.#offset = this.#window.offset
      this.#stage = 'lines'
      return
    }
    this.#decoder = namingFile(path, () =>
      this.#layout.decoderOf(this.#window.bytes.subarray(this.#lineStart, this.#lineEnd)),
    )
    this.#stage = 'lines'
    if (position.offset === 0) {
      this.#lines++
      this.#offset = this.#window.offset
      return
    }
    this.#window.close()
    this.#window = new ByteWindow(path, position.offset, this.#waker)
    this.#searched = 0
  }

  /** 1 where the line is a record, or should be. */
  #emit(records: FileRecords<T>): number {
    this.#lines++
    this.#offset = this.#window.offset
    if (this.#layout.skipsEmpty && this.#lineStart === this.#lineEnd) return 0
    let value: T
    try {
      value = (this.#decoder as Decoder<T>).decode(this.#window.bytes, this.#lineStart, this.#lineEnd)
    } catch (error) {
      records.undecoded(error)
      return 1
    }
    records.collect(value)
    return 1
  }

  /** Passes a line; false where none is here as a whole. The last one of a file needs no line end. */
  #nextLine(): boolean {
    for (;;) {
      const window = this.#window
      const end = this.#findEnd()
      if (end >= 0) {
        this.#take(end, end + 1)
        return true
      }
      if (window.grow()) continue
      if (!window.ended || window.length === 0) return false
      this.#take(window.bytes.length, window.bytes.length)
      return true
    }
  }

  #take(end: number, next: number): void {
    const { bytes, at, offset } = this.#window
    const isStart = offset === 0 && bytes.subarray(at, at + 3).equals(byteOrderMark)
    this.#lineStart = isStart ? at + 3 : at
    this.#lineEnd = end > this.#lineStart && bytes[end - 1] === carriageReturn ? end - 1 : end
    this.#window.at = next
    this.#searched = 0
    this.#quoted = false
  }

  /** Where the line ends; −1: not in what is here. Goes on where the last search ended. */
  #findEnd(): number {
    const { bytes, at } = this.#window
    let from = at + this.#searched
    for (;;) {
      const end = bytes.indexOf(lineFeed, from)
      const upTo = end < 0 ? bytes.length : end
      if (this.#quote >= 0) this.#countQuotes(from, upTo)
      if (end >= 0 && !this.#quoted) return end
      if (end < 0) {
        this.#searched = upTo - at
        if (this.#searched <= maxLineBytes) return -1
        const { path } = this.#split
        throw new MillraceError(
          'MR_DESERIALIZATION',
          `file ${path}: the line after line ${this.#lines} has more than ${maxLineBytes} bytes`,
        )
      }
      from = end + 1
    }
  }

  /** A quote inside of quotes is written twice, which changes nothing in the end. */
  #countQuotes(from: number, end: number): void {
    const { bytes } = this.#window
    for (let at = from; at < end; at++) {
      if (bytes[at] === this.#quote) this.#quoted = !this.#quoted
    }
  }
}
