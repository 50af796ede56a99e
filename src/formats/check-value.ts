import { MillraceError } from '../common/errors.ts'
import type { ArrayType, DataType, DeclaredType, MapType, RecordType, SetType } from './data-type.ts'
import { nameText } from './type-text.ts'

/**
 * Refuses a value that does not fit its type.
 * @param path names the value in the message, such as `state 'total'`; empty where it needs no name
 * @throws MillraceError MR_STATE_TYPE, such as `lines[2].value: expected int32, got string`
 */
export function checkValue(type: DataType<unknown>, value: unknown, path: string): void {
  const problem = problemOf(type, value, path)
  if (problem !== undefined) throw new MillraceError('MR_STATE_TYPE', problem)
}

/** What is wrong with a value of a type; undefined where nothing is. */
export function problemOf(type: DataType<unknown>, value: unknown, path: string): string | undefined {
  return type.kind === 'untyped' ? plainDataProblem(value, path) : declaredProblem(type, value, path)
}

function declaredProblem(type: DeclaredType<unknown>, value: unknown, path: string): string | undefined {
  switch (type.kind) {
    case 'record':
      return recordProblem(type, value, path)
    case 'array':
      return arrayProblem(type, value, path)
    case 'map':
      return mapProblem(type, value, path)
    case 'set':
      return setProblem(type, value, path)
    case 'nullable':
      return value === null || value === undefined ? undefined : declaredProblem(type.of, value, path)
    case 'string':
    case 'boolean':
      return typeof value === type.kind ? undefined : unexpected(type.kind, value, path)
    case 'double':
      return typeof value === 'number' ? undefined : unexpected('double', value, path)
    case 'int32':
      return typeof value === 'number' && (value | 0) === value ? undefined : unexpected('int32', value, path)
    case 'long':
      return Number.isSafeInteger(value) ? undefined : unexpected('long', value, path)
    case 'bytes':
      return value instanceof Uint8Array ? undefined : unexpected('bytes', value, path)
  }
}

function recordProblem(type: RecordType<unknown>, value: unknown, path: string): string | undefined {
  if (!isObject(value)) return unexpected('record', value, path)
  for (const field of type.fields) {
    const problem = declaredProblem(field.type, value[field.name], fieldPath(path, field.name))
    if (problem !== undefined) return problem
  }
  return undefined
}

function arrayProblem(type: ArrayType<unknown>, value: unknown, path: string): string | undefined {
  if (!Array.isArray(value)) return unexpected('array', value, path)
  for (let index = 0; index < value.length; index++) {
    const problem = declaredProblem(type.items, value[index], itemPath(path, index))
    if (problem !== undefined) return problem
  }
  return undefined
}

function mapProblem(type: MapType<unknown>, value: unknown, path: string): string | undefined {
  if (!(value instanceof Map)) return unexpected('map', value, path)
  let index = 0
  for (const [key, item] of value as ReadonlyMap<unknown, unknown>) {
    const problem =
      declaredProblem(type.key, key, `${path}.keys()[${index}]`) ??
      declaredProblem(type.value, item, mapItemPath(path, key))
    if (problem !== undefined) return problem
    index++
  }
  return undefined
}

function setProblem(type: SetType<unknown>, value: unknown, path: string): string | undefined {
  if (!(value instanceof Set)) return unexpected('set', value, path)
  let index = 0
  for (const item of value as ReadonlySet<unknown>) {
    const problem = declaredProblem(type.items, item, `${path}.values()[${index}]`)
    if (problem !== undefined) return problem
    index++
  }
  return undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The text of a value of another type than the expected one. */
export function unexpected(expected: string, value: unknown, path: string): string {
  return `${path === '' ? '' : `${path}: `}expected ${expected}, got ${describe(value)}`
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object') return typeof value
  if (Array.isArray(value)) return 'array'
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' && name !== 'Object' ? name : 'object'
}

export function fieldPath(path: string, name: string): string {
  if (nameText(name) !== name) return `${path}[${JSON.stringify(name)}]`
  return path === '' ? name : `${path}.${name}`
}

export function itemPath(path: string, index: number): string {
  return `${path}[${index}]`
}

/** A value of a map, by its key. */
export function mapItemPath(path: string, key: unknown): string {
  return `${path}[${typeof key === 'string' ? JSON.stringify(key) : String(key)}]`
}

/** True for an object whose prototype is Object's (of any realm) or none. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

/** Where msgpackr comes to the end of the stack sooner or later. */
const maxDepth = 1000

/** R39: what can not be stored untyped, named by its field: class instances, functions, symbols, and cycles. */
export function plainDataProblem(value: unknown, path: string): string | undefined {
  return plainProblem(value, path, [])
}

function plainProblem(value: unknown, path: string, above: readonly object[]): string | undefined {
  if (typeof value === 'function' || typeof value === 'symbol') return refusal(path, `a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return undefined
  if (above.includes(value)) return refusal(path, 'an object that holds itself')
  if (above.length === maxDepth)
    return `the value is nested in more than ${maxDepth} others, which is too deep to be stored (R39)`
  const within = [...above, value]
  for (const [name, part] of partsOf(value, path) ?? []) {
    const problem = plainProblem(part, name, within)
    if (problem !== undefined) return problem
  }
  if (isPlainObject(value) || isStorableInstance(value)) return undefined
  return refusal(path, `an instance of class ${describe(value)}`)
}

const storable = [Array, Date, Map, Set, RegExp, ArrayBuffer]

function isStorableInstance(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return ArrayBuffer.isView(value) || value instanceof Error || storable.some((kind) => prototype === kind.prototype)
}

function partsOf(value: object, path: string): (readonly [string, unknown])[] | undefined {
  if (Array.isArray(value)) return value.map((item, index) => [itemPath(path, index), item] as const)
  if (value instanceof Map) {
    return [...value].flatMap(([key, item], index) => [
      [`${path}.keys()[${index}]`, key] as const,
      [`${path}.values()[${index}]`, item] as const,
    ])
  }
  if (value instanceof Set) return [...value].map((item, index) => [`${path}.values()[${index}]`, item] as const)
  if (!isPlainObject(value)) return undefined
  return Object.entries(value).map(([name, part]) => [fieldPath(path, name), part] as const)
}

function refusal(path: string, what: string): string {
  return `${path === '' ? 'the value' : path} is ${what}; only plain data can be stored (R39)`
}
