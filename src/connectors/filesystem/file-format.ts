import { MillraceError } from '../../common/errors.ts'
import type { CsvFormat } from '../../formats/csv.ts'

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

/** A record a line, as JSON. What has no JSON fails the job. */
export function jsonLines<T>(): FileFormat<T> {
  return textLines<T>(JSON.stringify as (value: T) => string, '.jsonl')
}

/**
 * A record a line, its text by a function.
 * @param encode the text of one record, without its line end
 */
export function textLines<T>(encode: (value: T) => string, suffix = '.txt'): FileFormat<T> {
  return { suffix, createPart: () => new LinesEncoder(encode, undefined) }
}

/**
 * A record a line, as CSV; each file begins with the names of the fields.
 * @param options.header default true; false leaves the names out
 */
export function csvLines<T>(format: CsvFormat<T>, options: { readonly header?: boolean } = {}): FileFormat<T> {
  const header = options.header === false ? undefined : format.header
  return { suffix: '.csv', createPart: () => new LinesEncoder((value: T) => format.line(value), header) }
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
