import { canonicalKeyBytes, hashKey } from '../common/key.ts'
import type { Expression } from './expression.ts'

/** True where all that the expression can give are strings of the job's own text and tables, or null: they are few. */
export function givesKnownStrings(expression: Expression): boolean {
  switch (expression.kind) {
    case 'literal':
      return typeof expression.value === 'string'
    case 'lookup':
      return expression.table.type.kind === 'string'
    case 'coalesce':
      return expression.operands.every(givesKnownStrings)
    default:
      return false
  }
}

/** Hashes and canonical bytes (R36) of keys of which there are few: each is made once. */
export class KnownKeys {
  readonly hashes: number[] = []
  readonly bytes: Uint8Array[] = []
  readonly #numbers = new Map<string | null, number>([[null, -1]])

  /** Its place in the arrays; −1: it can be no key. */
  numberOf(key: string | null): number {
    return this.#numbers.get(key) ?? this.#add(key as string)
  }

  #add(key: string): number {
    const isKey = key.isWellFormed()
    const number = isKey ? this.bytes.length : -1
    this.#numbers.set(key, number)
    if (!isKey) return number
    this.hashes.push(hashKey(key))
    this.bytes.push(canonicalKeyBytes(key))
    return number
  }
}
