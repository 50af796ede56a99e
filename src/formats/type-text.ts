import type { DataType } from './data-type.ts'
import { defaultRecordName } from './types.ts'

/**
 * A type as one line for people and for comparing: equal exactly for equal types, names included. For example
 * `record { userId: string, tags: array<string>, total: nullable<double> }`.
 */
export function typeText(type: DataType<unknown>): string {
  switch (type.kind) {
    case 'record': {
      const fields = type.fields.map((field) => `${nameText(field.name)}: ${typeText(field.type)}`)
      return `record ${type.name === defaultRecordName ? '' : `${type.name} `}{ ${fields.join(', ')} }`
    }
    case 'array':
      return `array<${typeText(type.items)}>`
    case 'map':
      return `map<${typeText(type.key)}, ${typeText(type.value)}>`
    case 'set':
      return `set<${typeText(type.items)}>`
    case 'nullable':
      return `nullable<${typeText(type.of)}>`
    case 'untyped':
    case 'string':
    case 'int32':
    case 'long':
    case 'double':
    case 'boolean':
    case 'bytes':
      return type.kind
  }
}

/** A field name as it stands in texts: quoted where it is no identifier. */
export function nameText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
}
