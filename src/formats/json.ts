import { MillraceError, messageOf } from '../common/errors.ts'
import type { SlicedBuffer } from './avro-primitives.ts'
import { ByteWriter } from './byte-writer.ts'
import { checkValue, fieldPath, itemPath, mapItemPath } from './check-value.ts'
import type { DeclaredType, RecordType } from './data-type.ts'
import type { Encoder, Format } from './format.ts'
import { DeclaredJsonDecoder } from './json-decoder.ts'
import { jsonRecordWriter } from './json-record-writer.ts'
import { UntypedJsonDecoder } from './json-untyped-decoder.ts'
import { untyped } from './types.ts'

/** JSON of any shape: what JSON.parse gives. The type is what you say it is; it is not checked. */
export function json<T>(): Format<T>
/**
 * JSON of a declared type: only the declared fields are taken, others are skipped, and a value of another type is an
 * error that names the field, such as `value: expected int32, got string`. A missing nullable field is null; bytes are
 * base64. Much faster than `json<T>()`.
 *
 * ```ts
 * import { json, int32, record, string } from 'millrace/formats'
 *
 * export const userEvents = json(record({ userId: string(), value: int32() }))
 * ```
 */
export function json<T>(type: DeclaredType<T>): Format<T>
export function json<T>(type?: DeclaredType<T>): Format<T> {
  if (type === undefined) {
    return {
      name: 'json',
      type: untyped<T>(),
      createDecoder: () => new UntypedJsonDecoder<T>(),
      createEncoder: () => untypedEncoder<T>(),
    }
  }
  const format: Format<T> = {
    name: 'json',
    type,
    createDecoder: () => new DeclaredJsonDecoder(type),
    createEncoder: () => declaredEncoder(type),
  }
  if (type.kind === 'record') scannedTypes.set(format, type)
  return format
}

/** Known by identity: a format that wraps another one may do anything to its bytes. */
const scannedTypes = new WeakMap<object, RecordType<unknown>>()

/** The record type of a format that `json(record({ … }))` has made: its values may be scanned in place. */
export function scannedRecordType(format: object): RecordType<unknown> | undefined {
  return scannedTypes.get(format)
}

function untypedEncoder<T>(): Encoder<T> {
  return {
    encode: (value) => Buffer.from(definedText(value), 'utf8'),
    append: (value, writer) => appendText(definedText(value), writer),
  }
}

function definedText(value: unknown): string {
  const text = stringify(value)
  if (text === undefined) throw new MillraceError('MR_STATE_TYPE', `${typeof value} can not be written as JSON`)
  return text
}

function appendText(text: string, writer: ByteWriter): void {
  writer.ensure(text.length * 3)
  writer.position += (writer.bytes as SlicedBuffer).utf8Write(text, writer.position)
}

function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (error) {
    const message = `the value can not be written as JSON: ${messageOf(error)}`
    throw new MillraceError('MR_STATE_TYPE', message, { cause: error })
  }
}

function declaredEncoder<T>(type: DeclaredType<T>): Encoder<T> {
  const write = type.kind === 'record' ? jsonRecordWriter(type) : undefined
  const textOf = (value: T): string => {
    checkValue(type, value, '')
    return JSON.stringify(jsonValueOf(type, value, ''))
  }
  if (write === undefined) {
    return {
      encode: (value) => Buffer.from(textOf(value), 'utf8'),
      append: (value, writer) => appendText(textOf(value), writer),
    }
  }
  const scratch = new ByteWriter(256)
  const append = (value: T, writer: ByteWriter): void => {
    if (!write(value, writer)) appendText(textOf(value), writer)
  }
  return {
    encode(value) {
      scratch.clear()
      append(value, scratch)
      return Buffer.from(scratch.bytes.subarray(0, scratch.position))
    },
    append,
  }
}

/** What JSON.stringify writes as this type reads it: declared fields only, bytes as base64. The value fits the type. */
function jsonValueOf(type: DeclaredType<unknown>, value: unknown, path: string): unknown {
  switch (type.kind) {
    case 'record': {
      const fields = value as Readonly<Record<string, unknown>>
      return Object.fromEntries(
        type.fields.map(({ name, type: fieldType }) => [
          name,
          jsonValueOf(fieldType, fields[name], fieldPath(path, name)),
        ]),
      )
    }
    case 'array':
      return (value as readonly unknown[]).map((item, index) => jsonValueOf(type.items, item, itemPath(path, index)))
    case 'map': {
      const entries = Array.from(value as ReadonlyMap<unknown, unknown>, ([key, item]) => [
        jsonValueOf(type.key, key, path),
        jsonValueOf(type.value, item, mapItemPath(path, key)),
      ])
      return type.key.kind === 'string' ? Object.fromEntries(entries) : entries
    }
    case 'set':
      return Array.from(value as ReadonlySet<unknown>, (item) => jsonValueOf(type.items, item, path))
    case 'nullable':
      return value === null || value === undefined ? null : jsonValueOf(type.of, value, path)
    case 'bytes':
      return Buffer.from(value as Uint8Array).toString('base64')
    case 'double':
      if (Number.isFinite(value)) return value
      throw new MillraceError('MR_STATE_TYPE', `${path === '' ? '' : `${path}: `}JSON has no ${String(value)}`)
    case 'string':
    case 'int32':
    case 'long':
    case 'boolean':
      return value
  }
}
