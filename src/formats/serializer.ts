import { MillraceError } from '../common/errors.ts'
import { slicedBuffer, writeBytes } from './avro-primitives.ts'
import { avroSchema, schemaFingerprint } from './avro-schema.ts'
import { avroScope, readText, writeText } from './avro-text.ts'
import { ByteWriter } from './byte-writer.ts'
import { problemOf } from './check-value.ts'
import type { DataType, DeclaredType } from './data-type.ts'
import { compile, LocalNames } from './generated-text.ts'
import { MessagePackReader, MessagePackWriter } from './messagepack.ts'

/**
 * Values of one type to bytes that are kept, and back: state in checkpoints, in Avro's binary encoding. One instance
 * serves one thread and is used for one value at a time. Lone surrogates in strings become U+FFFD.
 */
export interface Serializer<T> {
  /** 16 hexadecimal digits: equal exactly for types whose bytes are alike. */
  readonly fingerprint: string
  /** The Avro schema as JSON. */
  readonly schemaText: string
  /**
   * Appends the value's bytes.
   * @throws MillraceError MR_STATE_TYPE, naming the field, where the value does not fit the type, or (untyped) holds a
   * class instance or a function (R39); nothing was appended then
   */
  encodeInto(writer: ByteWriter, value: T): void
  /** The value's bytes in a fresh buffer. */
  encode(value: T): Buffer
  /** The value of `bytes[start, end)`. Nothing in it aliases `bytes`. */
  decode(bytes: Uint8Array, start: number, end: number): T
}

/** Writing and reading at a position: what a serializer and the columns of a batch are made of. */
export interface ValueCodec {
  write(writer: ByteWriter, value: unknown): void
  /** Reads one value at `start`; its end is left in `cursor` of avro-primitives. */
  read(bytes: Uint8Array, start: number, end: number): unknown
}

/** A generated codec of a declared type. */
export function declaredCodec(type: DeclaredType<unknown>): ValueCodec {
  const scope = { ...avroScope, problem: (value: unknown) => wrongValue(type, value) }
  const write = `return function write(w,v){const fail=()=>{throw problem(v)};let b=w.bytes,p=w.position;
${writeText(type, 'v', new LocalNames())}
w.position=p}`
  const read = `return function read(b,p,e){let v;${readText(type, 'v', new LocalNames())}
if(p>e)throw damaged();cursor.position=p;return v}`
  const readAt = compile<(bytes: Buffer, start: number, end: number) => unknown>('avro-reader', scope, read)
  return {
    write: compile('avro-writer', scope, write),
    read: (bytes, start, end) => readAt(slicedBuffer(bytes), start, end),
  }
}

/** The error for a value that generated text has refused. */
export function wrongValue(type: DataType<unknown>, value: unknown): MillraceError {
  const problem = problemOf(type, value, '')
  return problem === undefined
    ? new MillraceError('MR_INTERNAL', 'A value was refused that fits its type.')
    : new MillraceError('MR_STATE_TYPE', problem)
}

function untypedCodec(): ValueCodec {
  const packer = new MessagePackWriter()
  const reader = new MessagePackReader()
  return {
    write(writer, value) {
      writer.position = writeBytes(writer, writer.position, packer.pack(value))
    },
    read(bytes, start, end) {
      const length = avroScope.readCount(bytes, start, end)
      const from = avroScope.cursor.position
      const value = reader.unpack(bytes, from, from + length)
      avroScope.cursor.position = from + length
      return value
    },
  }
}

/** The serializer of a type: declared types in Avro, untyped values as msgpackr in Avro bytes (R39). */
export function serializerOf<T>(type: DataType<T>): Serializer<T> {
  const codec = type.kind === 'untyped' ? untypedCodec() : declaredCodec(type)
  const scratch = new ByteWriter(256)
  return {
    fingerprint: schemaFingerprint(type),
    schemaText: JSON.stringify(avroSchema(type)),
    encodeInto: codec.write,
    encode(value) {
      scratch.position = 0
      codec.write(scratch, value)
      return scratch.copy()
    },
    decode(bytes, start, end) {
      const value = codec.read(bytes, start, end)
      if (avroScope.cursor.position !== end) throw avroScope.damaged()
      return value as T
    },
  }
}
