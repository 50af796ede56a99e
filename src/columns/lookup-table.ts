import { murmur3 } from '../common/murmur3.ts'
import type { DeclaredType } from '../formats/data-type.ts'

/** A constant map of strings that expressions look values up in; all of its values are of one kind. */
export class LookupTable {
  readonly type: DeclaredType<unknown>
  /** Equal exactly for equal tables. */
  readonly text: string
  readonly #values: ReadonlyMap<string, string | number>
  /** Keys as bytes, by an index with open addressing: entry + 1, 0: empty. undefined: not all keys can be told by bytes. */
  readonly #slots: Int32Array | undefined
  readonly #keys: readonly Buffer[]
  readonly #results: readonly (string | number)[]

  constructor(values: ReadonlyMap<string, string | number>) {
    this.#values = values
    this.type = typeOf([...values.values()])
    this.text = JSON.stringify([...values].sort(([left], [right]) => (left < right ? -1 : 1)))
    this.#keys = [...values.keys()].map((key) => Buffer.from(key, 'utf8'))
    this.#results = [...values.values()]
    // U+FFFD stands for bytes that are no text, too.
    const plain = [...values.keys()].every((key) => key.isWellFormed() && !key.includes('\ufffd'))
    this.#slots = plain ? indexOf(this.#keys) : undefined
  }

  /** Null where there is nothing under the key. */
  get(key: unknown): string | number | null {
    return this.#values.get(key as string) ?? null
  }

  /** The value under the text `bytes[start, end)`, without making a string of it. */
  getBytes(bytes: Buffer, start: number, end: number): string | number | null {
    const slots = this.#slots
    if (slots === undefined) return this.get(bytes.toString('utf8', start, end))
    const mask = slots.length - 1
    for (let slot = murmur3(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const entry = (slots[slot] as number) - 1
      if (entry < 0) return null
      if (isAt(this.#keys[entry] as Buffer, bytes, start, end)) return this.#results[entry] as string | number
    }
  }
}

function typeOf(values: readonly (string | number)[]): DeclaredType<unknown> {
  if (typeof values[0] !== 'number') return { kind: 'string' }
  if (values.every((value) => ((value as number) | 0) === value)) return { kind: 'int32' }
  return values.every(Number.isSafeInteger) ? { kind: 'long' } : { kind: 'double' }
}

function indexOf(keys: readonly Buffer[]): Int32Array {
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(keys.length * 2 + 2)))
  const mask = slots.length - 1
  for (const [entry, key] of keys.entries()) {
    let slot = murmur3(key, 0, key.length) & mask
    while (slots[slot] !== 0) slot = (slot + 1) & mask
    slots[slot] = entry + 1
  }
  return slots
}

function isAt(key: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (key.length !== end - start) return false
  for (let index = 0; index < key.length; index++) if (key[index] !== bytes[start + index]) return false
  return true
}
