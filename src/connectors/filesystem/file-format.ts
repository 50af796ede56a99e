import { MillraceError } from '../../common/errors.ts'
import type { CsvFormat } from '../../formats/csv.ts'
import type { DataType } from '../../formats/data-type.ts'
import type { Format } from '../../formats/format.ts'
import { json } from '../../formats/json.ts'
import { string } from '../../formats/types.ts'
import type { ReadableFileFormat } from './file-reading.ts'
import { type LineLayout, LineReading } from './line-reading.ts'

/** How records become the bytes of a file. */
export interface FileFormat<T> {
  /** End of the names of such files. */
  readonly suffix: string
  createPart(): PartEncoder<T>
}

/** Encodes the records of one file. */
export interface PartEncoder<T> {
  /** @throws MillraceError where the record can not be written; nothing of it is */
  write(value: T): void
  /** How much there is to `take`, in characters or bytes. */
  readonly pendingLength: number
  /** What has to be appended to the file now; called between records. */
  take(): string | Uint8Array
  /** The file is complete: what is left goes to the last `take`. */
  end(): void
}

/**
 * A record a line, as JSON. What has no JSON fails the job.
 * @param format how lines are read, such as `json(record({ … }))`; default: JSON of any shape
 */
export function jsonLines<T>(format: Format<T> = json<T>()): ReadableFileFormat<T> {
  const written = linesFormat(JSON.stringify as (value: T) => string, '.jsonl', undefined)
  return readableLines(written, format.type, {
    hasHeader: false,
    quote: undefined,
    skipsEmpty: true,
    decoderOf: () => format.createDecoder(),
  })
}

/** A text a line. Read, too: lines that are no UTF-8 have U+FFFD in their places. */
export function textLines(): ReadableFileFormat<string>
/**
 * A record a line, its text by a function.
 * @param encode the text of one record, without its line end
 */
export function textLines<T>(encode: (value: T) => string, suffix?: string): FileFormat<T>
export function textLines<T>(encode?: (value: T) => string, suffix = '.txt'): FileFormat<T> {
  if (encode !== undefined) return linesFormat(encode, suffix, undefined)
  const layout: LineLayout<string> = {
    hasHeader: false,
    quote: undefined,
    skipsEmpty: false,
    decoderOf: () => string().createDecoder(),
  }
  const written = linesFormat<string>((text) => text, suffix, undefined)
  return readableLines(written, string(), layout) as FileFormat<unknown> as FileFormat<T>
}

/**
 * A record a line, as CSV; each file begins with the names of the fields. Files that are read may have the fields in another
 * order, and others besides.
 * @param options.header default true; false: files have no names
 */
export function csvLines<T>(format: CsvFormat<T>, options: { readonly header?: boolean } = {}): ReadableFileFormat<T> {
  const hasHeader = options.header !== false
  const written = linesFormat((value: T) => format.line(value), '.csv', hasHeader ? format.header : undefined)
  const layout = {
    hasHeader,
    quote: format.quote,
    skipsEmpty: !format.allowsEmptyLine,
    decoderOf: (header: Buffer | undefined) =>
      header === undefined ? format.createDecoder() : format.decoderOfHeader(header.toString('utf8')),
  }
  // A line end in quotes is part of a record: where a range begins can not be told.
  return { ...readableLines(written, format.type, layout), splittable: false }
}

function linesFormat<T>(encode: (value: T) => unknown, suffix: string, header: string | undefined): FileFormat<T> {
  return { suffix, createPart: () => new LinesEncoder(encode, header) }
}

function readableLines<T>(written: FileFormat<T>, type: DataType<T>, layout: LineLayout<T>): ReadableFileFormat<T> {
  return {
    ...written,
    type,
    splittable: true,
    openFile: (split, waker) => new LineReading(split, layout, waker),
  }
}

class LinesEncoder<T> implements PartEncoder<T> {
  readonly #encode: (value: T) => unknown
  #text: string

  constructor(encode: (value: T) => unknown, header: string | undefined) {
    this.#encode = encode
    this.#text = header === undefined ? '' : `${header}\n`
  }

  get pendingLength(): number {
    return this.#text.length
  }

  write(value: T): void {
    const text = this.#encode(value)
    if (typeof text !== 'string') {
      throw new MillraceError('MR_SINK_RECORD', `FileSink: ${typeof value} has no text: give encode, or emit records`)
    }
    this.#text += `${text}\n`
  }

  take(): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  end(): void {}
}
