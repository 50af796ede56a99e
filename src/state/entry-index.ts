import { mixedHash } from './table-hash.ts'

/** Segments of an index, as a power of two. */
const segmentBits = 2
const segmentCount = 1 << segmentBits
export const segmentShift: number = 32 - segmentBits
const firstSlots = 16
/**
 * Entries for each slot, at most: linear probing gets slow above. It differs from segment to segment, from the lowest on
 * by the step, so that segments of an even hash double one after another and not in one turn of the loop.
 */
const lowestLoad = 0.5
const loadStep = 0.2 / segmentCount
const bytesPerSlot = 8

/**
 * Numbers of entries by hash: open addressing in segments that double each on its own, so that no turn of the loop
 * rehashes everything. A segment has pairs of hash and entry + 1; 0: empty. Whoever searches compares keys, so the
 * search is in the table; it leaves the slot where it ended to `addAt` and `removeAt`.
 */
export class EntryIndex {
  /** By the topmost bits of `mixedHash`; each replaced when it doubles. */
  readonly segments: Int32Array[]
  readonly #sizes = new Int32Array(segmentCount)
  readonly #limits: Int32Array
  readonly #reserve: (bytes: number) => void

  /** `reserve` is asked before memory is taken; where it throws, nothing has changed. */
  constructor(reserve: (bytes: number) => void) {
    reserve(segmentCount * firstSlots * bytesPerSlot)
    this.#reserve = reserve
    this.segments = Array.from({ length: segmentCount }, () => new Int32Array(firstSlots * 2))
    this.#limits = Int32Array.from(this.segments, (_, number) => limitOf(number, firstSlots))
  }

  /** The first entry with this hash, which may be another key's; −1: there is none. */
  firstOf(hash: number): number {
    const mixed = mixedHash(hash)
    const slots = this.segments[mixed >>> segmentShift] as Int32Array
    const mask = (slots.length >> 1) - 1
    for (let slot = slotInSegment(mixed, mask); ; slot = (slot + 1) & mask) {
      const entry = (slots[slot * 2 + 1] as number) - 1
      if (entry < 0 || slots[slot * 2] === hash) return entry
    }
  }

  /**
   * Room for one entry more in the segment of this mixed hash. True: slots have moved, so that a search has to be
   * repeated.
   */
  ensureRoom(mixed: number): boolean {
    const number = mixed >>> segmentShift
    if ((this.#sizes[number] as number) < (this.#limits[number] as number)) return false
    this.#double(number)
    return true
  }

  /** In the slot where a search for the hash ended at nothing. */
  addAt(slot: number, hash: number, entry: number): void {
    const number = mixedHash(hash) >>> segmentShift
    const segment = this.segments[number] as Int32Array
    segment[slot * 2] = hash
    segment[slot * 2 + 1] = entry + 1
    this.#sizes[number] = (this.#sizes[number] as number) + 1
  }

  /** What was displaced over the slot of this hash moves back, so that searches may stop at empty slots. */
  removeAt(slot: number, hash: number): void {
    const number = mixedHash(hash) >>> segmentShift
    const segment = this.segments[number] as Int32Array
    const mask = (segment.length >> 1) - 1
    let hole = slot
    for (let next = (hole + 1) & mask; segment[next * 2 + 1] !== 0; next = (next + 1) & mask) {
      const home = slotInSegment(mixedHash(segment[next * 2] as number), mask)
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        segment[hole * 2] = segment[next * 2] as number
        segment[hole * 2 + 1] = segment[next * 2 + 1] as number
        hole = next
      }
    }
    segment[hole * 2 + 1] = 0
    this.#sizes[number] = (this.#sizes[number] as number) - 1
  }

  /** Slots are in the order of mixed hashes, so both are walked from the front to the end. */
  #double(number: number): void {
    const old = this.segments[number] as Int32Array
    const slotCount = old.length
    this.#reserve((slotCount / 2) * bytesPerSlot)
    const segment = new Int32Array(slotCount * 2)
    const mask = slotCount - 1
    for (let index = 0; index < old.length; index += 2) {
      if (old[index + 1] === 0) continue
      const hash = old[index] as number
      let slot = slotInSegment(mixedHash(hash), mask)
      while (segment[slot * 2 + 1] !== 0) slot = (slot + 1) & mask
      segment[slot * 2] = hash
      segment[slot * 2 + 1] = old[index + 1] as number
    }
    this.segments[number] = segment
    this.#limits[number] = limitOf(number, slotCount)
  }
}

/** Where the search for a mixed hash begins in its segment: by the bits below those that say which segment. */
export function slotInSegment(mixed: number, mask: number): number {
  return (mixed << segmentBits) >>> Math.clz32(mask)
}

function limitOf(segment: number, slotCount: number): number {
  return Math.floor(slotCount * (lowestLoad + segment * loadStep))
}
