import { MillraceError } from '../common/errors.ts'
import { underlyingValue } from './avro-logical-values.ts'
import { type AvroLogicalType, type AvroNode, branchName, nodeText } from './avro-node.ts'
import { writeBytes, writeLong, writeString } from './avro-primitives.ts'
import type { ByteWriter } from './byte-writer.ts'
import { fieldPath, isPlainObject, itemPath, unexpected } from './check-value.ts'

/** Appends one value. @throws WrongValue where it does not fit the schema */
type AvroWrite = (writer: ByteWriter, value: unknown, path: AvroPath) => void

/** Where a value is, as far as it is needed for a message: a chain of names up to the record. */
interface AvroPath {
  readonly parent: AvroPath | undefined
  key: string | number
}

/** Appends one value in Avro's binary encoding. @throws MillraceError MR_STATE_TYPE naming the field */
export type AvroWriter = (writer: ByteWriter, value: unknown) => void

/** The writer of a schema. A field that the value does not have gets its default. */
export function avroWriterOf(node: AvroNode): AvroWriter {
  const write = new WriterTable().of(node)
  return (writer, value) => write(writer, value, { parent: undefined, key: '' })
}

class WriterTable {
  readonly #writers = new Map<AvroNode, AvroWrite>()

  of(node: AvroNode): AvroWrite {
    const known = this.#writers.get(node)
    if (known !== undefined) return known
    // Set before its parts are made, which may refer to it.
    let made: AvroWrite | undefined
    this.#writers.set(node, (writer, value, path) => (made as AvroWrite)(writer, value, path))
    made = this.#new(node)
    this.#writers.set(node, made)
    return made
  }

  #new(node: AvroNode): AvroWrite {
    const logical = 'logical' in node ? node.logical : undefined
    const write = this.#plain(node, logical)
    if (logical === undefined) return write
    const size = node.kind === 'fixed' ? node.size : undefined
    return (writer, value, path) => {
      const underlying = underlyingValue(logical, value, size)
      if (underlying === undefined) throw wrong(node, value, path)
      write(writer, underlying, path)
    }
  }

  #plain(node: AvroNode, logical: AvroLogicalType | undefined): AvroWrite {
    switch (node.kind) {
      case 'null':
        return (_writer, value, path) => {
          if (value !== null && value !== undefined) throw wrong(node, value, path)
        }
      case 'boolean':
        return (writer, value, path) => {
          if (typeof value !== 'boolean') throw wrong(node, value, path)
          writeByte(writer, value ? 1 : 0)
        }
      case 'int':
        return (writer, value, path) => {
          if (typeof value !== 'number' || (value | 0) !== value) throw wrong(node, value, path)
          writeInteger(writer, value)
        }
      case 'long':
        return (writer, value, path) => writeAnyLong(writer, value, () => wrong(node, value, path))
      case 'float':
      case 'double':
        return floatWriter(node)
      case 'string':
        return (writer, value, path) => {
          if (typeof value !== 'string') throw wrong(node, value, path)
          writer.position = writeString(writer, writer.position, value)
        }
      case 'bytes':
        return (writer, value, path) => {
          if (!(value instanceof Uint8Array)) throw wrong(node, value, path)
          writer.position = writeBytes(writer, writer.position, value)
        }
      case 'fixed':
        return (writer, value, path) => {
          if (!(value instanceof Uint8Array) || value.length !== node.size) throw wrong(node, value, path)
          writer.writeBytes(value)
        }
      case 'enum':
        return enumWriter(node)
      case 'array':
        return this.#array(node)
      case 'map':
        return this.#map(node)
      case 'record':
        return this.#record(node)
      case 'union':
        return this.#union(node)
      default: {
        const never: never = node
        throw new TypeError(`unknown schema ${String(never)} ${logical?.name}`)
      }
    }
  }

  #array(node: Extract<AvroNode, { kind: 'array' }>): AvroWrite {
    const write = this.of(node.items)
    return (writer, value, path) => {
      if (!Array.isArray(value)) throw wrong(node, value, path)
      if (value.length > 0) {
        const below: AvroPath = { parent: path, key: 0 }
        writeInteger(writer, value.length)
        for (let index = 0; index < value.length; index++) {
          below.key = index
          write(writer, value[index], below)
        }
      }
      writeByte(writer, 0)
    }
  }

  #map(node: Extract<AvroNode, { kind: 'map' }>): AvroWrite {
    const write = this.of(node.values)
    return (writer, value, path) => {
      if (!isObject(value)) throw wrong(node, value, path)
      const entries = Object.entries(value)
      if (entries.length > 0) {
        const below: AvroPath = { parent: path, key: '' }
        writeInteger(writer, entries.length)
        for (const [key, item] of entries) {
          below.key = key
          writer.position = writeString(writer, writer.position, key)
          write(writer, item, below)
        }
      }
      writeByte(writer, 0)
    }
  }

  #record(node: Extract<AvroNode, { kind: 'record' }>): AvroWrite {
    const fields = node.fields.map((field) => ({ ...field, write: this.of(field.type) }))
    return (writer, value, path) => {
      if (!isObject(value)) throw wrong(node, value, path)
      const below: AvroPath = { parent: path, key: '' }
      for (const field of fields) {
        below.key = field.name
        const part = value[field.name]
        if (part === undefined && field.defaultBytes !== undefined) writer.writeBytes(field.defaultBytes)
        else field.write(writer, part, below)
      }
    }
  }

  #union(node: Extract<AvroNode, { kind: 'union' }>): AvroWrite {
    const branches = node.branches.map((branch, index) => ({
      index,
      name: branchName(branch),
      write: this.of(branch),
      fits: fitsOf(branch),
    }))
    return (writer, value, path) => {
      const unwrapped = node.wrapped ? unwrap(value) : { name: undefined, value }
      const branch = branches.find(({ name, fits }) =>
        unwrapped.name === undefined ? fits(unwrapped.value) : name === unwrapped.name,
      )
      if (branch === undefined) throw wrong(node, value, path)
      writeInteger(writer, branch.index)
      branch.write(writer, unwrapped.value, path)
    }
  }
}

