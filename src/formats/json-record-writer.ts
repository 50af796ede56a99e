import type { SlicedBuffer } from './avro-primitives.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { DeclaredType, RecordType } from './data-type.ts'
import { compile, LocalNames, quoted } from './generated-text.ts'

/**
 * Appends the JSON of a record to what the writer holds. False: something in it does not fit the type, or is not written
 * here (lists, maps, sets, bytes), and nothing was appended; the encoder, which can say what is wrong, writes it.
 */
export type JsonRecordWriter = (value: unknown, writer: ByteWriter) => boolean

/** The longest number: −1.2345678901234567e-300. */
const longestNumber = 24
/** Longer texts are quoted and written natively. */
const shortText = 48

/** Undefined: the type has fields that are not written here. */
export function jsonRecordWriter(type: RecordType<unknown>): JsonRecordWriter | undefined {
  const names = new LocalNames()
  const text = recordText(type, 'value', names)
  if (text === undefined) return undefined
  const scope = { writeInteger, writeNumber, writeText }
  const body = `return (value, writer) => {
  let bytes = writer.bytes
  let at = writer.position
${text}
  writer.position = at
  return true
}`
  return compile<JsonRecordWriter>('json-writer', scope, body)
}

function recordText(type: RecordType<unknown>, value: string, names: LocalNames): string | undefined {
  const parts = [`if (typeof ${value} !== 'object' || ${value} === null || Array.isArray(${value})) return false`]
  let before = '{'
  for (const { name, type: fieldType } of type.fields) {
    const field = names.fresh('field')
    const written = valueText(fieldType, field, names)
    if (written === undefined) return undefined
    parts.push(`const ${field} = ${value}[${quoted(name)}]`, constantText(`${before}${JSON.stringify(name)}:`), written)
    before = ','
  }
  return [...parts, constantText('}')].join('\n')
}

function valueText(type: DeclaredType<unknown>, value: string, names: LocalNames): string | undefined {
  switch (type.kind) {
    case 'string':
      return `if (typeof ${value} !== 'string') return false
at = writeText(writer, at, ${value})
bytes = writer.bytes`
    case 'boolean':
      return `if (${value} === true) {
${constantText('true')}
} else if (${value} === false) {
${constantText('false')}
} else return false`
    case 'int32':
      return numberText(`typeof ${value} !== 'number' || (${value} | 0) !== ${value}`, value)
    case 'long':
      return numberText(`!Number.isSafeInteger(${value})`, value)
    case 'double':
      return numberText(`typeof ${value} !== 'number' || !Number.isFinite(${value})`, value)
    case 'nullable': {
      const written = valueText(type.of, value, names)
      return written === undefined
        ? undefined
        : `if (${value} === null || ${value} === undefined) {\n${constantText('null')}\n} else {\n${written}\n}`
    }
    case 'record':
      return recordText(type, value, names)
    case 'array':
    case 'map':
    case 'set':
    case 'bytes':
      return undefined
  }
}

function numberText(wrong: string, value: string): string {
  return `if (${wrong}) return false
${roomText(longestNumber)}
at = (${value} | 0) === ${value} ? writeInteger(bytes, at, ${value}) : writeNumber(bytes, at, ${value})`
}

/** Bytes that stand in every record. */
function constantText(text: string): string {
  const bytes = [...Buffer.from(text, 'utf8')]
  const stores = bytes.map((byte, index) => `bytes[at + ${index}] = ${byte}`)
  return [roomText(bytes.length), ...stores, `at += ${bytes.length}`].join('\n')
}

/** `ensure` counts from the writer's position, which stays where the record begins. */
function roomText(length: number): string {
  return `if (at + ${length} > bytes.length) {
  writer.ensure(at - writer.position + ${length})
  bytes = writer.bytes
}`
}

/** Of 32 bits. */
function writeInteger(bytes: Buffer, start: number, value: number): number {
  let at = start
  let rest = value
  if (rest < 0) {
    bytes[at++] = 45
    rest = -rest
  }
  let end = at + 1
  for (let limit = 10; rest >= limit; limit *= 10) end++
  for (let place = end - 1; place >= at; place--) {
    const tenth = Math.floor(rest / 10)
    bytes[place] = 48 + rest - tenth * 10
    rest = tenth
  }
  return end
}

/** As JSON writes it. */
function writeNumber(bytes: Buffer, start: number, value: number): number {
  return start + (bytes as SlicedBuffer).latin1Write(String(value), start)
}

const quote = 34
const backslash = 92

/** A string with its quotes; the writer's buffer may be replaced, its position is not used. */
function writeText(writer: ByteWriter, start: number, text: string): number {
  const { length } = text
  if (length > shortText) return writeQuoted(writer, start, text)
  if (start + length + 2 > writer.bytes.length) writer.ensure(start - writer.position + length + 2)
  const { bytes } = writer
  bytes[start] = quote
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code > 126 || code < 32 || code === quote || code === backslash) return writeQuoted(writer, start, text)
    bytes[start + 1 + index] = code
  }
  bytes[start + 1 + length] = quote
  return start + length + 2
}

function writeQuoted(writer: ByteWriter, start: number, text: string): number {
  const quotedText = JSON.stringify(text)
  writer.ensure(start - writer.position + quotedText.length * 3)
  return start + (writer.bytes as SlicedBuffer).utf8Write(quotedText, start)
}
