import type { DataType, RecordType } from '../../formats/data-type.ts'

export type ValueCopy = (value: unknown) => unknown

/**
 * How values of a type are copied, so that nothing emitted aliases state and no state aliases a record (R7). Declared
 * records are copied field by field: what state hands out for them may be a view on a table and no plain object.
 */
export function valueCopyOf(type: DataType<unknown>): ValueCopy {
  return type.kind === 'record' ? recordCopyOf(type) : copyOf
}

function recordCopyOf(type: RecordType<unknown>): ValueCopy {
  const names = type.fields.map(({ name }) => name)
  return (value) => {
    if (typeof value !== 'object' || value === null) return value
    const copy: Record<string, unknown> = {}
    for (const name of names) {
      const field = (value as Readonly<Record<string, unknown>>)[name]
      copy[name] = typeof field === 'object' && field !== null ? copyOf(field) : field
    }
    return copy
  }
}

/** A deep copy of plain data: objects, arrays, bytes, dates, maps and sets. Anything else is shared, and state refuses it (R39). */
export function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copyOf)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return copyOfObject(value)
  if (value instanceof Uint8Array) return Uint8Array.prototype.slice.call(value)
  if (value instanceof Date) return new Date(value)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [copyOf(key), copyOf(item)]))
  if (value instanceof Set) return new Set([...value].map(copyOf))
  return value
}

function copyOfObject(value: object): object {
  const copy: Record<string, unknown> = { ...value }
  for (const name in copy) {
    const field = copy[name]
    if (typeof field === 'object' && field !== null) copy[name] = copyOf(field)
  }
  return copy
}
