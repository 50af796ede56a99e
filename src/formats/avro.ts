import { isMillraceError, MillraceError, messageOf } from '../common/errors.ts'
import { type AvroNode, type AvroSchemaSource, parseAvroSchema } from './avro-node.ts'
import { cursor } from './avro-primitives.ts'
import { type AvroRead, compileAvroReader } from './avro-resolution.ts'
import { avroSchema } from './avro-schema.ts'
import { avroWriterOf } from './avro-writing.ts'
import { ByteWriter } from './byte-writer.ts'
import type { DataType, DeclaredType } from './data-type.ts'
import type { Decoder, Encoder, Format } from './format.ts'
import { declaredCodec } from './serializer.ts'
import { untyped } from './types.ts'

/** An Avro schema: JSON data, or its text. */
export type { AvroSchemaSource } from './avro-node.ts'

/** How Avro's types become JavaScript's. */
export interface AvroValueOptions {
  /** What `long` is read as. `number` (default): one above 2^53 is an error. Both are written. */
  readonly longs?: 'number' | 'bigint'
}

export interface AvroOptions extends AvroValueOptions {
  /** What values are read as, where it is not the writer's schema: fields are matched by name or alias, missing ones get their defaults, numbers are widened. */
  readonly readerSchema?: AvroSchemaSource
}

export interface DeclaredAvroOptions {
  /** What the bytes were written with, where it is not the schema of the declared type. Values are read as the declared type; it is the writer's schema that is written, too. */
  readonly writerSchema?: AvroSchemaSource
}

/**
 * Avro's binary encoding of one value, without a header.
 *
 * | Avro | TypeScript |
 * | --- | --- |
 * | `null`, `boolean`, `string`, `enum` | `null`, `boolean`, `string`, `string` |
 * | `int`, `float`, `double`, `long` | `number` (`long`: `bigint` with `longs: 'bigint'`) |
 * | `bytes`, `fixed` | `Uint8Array` |
 * | `array`, `map`, `record` | array, object, object |
 * | union | the value; `{ branchName: value }` where two branches look alike, such as `int` and `long` |
 * | `date`, `timestamp-millis` | `Date` (a date at 00:00 UTC) |
 * | `timestamp-micros` | `bigint`, microseconds since 1970 |
 * | `time-millis`, `time-micros` | `number`, milli- or microseconds since midnight |
 * | `decimal` | `string` with all digits of its scale, such as `'12.50'` |
 * | `uuid` | `string` |
 *
 * Bytes that are no value of the schema are a record that can not be decoded (MR_DESERIALIZATION); a value that does not
 * fit when it is written is MR_STATE_TYPE, naming the field.
 *
 * ```ts
 * import { avro, int32, record, string } from 'millrace/formats'
 *
 * const schema = {
 *   type: 'record',
 *   name: 'Click',
 *   fields: [
 *     { name: 'user', type: 'string' },
 *     { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
 *   ],
 * }
 * export const clicks = avro<{ user: string; at: Date }>(schema)
 * export const counts = avro(record({ user: string(), clicks: int32() }))
 * ```
 *
 * @throws MillraceError MR_JOB_DEFINITION where it is no Avro schema, MR_SCHEMA_INCOMPATIBLE where the reader's schema can
 *   not read what the writer's wrote
 */
export function avro<T>(type: DeclaredType<T>, options?: DeclaredAvroOptions): Format<T>
export function avro<T>(schema: AvroSchemaSource, options?: AvroOptions): Format<T>
export function avro<T>(
  source: AvroSchemaSource | DeclaredType<T>,
  options: AvroOptions & DeclaredAvroOptions = {},
): Format<T> {
  const reader = isDeclaredType<T>(source)
    ? declaredAvro(source)
    : schemaAvro<T>(source, options.readerSchema ?? source, options)
  const { writerSchema } = options
  const written = writerSchema ?? (isDeclaredType(source) ? undefined : source)
  const writer = written === undefined ? reader.node : parseAvroSchema(written, "avro(): the writer's schema")
  const same = writerSchema === undefined && options.readerSchema === undefined
  // Compiled now as well, so that schemas that do not fit are an error of the job and not of its first record.
  const read = () => (same ? reader.readOwn() : reader.readFrom(writer))
  read()
  return {
    name: 'avro',
    type: reader.type,
    createDecoder: () => avroDecoder<T>(read()),
    createEncoder: () => avroEncoder<T>(same ? reader.writeOwn() : avroWriterOf(writer)),
  }
}

