import { MillraceError } from '../common/errors.ts'
import { fieldPath, itemPath, mapItemPath, problemOf, unexpected } from './check-value.ts'
import type { DeclaredType, MapType, RecordType } from './data-type.ts'

/**
 * The declared value in what JSON.parse gave: only declared fields, a missing nullable field as null, bytes from
 * base64, integers without −0. It is what the generated scanner is compared with, and what explains a refusal.
 * @throws MillraceError MR_DESERIALIZATION, such as `value: expected int32, got string`
 */
export function pickDeclared(type: DeclaredType<unknown>, value: unknown, path: string): unknown {
  switch (type.kind) {
    case 'record':
      return pickRecord(type, value, path)
    case 'array':
      if (!Array.isArray(value)) throw wrong('array', value, path)
      return value.map((item, index) => pickDeclared(type.items, item, itemPath(path, index)))
    case 'map':
      return pickMap(type, value, path)
    case 'set':
      if (!Array.isArray(value)) throw wrong('array', value, path)
      return new Set(value.map((item, index) => pickDeclared(type.items, item, itemPath(path, index))))
    case 'nullable':
      return value === null || value === undefined ? null : pickDeclared(type.of, value, path)
    case 'int32':
    case 'long':
    case 'double':
    case 'string':
    case 'boolean': {
      const problem = problemOf(type, value, path)
      if (problem !== undefined) throw new MillraceError('MR_DESERIALIZATION', problem)
      return type.kind === 'int32' || type.kind === 'long' ? (value as number) + 0 : value
    }
    case 'bytes':
      return bytesOf(value, path)
  }
}

function pickRecord(type: RecordType<unknown>, value: unknown, path: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('record', value, path)
  const picked: Record<string, unknown> = {}
  for (const { name, type: fieldType } of type.fields) {
    // A field that the text does not have must not be found on the prototype, such as `constructor`.
    const field: unknown = Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined
    picked[name] = pickDeclared(fieldType, field, fieldPath(path, name))
  }
  return picked
}

/** An object where the keys are strings, else a list of pairs. */
function pickMap({ key, value: itemType }: MapType<unknown>, value: unknown, path: string): unknown {
  if (key.kind === 'string') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('object', value, path)
    const entries = Object.entries(value)
    return new Map(entries.map(([name, item]) => [name, pickDeclared(itemType, item, mapItemPath(path, name))]))
  }
  if (!Array.isArray(value)) throw wrong('array', value, path)
  return new Map(
    value.map((pair: unknown, index) => {
      if (!Array.isArray(pair) || pair.length !== 2) throw wrong('[key, value]', pair, itemPath(path, index))
      const picked = pickDeclared(key, pair[0], itemPath(itemPath(path, index), 0))
      return [picked, pickDeclared(itemType, pair[1], mapItemPath(path, picked))]
    }),
  )
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/

/** Bytes from base64 text, with or without padding; undefined where it is other text. */
export function base64Of(text: string): Uint8Array | undefined {
  return base64.test(text) ? Uint8Array.from(Buffer.from(text, 'base64')) : undefined
}

function bytesOf(value: unknown, path: string): Uint8Array {
  if (typeof value !== 'string') throw wrong('base64 string', value, path)
  const bytes = base64Of(value)
  if (bytes === undefined) {
    throw new MillraceError('MR_DESERIALIZATION', `${path === '' ? '' : `${path}: `}expected base64, got other text`)
  }
  return bytes
}

function wrong(expected: string, value: unknown, path: string): MillraceError {
  return new MillraceError('MR_DESERIALIZATION', unexpected(expected, value, path))
}
