import type { Key } from '../api/functions.ts'
import { canonicalKeyBytes } from '../common/key.ts'
import { CrowdedKeys, crowdedSlot, mostEqualHashes } from './crowded-keys.ts'
import { homeSlot } from './table-hash.ts'

/** What a key index holds: found by its key. */
export interface Keyed {
  readonly key: Key
  /** hashKey(key). */
  readonly hash: number
}

const firstSlots = 8
/** Items for each slot, at most: linear probing gets slow above. */
const maxLoad = 0.6
/** Below this part of the slots in use the index shrinks. */
const minLoad = 0.05

/**
 * Items by key: open addressing on the hash that came with the record. A Map would compute a hash of its own of each
 * fresh string, which costs more than all the rest of an update. Keys are compared only where hashes are equal, and
 * of very many keys with one hash all but a few are kept apart, so that a search stays short. Items lie side by side in the order of their numbers, so that a walk over them can be left and taken up again.
 */
export class KeyIndex<Item extends Keyed> {
  size = 0
  /** By number; undefined: removed. */
  #items: (Item | undefined)[] = []
  /** Pairs of hash and number + 1; 0: empty. */
  #slots = new Int32Array(firstSlots * 2)
  #mask = firstSlots - 1
  #free: number[] = []
  readonly #crowded = new CrowdedKeys()
  /** Where the last search ended. */
  #slot = 0
  /** Of the item that the last search found among the crowded keys. */
  #crowdedNumber = 0

  find(key: Key, hash: number): Item | undefined {
    const slots = this.#slots
    const mask = this.#mask
    let slot = homeSlot(hash, mask)
    let equalHashes = 0
    for (;;) {
      const number = slots[slot * 2 + 1] as number
      if (number === 0) {
        this.#slot = slot
        return this.#crowded.size === 0 ? undefined : this.#findCrowded(key)
      }
      if (slots[slot * 2] === hash) {
        const item = this.#items[number - 1] as Item
        if (item.key === key || areEqualKeys(item.key, key)) {
          this.#slot = slot
          return item
        }
        if (++equalHashes === mostEqualHashes) {
          this.#slot = crowdedSlot
          return this.#findCrowded(key)
        }
      }
      slot = (slot + 1) & mask
    }
  }

  /** Where there is nothing for its key. */
  add(item: Item): void {
    if (this.size >= (this.#mask + 1) * maxLoad) this.#rebuild((this.#mask + 1) * 2)
    // Other keys may have been asked for since it was not found.
    this.find(item.key, item.hash)
    const number = this.#free.pop() ?? this.#items.length
    this.#items[number] = item
    this.size++
    if (this.#slot === crowdedSlot) {
      this.#crowd(item.key, number)
      return
    }
    this.#slots[this.#slot * 2] = item.hash
    this.#slots[this.#slot * 2 + 1] = number + 1
  }

  /** Right after `find` found it. Moves what was displaced over it back, so that searches may stop at empty slots. */
  removeFound(): void {
    const mask = this.#mask
    const number = this.#slot === crowdedSlot ? this.#crowdedNumber : (this.#slots[this.#slot * 2 + 1] as number) - 1
    if (this.#slot === crowdedSlot) {
      const bytes = canonicalKeyBytes((this.#items[number] as Item).key)
      this.#crowded.delete(bytes, 0, bytes.length)
    } else this.#emptySlot()
    this.#items[number] = undefined
    this.#free.push(number)
    this.size--
    if (this.size < (mask + 1) * minLoad && mask + 1 > firstSlots) this.#rebuild((mask + 1) / 2)
  }

  /** Where the last search ended. */
  #emptySlot(): void {
    const slots = this.#slots
    const mask = this.#mask
    let hole = this.#slot
    for (let slot = (hole + 1) & mask; slots[slot * 2 + 1] !== 0; slot = (slot + 1) & mask) {
      const home = homeSlot(slots[slot * 2] as number, mask)
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole * 2] = slots[slot * 2] as number
        slots[hole * 2 + 1] = slots[slot * 2 + 1] as number
        hole = slot
      }
    }
    slots[hole * 2 + 1] = 0
  }

  remove(item: Item): void {
    if (this.find(item.key, item.hash) === item) this.removeFound()
  }

  clear(): void {
    this.size = 0
    this.#items = []
    this.#free = []
    this.#crowded.clear()
    this.#slots = new Int32Array(firstSlots * 2)
    this.#mask = firstSlots - 1
  }

  forEach(action: (item: Item) => void): void {
    for (const item of this.#items) if (item !== undefined) action(item)
  }

  /** The end of the numbers: for a walk by `at`. */
  get numbers(): number {
    return this.#items.length
  }

  /** Undefined: that item is removed, or none ever had the number. Numbers change only when the index grows or shrinks. */
  at(number: number): Item | undefined {
    return this.#items[number]
  }

  #findCrowded(key: Key): Item | undefined {
    const bytes = canonicalKeyBytes(key)
    const number = this.#crowded.find(bytes, 0, bytes.length)
    if (number < 0) return undefined
    this.#slot = crowdedSlot
    this.#crowdedNumber = number
    return this.#items[number]
  }

  #crowd(key: Key, number: number): void {
    const bytes = canonicalKeyBytes(key)
    this.#crowded.set(bytes, { start: 0, end: bytes.length }, number)
  }

  #rebuild(slotCount: number): void {
    this.#crowded.clear()
    if (this.#free.length > 0) {
      this.#items = this.#items.filter((item) => item !== undefined)
      this.#free = []
    }
    const slots = new Int32Array(slotCount * 2)
    const mask = slotCount - 1
    for (let number = 0; number < this.#items.length; number++) {
      const { key, hash } = this.#items[number] as Item
      let slot = homeSlot(hash, mask)
      let equalHashes = 0
      while (slots[slot * 2 + 1] !== 0 && equalHashes < mostEqualHashes) {
        if (slots[slot * 2] === hash) equalHashes++
        slot = (slot + 1) & mask
      }
      if (equalHashes === mostEqualHashes) {
        this.#crowd(key, number)
        continue
      }
      slots[slot * 2] = hash
      slots[slot * 2 + 1] = number + 1
    }
    this.#slots = slots
    this.#mask = mask
  }
}

/** Of keys that are not the same value: bytes and tuples are equal by their parts (R36). */
function areEqualKeys(left: Key, right: Key): boolean {
  if (typeof left !== 'object' || typeof right !== 'object') return false
  const areBytes = left instanceof Uint8Array
  if (areBytes !== right instanceof Uint8Array || left.length !== right.length) return false
  for (let index = 0; index < left.length; index++) {
    const [part, other] = [left[index] as Key, right[index] as Key]
    if (part !== other && !areEqualKeys(part, other)) return false
  }
  return true
}
