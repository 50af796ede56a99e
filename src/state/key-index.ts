import type { Key } from '../api/functions.ts'

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
 * fresh string, which costs more than all the rest of an update. Keys are compared only where hashes are equal. Items lie
 * side by side in the order of their numbers, so that a walk over them can be left and taken up again.
 */
export class KeyIndex<Item extends Keyed> {
  size = 0
  /** By number; undefined: removed. */
  #items: (Item | undefined)[] = []
  /** Pairs of hash and number + 1; 0: empty. */
  #slots = new Int32Array(firstSlots * 2)
  #mask = firstSlots - 1
  #free: number[] = []
  /** Where the last search ended. */
  #slot = 0

  find(key: Key, hash: number): Item | undefined {
    const slots = this.#slots
    const mask = this.#mask
    let slot = homeSlot(hash, mask)
    for (;;) {
      const number = slots[slot * 2 + 1] as number
      if (number === 0) {
        this.#slot = slot
        return undefined
      }
      if (slots[slot * 2] === hash) {
        const item = this.#items[number - 1] as Item
        if (item.key === key || areEqualKeys(item.key, key)) {
          this.#slot = slot
          return item
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
    this.#slots[this.#slot * 2] = item.hash
    this.#slots[this.#slot * 2 + 1] = number + 1
    this.size++
  }

  /** Right after `find` found it. Moves what was displaced over it back, so that searches may stop at empty slots. */
  removeFound(): void {
    const slots = this.#slots
    const mask = this.#mask
    let hole = this.#slot
    const number = (slots[hole * 2 + 1] as number) - 1
    this.#items[number] = undefined
    this.#free.push(number)
    this.size--
    for (let slot = (hole + 1) & mask; slots[slot * 2 + 1] !== 0; slot = (slot + 1) & mask) {
      const home = homeSlot(slots[slot * 2] as number, mask)
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole * 2] = slots[slot * 2] as number
        slots[hole * 2 + 1] = slots[slot * 2 + 1] as number
        hole = slot
      }
    }
    slots[hole * 2 + 1] = 0
    if (this.size < (mask + 1) * minLoad && mask + 1 > firstSlots) this.#rebuild((mask + 1) / 2)
  }

  remove(item: Item): void {
    if (this.find(item.key, item.hash) === item) this.removeFound()
  }

  clear(): void {
    this.size = 0
    this.#items = []
    this.#free = []
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

  #rebuild(slotCount: number): void {
    if (this.#free.length > 0) {
      this.#items = this.#items.filter((item) => item !== undefined)
      this.#free = []
    }
    const slots = new Int32Array(slotCount * 2)
    const mask = slotCount - 1
    for (let number = 0; number < this.#items.length; number++) {
      const { hash } = this.#items[number] as Item
      let slot = homeSlot(hash, mask)
      while (slots[slot * 2 + 1] !== 0) slot = (slot + 1) & mask
      slots[slot * 2] = hash
      slots[slot * 2 + 1] = number + 1
    }
    this.#slots = slots
    this.#mask = mask
  }
}

/**
 * Where the search for a hash begins. Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): the low bits of
 * the hash say the key group, so all hashes of one index may share them.
 */
export function homeSlot(hash: number, mask: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> Math.clz32(mask)
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
