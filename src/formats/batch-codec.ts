import { copyOfBytes, cursor, damaged, type SlicedBuffer, slicedBuffer } from './avro-primitives.ts'
import { ByteWriter } from './byte-writer.ts'
import { columnTypes, decodeText, encodeText } from './columnar-text.ts'
import type { DataType, DeclaredType } from './data-type.ts'
import type { BatchCodec } from './format.ts'
import { compile } from './generated-text.ts'
import { LearnedBatchCodec } from './learned-batch-codec.ts'
import { MessagePackReader, MessagePackWriter } from './messagepack.ts'
import { declaredCodec, type ValueCodec, wrongValue } from './serializer.ts'

/**
 * The codec of batches between slots: columns by generated text for declared types, and for untyped values, which must be
 * plain data (R39), where a batch is of one shape; else msgpackr.
 *
 * Encoding refuses what does not fit the type by MillraceError MR_STATE_TYPE, naming the field. Decoded strings are
 * copies of their own: keeping one keeps nothing else of its batch.
 */
export function batchCodecOf(type: DataType<unknown>): BatchCodec {
  if (type.kind !== 'untyped') return columnarCodec(type)
  return new LearnedBatchCodec({ general: messagePackBatchCodec(), columnar: columnarCodec })
}

function messagePackBatchCodec(): BatchCodec {
  const writer = new MessagePackWriter()
  const reader = new MessagePackReader()
  return {
    encode: (values, count) => writer.pack(values.length === count ? values : values.slice(0, count)),
    decode(bytes, count) {
      const values = reader.unpack(bytes, 0, bytes.length)
      if (!Array.isArray(values) || values.length !== count) throw damaged()
      return values
    },
  }
}

function columnarCodec(type: DeclaredType<unknown>): BatchCodec {
  const codecs = columnTypes(type).map(nestedCodec)
  const fail = (row: unknown) => {
    throw wrongValue(type, row)
  }
  const w = new ByteWriter(1 << 14)
  const scope = { w, codecs, fail, cursor, copyOfBytes, damaged, readNested, writeColumnText }
  const decode = compile<(bytes: SlicedBuffer, count: number) => unknown[]>('batch-decoder', scope, decodeText(type))
  return {
    encode: compile<BatchCodec['encode']>('batch-encoder', scope, encodeText(type)),
    decode(bytes, count) {
      try {
        return decode(aligned(bytes), count)
      } catch (error) {
        // Columns are read in place, and what damage makes of their places is found by Node's own checks.
        throw damaged(error)
      }
    },
  }
}

const nestedKinds: readonly string[] = ['record', 'array', 'map', 'set']

function nestedCodec(type: DeclaredType<unknown>): ValueCodec | undefined {
  const of = type.kind === 'nullable' ? type.of : type
  return nestedKinds.includes(of.kind) ? declaredCodec(of) : undefined
}

/** Typed arrays need an aligned start; what comes inside of a frame may have none. */
function aligned(bytes: Uint8Array): SlicedBuffer {
  if ((bytes.byteOffset & 7) === 0) return slicedBuffer(bytes)
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy as SlicedBuffer
}

/** Appends the text of a column; returns 1 where it took two bytes a character. */
function writeColumnText(writer: ByteWriter, text: string): number {
  const ascii = Buffer.byteLength(text, 'utf8') === text.length
  writer.ensure(ascii ? text.length : text.length * 2)
  const bytes = writer.bytes as SlicedBuffer
  writer.position += ascii ? bytes.latin1Write(text, writer.position) : bytes.ucs2Write(text, writer.position)
  return ascii ? 0 : 1
}

interface NestedSection {
  readonly bytes: Uint8Array
  readonly start: number
  readonly count: number
  /** Bits of the values that are not null. */
  readonly mask: Uint8Array | undefined
}

/** Reads a column of nested values; its end is left in `cursor`. */
function readNested(codec: ValueCodec, section: NestedSection): unknown[] {
  const { bytes, mask, count } = section
  const values: unknown[] = new Array(count)
  cursor.position = section.start
  for (let index = 0; index < count; index++) {
    const present = mask === undefined || ((mask[index >> 3] as number) & (1 << (index & 7))) !== 0
    if (present) values[index] = codec.read(bytes, cursor.position, bytes.length)
  }
  return values
}