/** `{ branchName: value }`; null stands for itself. */
function unwrap(value: unknown): { readonly name: string | undefined; readonly value: unknown } {
  if (value === null || value === undefined) return { name: 'null', value: null }
  const [entry, ...others] = isObject(value) ? Object.entries(value) : []
  return entry === undefined || others.length > 0 ? { name: '', value } : { name: entry[0], value: entry[1] }
}

/** Whether a value looks like one of a branch: what is in it is judged when it is written. */
function fitsOf(node: AvroNode): (value: unknown) => boolean {
  const logical = 'logical' in node ? node.logical : undefined
  if (logical !== undefined) return (value) => underlyingValue(logical, value, undefined) !== undefined
  switch (node.kind) {
    case 'null':
      return (value) => value === null || value === undefined
    case 'boolean':
    case 'string':
      return (value) => typeof value === node.kind
    case 'int':
    case 'float':
    case 'double':
      return (value) => typeof value === 'number'
    case 'long':
      return (value) => typeof value === 'number' || typeof value === 'bigint'
    case 'bytes':
    case 'fixed':
      return (value) => value instanceof Uint8Array
    case 'enum':
      return (value) => typeof value === 'string' && node.symbols.includes(value)
    case 'array':
      return (value) => Array.isArray(value)
    case 'record':
    case 'map':
      return isObject
    case 'union':
      return () => false
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return isPlainObject(value) || !(value instanceof Uint8Array || value instanceof Date || value instanceof Map)
}

function floatWriter(node: AvroNode): AvroWrite {
  const size = node.kind === 'float' ? 4 : 8
  return (writer, value, path) => {
    if (typeof value !== 'number') throw wrong(node, value, path)
    writer.ensure(size)
    if (size === 4) writer.bytes.writeFloatLE(value, writer.position)
    else writer.bytes.writeDoubleLE(value, writer.position)
    writer.position += size
  }
}

function enumWriter(node: Extract<AvroNode, { kind: 'enum' }>): AvroWrite {
  const indices = new Map(node.symbols.map((symbol, index) => [symbol, index]))
  return (writer, value, path) => {
    const index = indices.get(value as string)
    if (index === undefined) throw wrong(node, value, path)
    writeInteger(writer, index)
  }
}

function writeByte(writer: ByteWriter, byte: number): void {
  writer.ensure(1)
  writer.bytes[writer.position++] = byte
}

function writeInteger(writer: ByteWriter, value: number): void {
  writer.ensure(10)
  writer.position = writeLong(writer.bytes, writer.position, value)
}

const maxLong = 2n ** 63n

function writeAnyLong(writer: ByteWriter, value: unknown, refuse: () => MillraceError): void {
  if (typeof value === 'bigint') {
    if (value < -maxLong || value >= maxLong) throw refuse()
    writer.ensure(10)
    let zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    for (; zigzag > 127n; zigzag >>= 7n) writer.bytes[writer.position++] = Number(zigzag & 127n) | 128
    writer.bytes[writer.position++] = Number(zigzag)
    return
  }
  if (!Number.isSafeInteger(value)) throw refuse()
  writeInteger(writer, value as number)
}

function wrong(node: AvroNode, value: unknown, path: AvroPath): MillraceError {
  const expected = node.kind === 'union' ? node.branches.map(nodeText).join(' or ') : nodeText(node)
  return new MillraceError('MR_STATE_TYPE', unexpected(expected, value, pathText(path)))
}

function pathText({ parent, key }: AvroPath): string {
  if (parent === undefined) return ''
  const above = pathText(parent)
  return typeof key === 'number' ? itemPath(above, key) : fieldPath(above, key)
}
