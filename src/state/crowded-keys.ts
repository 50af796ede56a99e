/**
 * Keys of one hash that lie side by side in the slots of a table. Among honest keys it is hardly ever more than two;
 * who wants to can make any number, since murmur3 is no secret. More would make each search a walk over all of them.
 */
export const mostEqualHashes = 8

/** Stands for the slot of what is among the crowded keys. */
export const crowdedSlot = -1

/**
 * The keys for which a table has no slot, since too many others have their hash: number by canonical bytes, in a Map,
 * whose own hash of strings has a secret seed. Only the text of bytes: V8 hashes numbers, and strings of digits, without
 * the seed, and the tag that canonical bytes begin with is no digit.
 */
export class CrowdedKeys {
  readonly #numbers = new Map<string, number>()

  get size(): number {
    return this.#numbers.size
  }

  /** −1: it is not there. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.#numbers.get(textOf(bytes, start, end)) ?? -1
  }

  set(bytes: Uint8Array, { start, end }: { readonly start: number; readonly end: number }, number: number): void {
    this.#numbers.set(textOf(bytes, start, end), number)
  }

  delete(bytes: Uint8Array, start: number, end: number): void {
    this.#numbers.delete(textOf(bytes, start, end))
  }

  clear(): void {
    this.#numbers.clear()
  }
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}
