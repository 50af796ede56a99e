import { MillraceError, messageOf } from '../common/errors.ts'
import { cursor, type SlicedBuffer, slicedBuffer } from './avro-primitives.ts'
import type { DeclaredType, RecordType } from './data-type.ts'
import type { Decoder } from './format.ts'
import { compile } from './generated-text.ts'
import { escapedStringAt, isSpace, type JsonLayout, layoutOf, numberAt, skipString, skipValue } from './json-lexer.ts'
import { anyOrderScannerText, layoutScannerText, powers } from './json-scanner-text.ts'
import { base64Of, pickDeclared } from './pick-declared.ts'

/** Gives the value of `bytes[start, end)`, or undefined where it is not certain. */
export type Scan = (bytes: SlicedBuffer, view: DataView, start: number, end: number) => unknown

const closingBrace = 125
/** A layout is learned after this many records that no scanner of a layout knew, then after 16 times as many. */
const firstLearning = 4
const maxLayouts = 4

/**
 * Scans records of one type and learns how its input is written: the order of fields, unknown ones, white space. Three
 * steps, each for what the one before is not certain of: scanners of learned layouts, the scanner of any order, and
 * (in the decoder) JSON.parse, which also explains what is wrong.
 */
export class RecordScanner {
  readonly #type: RecordType<unknown>
  readonly #scope: Readonly<Record<string, unknown>>
  readonly #anyOrder: Scan
  readonly #layouts: Scan[] = []
  readonly #texts = new Set<string>()
  #misses = 0
  #learnAt = firstLearning

  constructor(type: RecordType<unknown>) {
    this.#type = type
    this.#scope = scopeOf(type)
    this.#anyOrder = compile('json-any-order', this.#scope, anyOrderScannerText(type))
  }

  /** `bytes[start, end)` ends with no white space. */
  scan(bytes: SlicedBuffer, view: DataView, start: number, end: number): unknown {
    if (end <= start || bytes[end - 1] !== closingBrace) return undefined
    for (const layout of this.#layouts) {
      const value = layout(bytes, view, start, end)
      if (value !== undefined) return value
    }
    const value = this.#anyOrder(bytes, view, start, end)
    if (++this.#misses >= this.#learnAt && value !== undefined) this.#learn(bytes, start, end)
    return value
  }

  #learn(bytes: SlicedBuffer, start: number, end: number): void {
    this.#learnAt = this.#layouts.length < maxLayouts ? this.#misses * 16 : Number.POSITIVE_INFINITY
    const layout = layoutOf(bytes, start, end)
    const text = layout === undefined ? undefined : layoutScannerText(this.#type, layout)
    if (text === undefined || this.#texts.has(text) || this.#layouts.length >= maxLayouts) return
    this.#texts.add(text)
    this.#layouts.push(compile('json-layout', this.#scope, text))
  }
}

/** What the text of a scanner uses. */
function scopeOf(type: RecordType<unknown>): Readonly<Record<string, unknown>> {
  return {
    base64Of,
    cursor,
    escapedStringAt,
    nested: type.fields.map((field) => nestedScan(field.type)),
    numberAt,
    powers,
    skipString,
    skipValue,
  }
}

/** The scanner of one layout, for bytes that end with `}`; undefined where the type does not fit it. */
export function compileLayout(type: RecordType<unknown>, layout: JsonLayout): Scan | undefined {
  const text = layoutScannerText(type, layout)
  return text === undefined ? undefined : compile('json-layout', scopeOf(type), text)
}

/** The scan of a field that is a record, a list, a map or a set; undefined for scalars, whose text stands in the scanner itself. */
function nestedScan(type: DeclaredType<unknown>): Scan | undefined {
  if (type.kind === 'nullable') return nestedScan(type.of)
  if (type.kind === 'record') {
    const scanner = new RecordScanner(type)
    return (bytes, view, start, end) => scanner.scan(bytes, view, start, end)
  }
  if (type.kind !== 'array' && type.kind !== 'map' && type.kind !== 'set') return undefined
  return (bytes, _view, start, end) => {
    try {
      return pickDeclared(type, JSON.parse(bytes.utf8Slice(start, end)), '')
    } catch {
      // Explained by the decoder, which knows the path.
      return undefined
    }
  }
}

/** Decodes JSON of a declared type. */
export class DeclaredJsonDecoder<T> implements Decoder<T> {
  readonly #type: DeclaredType<T>
  readonly #scanner: RecordScanner | undefined
  #bytes: SlicedBuffer | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))

  constructor(type: DeclaredType<T>) {
    this.#type = type
    this.#scanner = type.kind === 'record' ? new RecordScanner(type) : undefined
  }

  decode(bytes: Buffer, start: number, end: number): T {
    const buffer = bytes as SlicedBuffer
    if (buffer !== this.#bytes) this.#look(buffer)
    let stop = end
    while (stop > start && isSpace(buffer[stop - 1])) stop--
    const value = this.#scanner?.scan(buffer, this.#view, start, stop)
    return (value === undefined ? pickDeclared(this.#type, parseJson(buffer, start, end), '') : value) as T
  }

  /** Buffers of a source hold many records each, so the view over one is kept. */
  #look(bytes: Buffer): void {
    this.#bytes = slicedBuffer(bytes)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }
}

/**
 * JSON.parse of `bytes[start, end)`.
 * @throws MillraceError MR_DESERIALIZATION for anything but one JSON value in UTF-8
 */
export function parseJson(bytes: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse((bytes as SlicedBuffer).utf8Slice(start, end))
  } catch (error) {
    throw new MillraceError('MR_DESERIALIZATION', `not JSON: ${messageOf(error)}`, { cause: error })
  }
}
