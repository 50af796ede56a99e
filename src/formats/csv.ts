import { MillraceError, messageOf } from '../common/errors.ts'
import type { SlicedBuffer } from './avro-primitives.ts'
import { checkValue, unexpected } from './check-value.ts'
import type { DeclaredType, RecordType } from './data-type.ts'
import type { Decoder, Format } from './format.ts'
import { csvParsePackage } from './installed-packages.ts'
import { base64Of } from './pick-declared.ts'

export interface CsvOptions {
  /** Between fields, one character; default `,`. */
  readonly delimiter?: string
  /** Around fields that hold delimiters, quotes or line ends; one character, default `"`. Inside, it is written twice. */
  readonly quote?: string
  /** What stands for null, unquoted; default nothing at all. In quotes it is text. */
  readonly nullText?: string
}

/** CSV of a declared record type, and what files of it need. */
export interface CsvFormat<T> extends Format<T> {
  /** The names of the fields as a line, without its end. */
  readonly header: string
  /** One record as a line, without its end. @throws MillraceError MR_STATE_TYPE naming the field */
  line(value: T): string
  /** Around fields that hold line ends. */
  readonly quote: string
  /** A line without a character is a record. */
  readonly allowsEmptyLine: boolean
  /**
   * Of lines below a header: fields are found by its names, others than the declared ones are passed over.
   * @throws MillraceError MR_DESERIALIZATION naming a field that the header has not, and is not nullable
   */
  decoderOfHeader(header: string): Decoder<T>
}

/**
 * One record as a line of CSV (RFC 4180), its fields in the order of the declaration; without a header, as values in Kafka
 * are. Numbers are decimal, booleans `true` and `false`, bytes base64; nullable fields that are null are `nullText`.
 *
 * A line that does not fit is a record that can not be decoded (MR_DESERIALIZATION), with the name of its field.
 *
 * ```ts
 * import { csv, int32, nullable, record, string } from 'millrace/formats'
 *
 * export const orders = csv(record({ id: string(), count: int32(), note: nullable(string()) }), { delimiter: ';' })
 * ```
 *
 * @throws MillraceError MR_JOB_DEFINITION for fields that are lists or records, or options that are no single character
 */
export function csv<T>(type: RecordType<T>, options: CsvOptions = {}): CsvFormat<T> {
  const { delimiter = ',', quote = '"', nullText = '' } = options
  const dialect: Dialect = { delimiter, quote, nullText }
  checkDialect(dialect)
  const columns = type.fields.map(({ name, type: fieldType }) => columnOf(name, fieldType))
  const line = (value: unknown) => lineOf(type, columns, dialect, value)
  const split = splitter(dialect)
  const [first] = columns
  return {
    name: 'csv',
    type,
    quote,
    allowsEmptyLine:
      columns.length === 1 && (first?.nullable === true ? nullText === '' : first?.type.kind === 'string'),
    decoderOfHeader(header) {
      const names = split(header).map(({ text }) => text)
      const places = columns.map((column) => placeOf(column, names))
      return {
        decode(bytes, start, end) {
          const cells = split((bytes as SlicedBuffer).utf8Slice(start, end))
          checkCount(cells, names.length)
          const chosen = places.map((place) => (place < 0 ? { text: nullText, quoted: false } : (cells[place] as Cell)))
          return recordOf(columns, dialect, chosen) as T
        },
      }
    },
    header: columns.map(({ name }) => quoted(name, dialect, false)).join(delimiter),
    line,
    createDecoder() {
      return {
        decode(bytes, start, end) {
          const cells = split((bytes as SlicedBuffer).utf8Slice(start, end))
          checkCount(cells, columns.length)
          return recordOf(columns, dialect, cells) as T
        },
      }
    },
    createEncoder: () => ({ encode: (value) => Buffer.from(line(value), 'utf8') }),
  }
}

interface Dialect {
  readonly delimiter: string
  readonly quote: string
  readonly nullText: string
}

interface Column {
  readonly name: string
  readonly type: Exclude<DeclaredType<unknown>, { readonly kind: 'nullable' }>
  readonly nullable: boolean
}

interface Cell {
  readonly text: string
  readonly quoted: boolean
}

function checkDialect({ delimiter, quote, nullText }: Dialect): void {
  const isCharacter = (text: string) => text.length === 1 && !/[\r\n]/.test(text)
  if (!isCharacter(delimiter)) throw wrongOption(`delimiter ${JSON.stringify(delimiter)} is no single character`)
  if (!isCharacter(quote) || quote === delimiter) throw wrongOption(`quote ${JSON.stringify(quote)} can not be used`)
  if (nullText.includes(delimiter) || nullText.includes(quote) || /[\r\n]/.test(nullText)) {
    throw wrongOption(`nullText ${JSON.stringify(nullText)} would have to be quoted`)
  }
}

