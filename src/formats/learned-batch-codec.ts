import { damaged, type SlicedBuffer, slicedBuffer } from './avro-primitives.ts'
import { ByteWriter } from './byte-writer.ts'
import type { DeclaredType, RecordField } from './data-type.ts'
import type { BatchCodec } from './format.ts'

type ColumnKind = 'string' | 'int32' | 'double' | 'boolean'
/** Names and kinds of the fields, in the order that every record has them. */
type Shape = readonly (readonly [name: string, kind: ColumnKind])[]

interface KnownShape {
  readonly names: readonly string[]
  /** JSON of the shape, sent with each batch. */
  readonly text: Buffer
  readonly codec: BatchCodec
}

/*
 * A batch begins with two 32-bit numbers: the length of the shape's text, or −1 where there is none and the rest is of the
 * general codec; and the length of the columns, which come next. Eight bytes, so that the columns stay aligned.
 */
const headerBytes = 8
const general = -1

const maxFields = 64
/** Each shape is two compiled functions. */
const maxShapes = 8
/** After batches of no shape in a row, so many times as many are not looked at. */
const longestPause = 256

export interface LearnedBatchCodecOptions {
  /** For every batch that is not of one shape. */
  readonly general: BatchCodec
  readonly columnar: (type: DeclaredType<unknown>) => BatchCodec
}

/**
 * Batches of untyped values: in columns where all records of a batch are flat objects with the same fields in the same
 * order, whose values are of one kind a field, as decoded JSON mostly is; everything else, undefined and null included,
 * goes through the general codec. In columns −0 and lone surrogates survive too.
 */
export class LearnedBatchCodec implements BatchCodec {
  readonly #options: LearnedBatchCodecOptions
  readonly #writer = new ByteWriter(1 << 14)
  readonly #sent = new Map<string, KnownShape>()
  readonly #received = new Map<string, BatchCodec>()
  #current: KnownShape | undefined
  #pause = 0
  #nextPause = 1

  constructor(options: LearnedBatchCodecOptions) {
    this.#options = options
  }

  encode(values: readonly unknown[], count: number): Uint8Array {
    const inColumns = this.#encodeInColumns(values, count)
    return inColumns ?? this.#framed(this.#options.general.encode(values, count), undefined)
  }

  decode(bytes: Uint8Array, count: number): unknown[] {
    if (bytes.length < headerBytes) throw damaged()
    const header = new DataView(bytes.buffer, bytes.byteOffset, headerBytes)
    const textLength = header.getInt32(0, true)
    if (textLength === general) return this.#options.general.decode(bytes.subarray(headerBytes), count)
    const columnsEnd = headerBytes + header.getInt32(4, true)
    if (columnsEnd < headerBytes || columnsEnd + textLength !== bytes.length) throw damaged()
    const text = slicedBuffer(bytes).ucs2Slice(columnsEnd, bytes.length)
    return this.#codecOf(text).decode(bytes.subarray(headerBytes, columnsEnd), count)
  }

  #encodeInColumns(values: readonly unknown[], count: number): Uint8Array | undefined {
    if (count === 0 || this.#pause > 0) {
      this.#pause--
      return undefined
    }
    const known = this.#current
    const columns = known === undefined ? undefined : encodeAs(known, values, count)
    if (known !== undefined && columns !== undefined) return this.#framed(columns, known.text)
    const learned = this.#learn(values, count)
    const again = learned === undefined ? undefined : encodeAs(learned, values, count)
    if (learned === undefined || again === undefined) {
      this.#pause = this.#nextPause
      this.#nextPause = Math.min(longestPause, this.#nextPause * 2)
      return undefined
    }
    this.#current = learned
    this.#nextPause = 1
    return this.#framed(again, learned.text)
  }

  #learn(values: readonly unknown[], count: number): KnownShape | undefined {
    const shape = shapeOf(values, count)
    if (shape === undefined) return undefined
    const text = JSON.stringify(shape)
    const known = this.#sent.get(text)
    if (known !== undefined || this.#sent.size === maxShapes) return known
    const names = shape.map(([name]) => name)
    const learned = { names, text: Buffer.from(text, 'utf16le'), codec: this.#options.columnar(typeOf(shape)) }
    this.#sent.set(text, learned)
    return learned
  }

  #codecOf(text: string): BatchCodec {
    const known = this.#received.get(text)
    if (known !== undefined) return known
    const codec = this.#options.columnar(typeOf(parsedShape(text)))
    this.#received.set(text, codec)
    return codec
  }

  #framed(payload: Uint8Array, text: Buffer | undefined): Uint8Array {
    const writer = this.#writer
    writer.position = 0
    writer.ensure(headerBytes + payload.length + (text?.length ?? 0))
    writer.bytes.writeInt32LE(text?.length ?? general, 0)
    writer.bytes.writeInt32LE(payload.length, 4)
    writer.position = headerBytes
    writer.writeBytes(payload)
    if (text !== undefined) writer.writeBytes(text)
    return (writer.bytes as SlicedBuffer).subarray(0, writer.position)
  }
}

/** Undefined where a value is of another shape. */
function encodeAs({ names, codec }: KnownShape, values: readonly unknown[], count: number): Uint8Array | undefined {
  for (let index = 0; index < count; index++) {
    if (!hasNames(values[index], names)) return undefined
  }
  try {
    return codec.encode(values, count)
  } catch {
    // A value of another kind: the general codec takes it, or says what is wrong with it.
    return undefined
  }
}

/** Plain objects only: of anything else the general codec knows whether it may be sent (R39). */
function hasNames(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false
  let count = 0
  for (const name in value) {
    if (name !== names[count]) return false
    count++
  }
  return count === names.length
}

function shapeOf(values: readonly unknown[], count: number): Shape | undefined {
  const [first] = values
  if (typeof first !== 'object' || first === null || Object.getPrototypeOf(first) !== Object.prototype) return undefined
  const names = Object.keys(first)
  // A literal with __proto__ would set a prototype.
  if (names.length === 0 || names.length > maxFields || names.includes('__proto__')) return undefined
  const shape: [string, ColumnKind][] = []
  for (const name of names) {
    const kind = kindOf(values, count, name)
    if (kind === undefined) return undefined
    shape.push([name, kind])
  }
  return shape
}

/** The kind of the first value; of numbers the narrowest that holds all. That all are of it is checked by encoding. */
function kindOf(values: readonly unknown[], count: number, name: string): ColumnKind | undefined {
  const fieldAt = (index: number): unknown => (values[index] as Readonly<Record<string, unknown>> | null)?.[name]
  const value = fieldAt(0)
  if (typeof value === 'string' || typeof value === 'boolean') return typeof value === 'string' ? 'string' : 'boolean'
  if (typeof value !== 'number') return undefined
  for (let index = 0; index < count; index++) {
    const number = fieldAt(index)
    if (typeof number !== 'number' || !Object.is(number | 0, number)) return 'double'
  }
  return 'int32'
}

function typeOf(shape: Shape): DeclaredType<unknown> {
  const fields: RecordField[] = shape.map(([name, kind]) => ({ name, type: { kind } }))
  return { kind: 'record', name: 'Record', fields }
}

const kinds: readonly unknown[] = ['string', 'int32', 'double', 'boolean'] satisfies ColumnKind[]

/** @throws RangeError where the text is no shape */
function parsedShape(text: string): Shape {
  try {
    const shape = JSON.parse(text) as Shape
    if (shape.every(([name, kind]) => typeof name === 'string' && kinds.includes(kind))) return shape
  } catch (error) {
    throw damaged(error)
  }
  throw damaged()
}
