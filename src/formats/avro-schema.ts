import type { DataType, DeclaredType, MapType, RecordField, RecordType } from './data-type.ts'
import { typeText } from './type-text.ts'
import { defaultRecordName } from './types.ts'

/** An Avro schema as JSON data. */
export type AvroSchema = string | AvroRecord | AvroArray | AvroMap | readonly AvroSchema[] | AvroUntyped
export interface AvroRecord {
  readonly name: string
  readonly type: 'record'
  readonly fields: readonly AvroField[]
}
export interface AvroField {
  readonly name: string
  readonly type: AvroSchema
  /** The field's own name, where Avro does not allow it as a name. */
  readonly millraceName?: string
}
export interface AvroArray {
  readonly type: 'array'
  readonly items: AvroSchema
  /** What the items are here: a Set's, or (records of key and value) a Map's whose keys are no strings. */
  readonly millrace?: 'map' | 'set'
}
export interface AvroMap {
  readonly type: 'map'
  readonly values: AvroSchema
}
/** R39: untyped values are msgpackr in Avro bytes, marked by an attribute. */
export interface AvroUntyped {
  readonly type: 'bytes'
  readonly millrace: 'msgpackr'
}

const untypedSchema: AvroUntyped = { type: 'bytes', millrace: 'msgpackr' }

/**
 * The Avro schema of a type. A record below another is named after its path where it was given no name, and is written
 * once: later places refer to it by name.
 */
export function avroSchema(type: DataType<unknown>): AvroSchema {
  return type.kind === 'untyped' ? untypedSchema : schemaOf(type, defaultRecordName, new Map())
}

/** `names` holds the text of the type that each name was given to. */
function schemaOf(type: DeclaredType<unknown>, path: string, names: Map<string, string>): AvroSchema {
  switch (type.kind) {
    case 'record':
      return recordSchema(type, path, names)
    case 'array':
      return { type: 'array', items: schemaOf(type.items, path, names) }
    case 'map':
      return mapSchema(type, path, names)
    case 'set':
      return { type: 'array', items: schemaOf(type.items, path, names), millrace: 'set' }
    case 'nullable':
      return ['null', schemaOf(type.of, path, names)]
    case 'int32':
      return 'int'
    case 'string':
    case 'long':
    case 'double':
    case 'boolean':
    case 'bytes':
      return type.kind
  }
}

/** Avro's maps have strings as keys; the bytes of others are the same as those of an array of entries. */
function mapSchema(type: MapType<unknown>, path: string, names: Map<string, string>): AvroSchema {
  if (type.key.kind === 'string') return { type: 'map', values: schemaOf(type.value, path, names) }
  const fields = [
    { name: 'key', type: type.key },
    { name: 'value', type: type.value },
  ]
  const entry: RecordType<unknown> = { kind: 'record', name: defaultRecordName, fields }
  return { type: 'array', items: recordSchema(entry, `${path}_entry`, names), millrace: 'map' }
}

function recordSchema(type: RecordType<unknown>, path: string, names: Map<string, string>): AvroSchema {
  const text = typeText(type)
  const wanted = type.name === defaultRecordName ? path : type.name
  let name = wanted
  for (let number = 2; names.has(name); number++) {
    if (names.get(name) === text) return name
    name = `${wanted}_${number}`
  }
  names.set(name, text)
  const fieldNames = avroNames(type.fields)
  return {
    name,
    type: 'record',
    fields: type.fields.map((field, index) => {
      const avroName = fieldNames[index] as string
      const schema = { name: avroName, type: schemaOf(field.type, `${name}_${avroName}`, names) }
      return avroName === field.name ? schema : { ...schema, millraceName: field.name }
    }),
  }
}

/** Avro's names are letters, digits and `_`; other characters are written as `_x2d_`. */
function avroNames(fields: readonly RecordField[]): string[] {
  const taken = new Set(fields.map((field) => field.name))
  return fields.map(({ name }) => {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name
    let escaped = name.replace(/^[0-9]|[^A-Za-z0-9_]/g, (character) => `_x${character.charCodeAt(0).toString(16)}_`)
    while (escaped === '' || taken.has(escaped)) escaped += '_'
    taken.add(escaped)
    return escaped
  })
}

/** Avro's Parsing Canonical Form (Avro 1.12 specification): attributes that do not change the bytes are left out. */
export function canonicalSchemaText(schema: AvroSchema): string {
  if (typeof schema === 'string') return JSON.stringify(schema)
  if ('items' in schema) return `{"type":"array","items":${canonicalSchemaText(schema.items)}}`
  if ('values' in schema && 'type' in schema) return `{"type":"map","values":${canonicalSchemaText(schema.values)}}`
  if ('fields' in schema) {
    const fields = schema.fields.map(
      (field) => `{"name":${JSON.stringify(field.name)},"type":${canonicalSchemaText(field.type)}}`,
    )
    return `{"name":${JSON.stringify(schema.name)},"type":"record","fields":[${fields.join(',')}]}`
  }
  if ('millrace' in schema) return JSON.stringify(schema.type)
  return `[${schema.map(canonicalSchemaText).join(',')}]`
}

/**
 * Avro's schema fingerprint, CRC-64-AVRO of the Parsing Canonical Form, as 16 hexadecimal digits. An untyped value is
 * told apart from plain bytes: there the mark is part of what is fingerprinted.
 */
export function schemaFingerprint(type: DataType<unknown>): string {
  const text = type.kind === 'untyped' ? JSON.stringify(untypedSchema) : canonicalSchemaText(avroSchema(type))
  return crc64Avro(Buffer.from(text)).toString(16).padStart(16, '0')
}

const emptyFingerprint = 0xc15d213aa4d7a795n

const fingerprintTable = Array.from({ length: 256 }, (_, index) => {
  let value = BigInt(index)
  for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ (value & 1n ? emptyFingerprint : 0n)
  return value
})

/** The Rabin fingerprint of the Avro specification. */
export function crc64Avro(bytes: Uint8Array): bigint {
  let value = emptyFingerprint
  for (const byte of bytes) value = (value >> 8n) ^ (fingerprintTable[Number(value & 0xffn) ^ byte] as bigint)
  return value
}
