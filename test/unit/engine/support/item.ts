import type { Key } from 'millrace'
import { long, record, string } from 'millrace/formats'

/** What flows in the random jobs. `id` tells which records went in, so that a lost or doubled one shows. */
export interface Item {
  readonly id: string
  readonly key: number
  readonly amount: number
}

/** What a source reads: its own event time, and the watermark that follows it, where one does. */
export interface Input extends Item {
  readonly at: number
  /** −1: none follows. */
  readonly watermark: number
}

export const itemType = record({ id: string(), key: long(), amount: long() }, { name: 'Item' })
export const inputType = record(
  { id: string(), key: long(), amount: long(), at: long(), watermark: long() },
  { name: 'Input' },
)

export function itemOf({ id, key, amount }: Input): Item {
  return { id, key, amount }
}

const longestId = 100

/** One id of several, whatever their order; long ones end in a hash. */
export function joined(ids: readonly string[]): string {
  return short(`[${ids.toSorted().join(' ')}]`)
}

export function short(text: string): string {
  if (text.length <= longestId) return text
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return `${text.slice(0, longestId)}…#${(hash >>> 0).toString(36)}`
}

export const keyKinds = ['number', 'string', 'tuple', 'bigint', 'boolean', 'bytes'] as const
export type KeyKind = (typeof keyKinds)[number]

/** The key of an item as a key of this kind. */
export function keyOf(kind: KeyKind, { key }: Item): Key {
  switch (kind) {
    case 'number':
      return key
    case 'string':
      return `key ${key}`
    case 'tuple':
      return [key, 'x', [true, key]]
    case 'bigint':
      return BigInt(key) << 40n
    case 'boolean':
      return key % 2 === 1
    case 'bytes':
      return new Uint8Array([key, 255, key])
    default: {
      const never: never = kind
      throw new TypeError(String(never))
    }
  }
}

/** The number that a key of this kind stands for: what an operator is told of its key is checked by it. */
export function numberOf(kind: KeyKind, key: Key): number {
  switch (kind) {
    case 'number':
      return key as number
    case 'string':
      return Number((key as string).slice(4))
    case 'tuple':
      return (key as readonly number[])[0] as number
    case 'bigint':
      return Number((key as bigint) >> 40n)
    case 'boolean':
      return key === true ? 1 : 0
    case 'bytes':
      return (key as Uint8Array)[0] as number
    default: {
      const never: never = kind
      throw new TypeError(String(never))
    }
  }
}

/** The same for the reference, which knows no keys. */
export function groupOf(kind: KeyKind, { key }: Item): number {
  return kind === 'boolean' ? key % 2 : key
}
