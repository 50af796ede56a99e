import { MillraceError } from '../../../common/errors.ts'
import type { AvroReader, AvroWriter } from './avro-bytes.ts'

/**
 * Plain data as Avro: the messages of actors are structures of many types, and what they have in common is this. The
 * binary form is that of the schema `valueSchema` (Avro 1.11, "Binary Encoding"); any Avro reader opens it.
 */
export const valueSchema = {
  type: 'record',
  name: 'Value',
  namespace: 'millrace.wire',
  fields: [
    {
      name: 'value',
      type: [
        'null',
        'boolean',
        'long',
        'double',
        'string',
        'bytes',
        { type: 'array', items: 'Value' },
        { type: 'map', values: 'Value' },
        { type: 'record', name: 'Undefined', fields: [] },
      ],
    },
  ],
} as const

/** Index in the union. */
const branch = {
  null: 0,
  boolean: 1,
  long: 2,
  double: 3,
  string: 4,
  bytes: 5,
  array: 6,
  map: 7,
  undefined: 8,
} as const

/** Deeper than any message; a damaged one must not exhaust the stack. */
const depthLimit = 200

/** @throws MillraceError MR_INTERNAL for what is no plain data: functions, symbols, class instances */
export function writeValue(writer: AvroWriter, value: unknown): void {
  switch (typeof value) {
    case 'undefined':
      writer.long(branch.undefined)
      return
    case 'boolean':
      writer.long(branch.boolean)
      writer.boolean(value)
      return
    case 'number':
      writeNumber(writer, value)
      return
    case 'string':
      writer.long(branch.string)
      writer.string(value)
      return
    case 'object':
      writeObject(writer, value)
      return
    default:
      throw notPlain(typeof value)
  }
}

function writeNumber(writer: AvroWriter, value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    writer.long(branch.long)
    writer.long(value)
  } else {
    writer.long(branch.double)
    writer.double(value)
  }
}

function writeObject(writer: AvroWriter, value: object | null): void {
  if (value === null) {
    writer.long(branch.null)
  } else if (value instanceof Uint8Array) {
    writer.long(branch.bytes)
    writer.bytes(value)
  } else if (Array.isArray(value)) {
    writer.long(branch.array)
    writeBlock(writer, value, (item) => writeValue(writer, item))
  } else {
    writeRecord(writer, value)
  }
}

function writeRecord(writer: AvroWriter, value: object): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw notPlain(value.constructor.name)
  writer.long(branch.map)
  writeBlock(writer, Object.entries(value), ([key, item]) => {
    writer.string(key)
    writeValue(writer, item)
  })
}

/** Arrays and maps are blocks of items behind their count, then an empty block. */
function writeBlock<Item>(writer: AvroWriter, items: readonly Item[], write: (item: Item) => void): void {
  if (items.length > 0) {
    writer.long(items.length)
    for (const item of items) write(item)
  }
  writer.long(0)
}

function notPlain(what: string): MillraceError {
  return new MillraceError('MR_INTERNAL', `a message holds no plain data but a ${what}`)
}

/** @throws MillraceError MR_MESSAGE_DAMAGED */
export function readValue(reader: AvroReader, depth = 0): unknown {
  if (depth > depthLimit) throw reader.damaged('nested too deep')
  const index = reader.long()
  switch (index) {
    case branch.null:
      return null
    case branch.boolean:
      return reader.boolean()
    case branch.long:
      return reader.long()
    case branch.double:
      return reader.double()
    case branch.string:
      return reader.string()
    case branch.bytes:
      return reader.bytes()
    case branch.array:
      return readArray(reader, depth)
    case branch.map:
      return readMap(reader, depth)
    case branch.undefined:
      return undefined
    default:
      throw reader.damaged(`no branch ${index} of a value`)
  }
}

function readArray(reader: AvroReader, depth: number): unknown[] {
  const items: unknown[] = []
  for (let count = reader.count(); count > 0; count = reader.count()) {
    for (let index = 0; index < count; index++) items.push(readValue(reader, depth + 1))
  }
  return items
}

function readMap(reader: AvroReader, depth: number): Record<string, unknown> {
  const map: Record<string, unknown> = {}
  for (let count = reader.count(); count > 0; count = reader.count()) {
    for (let index = 0; index < count; index++) {
      const key = reader.string()
      const value = readValue(reader, depth + 1)
      // A key of that name would change the object instead of standing in it.
      if (key === '__proto__')
        Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true })
      else map[key] = value
    }
  }
  return map
}
