import type { SlicedBuffer } from './avro-primitives.ts'
import { slicedBuffer } from './avro-primitives.ts'
import type { DeclaredType, RecordField, RecordType } from './data-type.ts'
import type { Decoder } from './format.ts'
import { compileLayout, parseJson, type Scan } from './json-decoder.ts'
import { isSpace, layoutOf } from './json-lexer.ts'

const closingBrace = 125
/** A layout is learned after this many records that no known layout fitted, then after 16 times as many. */
const firstLearning = 4
const maxLayouts = 4
const maxFields = 64
/** After this many records that no layout fitted, scanning goes on only where most records are read by it. */
const trial = 1024

/**
 * JSON.parse, and for flat objects that are written alike (the same fields in the same order, the same white space) a
 * scanner that gives the same: it is learned from objects that JSON.parse has read, and knows all of their fields.
 */
export class UntypedJsonDecoder<T> implements Decoder<T> {
  #layouts: readonly Scan[] = []
  #learnAt = firstLearning
  #misses = 0
  #hits = 0
  #bytes: SlicedBuffer | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))

  decode(bytes: Buffer, start: number, end: number): T {
    let stop = end
    while (stop > start && isSpace(bytes[stop - 1])) stop--
    const isObject = stop > start && bytes[stop - 1] === closingBrace
    if (isObject && this.#layouts.length > 0) {
      const value = this.#scan(bytes, start, stop)
      if (value !== undefined) return value as T
    }
    const value = parseJson(bytes, start, end)
    if (isObject && ++this.#misses >= this.#learnAt) this.#learn(bytes, { start, end: stop, value })
    return value as T
  }

  #scan(bytes: Buffer, start: number, end: number): unknown {
    if (bytes !== this.#bytes) this.#look(bytes)
    const buffer = this.#bytes as SlicedBuffer
    for (const layout of this.#layouts) {
      const value = layout(buffer, this.#view, start, end)
      if (value !== undefined) {
        this.#hits++
        return value
      }
    }
    if (this.#misses > trial && this.#hits < this.#misses) {
      this.#layouts = []
      this.#learnAt = Number.POSITIVE_INFINITY
    }
    return undefined
  }

  #learn(bytes: Buffer, { start, end, value }: { start: number; end: number; value: unknown }): void {
    this.#learnAt = this.#misses * 16
    const type = flatTypeOf(value)
    const layout = type === undefined ? undefined : layoutOf(bytes, start, end)
    // A field that stands twice, or a name that is no valid text, is JSON.parse's matter.
    if (type === undefined || layout?.values.length !== type.fields.length) return
    const scan = compileLayout(type, layout)
    if (scan === undefined) return
    this.#layouts = [...this.#layouts, scan]
    if (this.#layouts.length === maxLayouts) this.#learnAt = Number.POSITIVE_INFINITY
  }

  /** Buffers of a source hold many records each, so the view over one is kept. */
  #look(bytes: Buffer): void {
    this.#bytes = slicedBuffer(bytes)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }
}

/** Of an object of strings, numbers and booleans; undefined: of anything else. */
function flatTypeOf(value: unknown): RecordType<unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  if (entries.length === 0 || entries.length > maxFields) return undefined
  const fields: RecordField[] = []
  for (const [name, field] of entries) {
    const of = scalarTypeOf(field)
    // A literal with __proto__ would set a prototype; U+FFFD may stand for bytes that are no UTF-8.
    if (of === undefined || name === '__proto__' || name.includes('\ufffd')) return undefined
    fields.push({ name, type: { kind: 'nullable', of } })
  }
  return { kind: 'record', name: 'Record', fields }
}

function scalarTypeOf(value: unknown): DeclaredType<unknown> | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return { kind: typeof value as 'string' | 'boolean' }
    case 'number':
      return { kind: 'double' }
    default:
      return undefined
  }
}
