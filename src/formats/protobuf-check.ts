import type { Enum, Field, Type } from 'protobufjs'
import { fieldPath, itemPath, unexpected } from './check-value.ts'

/*
 * What protobufjs writes for a value that does not fit is another value (`'x'` as a number is 0): values are checked
 * before.
 */

/** What is wrong with a value of a message; undefined where nothing is. */
export function messageProblem(type: Type, value: unknown, path: string): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    return unexpected(`message ${type.fullName.slice(1)}`, value, path)
  }
  for (const field of type.fieldsArray) {
    const part = (value as Readonly<Record<string, unknown>>)[field.name]
    const problem = fieldProblem(field, part, fieldPath(path, field.name))
    if (problem !== undefined) return problem
  }
  return undefined
}

function fieldProblem(field: Field, value: unknown, path: string): string | undefined {
  if (value === undefined || value === null) return field.required ? unexpected(field.type, value, path) : undefined
  if (field.map) {
    if (typeof value !== 'object' || Array.isArray(value)) return unexpected('map', value, path)
    return firstProblem(Object.entries(value), ([key, item]) => valueProblem(field, item, fieldPath(path, key)))
  }
  if (!field.repeated) return valueProblem(field, value, path)
  if (!Array.isArray(value)) return unexpected('array', value, path)
  return firstProblem([...value.entries()], ([index, item]) => valueProblem(field, item, itemPath(path, index)))
}

function firstProblem<T>(items: readonly T[], problemOf: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const problem = problemOf(item)
    if (problem !== undefined) return problem
  }
  return undefined
}

function valueProblem(field: Field, value: unknown, path: string): string | undefined {
  const { resolvedType, type } = field
  if (resolvedType !== null) {
    return 'fieldsArray' in resolvedType
      ? messageProblem(resolvedType, value, path)
      : enumProblem(resolvedType, value, path)
  }
  return isScalar(type, value) ? undefined : unexpected(type, value, path)
}

function enumProblem(type: Enum, value: unknown, path: string): string | undefined {
  const known = typeof value === 'string' ? Object.hasOwn(type.values, value) : isWithin(value, -(2n ** 31n), 2n ** 31n)
  if (known) return undefined
  const text =
    typeof value === 'string' ? `${path}: expected enum ${type.name}, got ${JSON.stringify(value)}` : undefined
  return text ?? unexpected(`enum ${type.name}`, value, path)
}

function isScalar(type: string, value: unknown): boolean {
  switch (type) {
    case 'double':
    case 'float':
      return typeof value === 'number'
    case 'bool':
      return typeof value === 'boolean'
    case 'string':
      return typeof value === 'string'
    case 'bytes':
      return value instanceof Uint8Array
    case 'int32':
    case 'sint32':
    case 'sfixed32':
      return isWithin(value, -(2n ** 31n), 2n ** 31n)
    case 'uint32':
    case 'fixed32':
      return isWithin(value, 0n, 2n ** 32n)
    case 'int64':
    case 'sint64':
    case 'sfixed64':
      return isWithin(value, -(2n ** 63n), 2n ** 63n)
    default:
      return isWithin(value, 0n, 2n ** 64n)
  }
}

function isWithin(value: unknown, from: bigint, end: bigint): boolean {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return false
  return (value as number | bigint) >= from && (value as number | bigint) < end
}
