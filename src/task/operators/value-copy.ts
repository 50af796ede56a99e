import type { DataType, RecordType } from '../../formats/data-type.ts'
import { copiedRecord } from '../../state/detached.ts'

export type ValueCopy = (value: unknown) => unknown

/**
 * How values of a type are copied, so that nothing emitted aliases state and no state aliases a record (R7). Declared
 * records are copied field by field: what state hands out for them may be a view on a table and no plain object.
 */
export function valueCopyOf(type: DataType<unknown> | undefined): ValueCopy {
  return type?.kind === 'record' ? recordCopyOf(type) : copiedRecord
}

function recordCopyOf(type: RecordType<unknown>): ValueCopy {
  const names = type.fields.map(({ name }) => name)
  return (value) => {
    if (typeof value !== 'object' || value === null) return value
    const copy: Record<string, unknown> = {}
    for (const name of names) {
      const field = (value as Readonly<Record<string, unknown>>)[name]
      copy[name] = typeof field === 'object' && field !== null ? copiedRecord(field) : field
    }
    return copy
  }
}