/** What values of one reader's schema are made with. */
export interface AvroReaderSchema<T> {
  readonly type: DataType<T>
  readonly node: AvroNode
  /** The schema as it is registered. */
  readonly schemaText: string
  /** Of bytes that the same schema wrote. */
  readOwn(): AvroRead
  /** @throws MillraceError MR_SCHEMA_INCOMPATIBLE */
  readFrom(writer: AvroNode): AvroRead
  writeOwn(): (writer: ByteWriter, value: unknown) => void
}

export function declaredAvro<T>(type: DeclaredType<T>): AvroReaderSchema<T> {
  const schema = avroSchema(type)
  const schemaText = JSON.stringify(schema)
  const node = parseAvroSchema(schema as unknown as AvroSchemaSource, 'the schema of the declared type')
  const codec = declaredCodec(type)
  // What only our own reader makes of it: fields whose names Avro does not allow, Maps and Sets.
  const isOwn = /"millrace(?:Name)?":|"type":"map"/.test(schemaText)
  return {
    type,
    node,
    schemaText,
    readOwn: () => codec.read,
    readFrom(writer) {
      if (isOwn) {
        const why =
          'a declared type with Maps, Sets, or field names that Avro does not allow is read only from its own schema'
        throw new MillraceError('MR_SCHEMA_INCOMPATIBLE', why)
      }
      return compileAvroReader(writer, node, { longs: 'number', declared: true })
    },
    writeOwn: () => codec.write,
  }
}

export function schemaAvro<T>(
  writer: AvroSchemaSource,
  reader: AvroSchemaSource,
  { longs = 'number' }: AvroValueOptions,
): AvroReaderSchema<T> {
  const what = writer === reader ? 'avro(): the schema' : "avro(): the reader's schema"
  const node = parseAvroSchema(reader, what)
  const readFrom = (from: AvroNode) => compileAvroReader(from, node, { longs, declared: false })
  return {
    type: untyped<T>(),
    node,
    schemaText: typeof reader === 'string' && !/^[a-z]+$/.test(reader) ? reader : JSON.stringify(reader),
    readOwn: () => readFrom(node),
    readFrom,
    writeOwn: () => avroWriterOf(node),
  }
}

/** A type has a `kind`; a schema's own attributes may have any name, but its `type` is there. */
export function isDeclaredType<T>(source: unknown): source is DeclaredType<T> {
  if (typeof source !== 'object' || source === null || !('kind' in source)) return false
  return !('type' in source) || typeof source.type !== 'string'
}

function avroDecoder<T>(read: AvroRead): Decoder<T> {
  return { decode: (bytes, start, end) => readWhole(read, bytes, start, end) as T }
}

/** @throws MillraceError MR_DESERIALIZATION where the bytes are not exactly one value */
export function readWhole(read: AvroRead, bytes: Buffer, start: number, end: number): unknown {
  let value: unknown
  try {
    value = read(bytes, start, end)
  } catch (error) {
    if (isMillraceError(error)) throw error
    throw new MillraceError('MR_DESERIALIZATION', `not Avro of this schema: ${messageOf(error)}`, { cause: error })
  }
  if (cursor.position === end) return value
  const rest = end - cursor.position
  throw new MillraceError('MR_DESERIALIZATION', `not Avro of this schema: ${rest} bytes are left after the value`)
}

function avroEncoder<T>(write: (writer: ByteWriter, value: unknown) => void): Encoder<T> {
  const writer = new ByteWriter(256)
  return {
    encode(value) {
      writer.position = 0
      write(writer, value)
      return writer.copy()
    },
  }
}