function columnOf(name: string, type: DeclaredType<unknown>): Column {
  const of = type.kind === 'nullable' ? type.of : type
  if (of.kind === 'record' || of.kind === 'array' || of.kind === 'map' || of.kind === 'set' || of.kind === 'nullable') {
    throw wrongOption(`field ${name} is of kind ${of.kind}, which has no place in a line`)
  }
  return { name, type: of, nullable: type.kind === 'nullable' }
}

function wrongOption(why: string): MillraceError {
  return new MillraceError('MR_JOB_DEFINITION', `csv(): ${why}`)
}

/** Splits a line into its cells. Lines without quotes, which most are, need no parser. */
function splitter({ delimiter, quote }: Dialect): (line: string) => readonly Cell[] {
  return (text) => {
    const line = text.replace(/\r?\n$/, '')
    if (!line.includes(quote) && !/[\r\n]/.test(line)) {
      return line.split(delimiter).map((cell) => ({ text: cell, quoted: false }))
    }
    return parsed(line, delimiter, quote)
  }
}

function parsed(line: string, delimiter: string, quote: string): readonly Cell[] {
  let rows: readonly (readonly Cell[])[]
  try {
    rows = csvParsePackage().parse(line, {
      delimiter,
      quote,
      escape: quote,
      relax_column_count: true,
      cast: (text, { quoting }) => ({ text, quoted: quoting }) as never,
    }) as unknown as readonly (readonly Cell[])[]
  } catch (error) {
    throw new MillraceError('MR_DESERIALIZATION', `not CSV: ${messageOf(error)}`, { cause: error })
  }
  const [row] = rows
  if (rows.length === 1 && row !== undefined) return row
  throw new MillraceError('MR_DESERIALIZATION', `not CSV: ${rows.length} lines instead of one`)
}

function checkCount({ length }: readonly Cell[], expected: number): void {
  if (length === expected) return
  throw new MillraceError('MR_DESERIALIZATION', `not CSV of this type: ${length} fields instead of ${expected}`)
}

/** −1: the header has no such field, which is null then. */
function placeOf({ name, nullable }: Column, names: readonly string[]): number {
  const place = names.indexOf(name)
  if (place >= 0 || nullable) return place
  throw new MillraceError(
    'MR_DESERIALIZATION',
    `the header has no field ${name}; it has ${names.join(', ').slice(0, 200)}`,
  )
}

function recordOf(columns: readonly Column[], { nullText }: Dialect, cells: readonly Cell[]): unknown {
  const entries = columns.map((column, index) => {
    const { text, quoted: isQuoted } = cells[index] as Cell
    const isNull = column.nullable && !isQuoted && text === nullText
    return [column.name, isNull ? null : cellValue(column, text)]
  })
  return Object.fromEntries(entries)
}

const integer = /^-?\d+$/
const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$|^-?Infinity$|^NaN$/

function cellValue({ name, type }: Column, text: string): unknown {
  const value = parsedValue(type.kind, text)
  if (value !== undefined) return value
  throw new MillraceError(
    'MR_DESERIALIZATION',
    `${unexpected(type.kind, text, name)} ${JSON.stringify(text.slice(0, 50))}`,
  )
}

/** Undefined where the text is no value of the kind. */
function parsedValue(kind: Column['type']['kind'], text: string): unknown {
  switch (kind) {
    case 'string':
      return text
    case 'int32': {
      const value = integer.test(text) ? Number(text) + 0 : Number.NaN
      return (value | 0) === value ? value : undefined
    }
    case 'long': {
      const value = integer.test(text) ? Number(text) + 0 : Number.NaN
      return Number.isSafeInteger(value) ? value : undefined
    }
    case 'double':
      return decimal.test(text) ? Number(text) : undefined
    case 'boolean':
      if (text === 'true') return true
      return text === 'false' ? false : undefined
    case 'bytes':
      return base64Of(text)
    default:
      return undefined
  }
}

function lineOf(type: DeclaredType<unknown>, columns: readonly Column[], dialect: Dialect, value: unknown): string {
  checkValue(type, value, '')
  const fields = value as Readonly<Record<string, unknown>>
  return columns.map(({ name, nullable }) => cellOf(fields[name], dialect, nullable)).join(dialect.delimiter)
}

function cellOf(value: unknown, dialect: Dialect, nullable: boolean): string {
  if (value === null || value === undefined) return dialect.nullText
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('base64') : numberOrText(value)
  return quoted(text, dialect, nullable && text === dialect.nullText)
}

/** String() makes 0 of -0. */
function numberOrText(value: unknown): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function quoted(text: string, { delimiter, quote }: Dialect, always: boolean): string {
  const needed = always || text.includes(delimiter) || text.includes(quote) || /[\r\n]/.test(text)
  return needed ? `${quote}${text.replaceAll(quote, `${quote}${quote}`)}${quote}` : text
}
