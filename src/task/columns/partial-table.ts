import type { Key } from '../../api/functions.ts'
import { decodeKey } from '../../common/key.ts'
import { crowdedSlot, mostEqualHashes } from '../../state/crowded-keys.ts'
import { homeSlot } from '../../state/table-hash.ts'

/** Entry of a row that goes singly: it is in no index. */
export const singleEntry = 0
const spreading = 0x9e3779b1
const firstKeyBytes = 1 << 14
/** Keys of more bytes than this are not held together, so that what waits stays bounded. */
const mostKeyBytes = 1 << 20

export interface PartialTableOptions {
  readonly mostEntries: number
  /** Doubles of an accumulator. */
  readonly width: number
  readonly initialValues: Float64Array
}

/** A key and where it lies in a batch. */
export interface KeyPlace {
  start: number
  end: number
  hash: number
}

/**
 * Accumulators in doubles by key bytes and span of time: a small table with open addressing that is emptied often, and
 * never grows but for its keys.
 */
export class PartialTable {
  readonly columns: Float64Array
  /** By entry: the span that its records are in, and their number. */
  readonly starts: Float64Array
  readonly ends: Float64Array
  readonly counts: Int32Array
  readonly hashes: Int32Array
  readonly #options: PartialTableOptions
  readonly #spans: Float64Array
  readonly #keyOffsets: Int32Array
  readonly #keyLengths: Int32Array
  readonly #slotOf: Int32Array
  /** Pairs of mixed hash and entry; entry 0: empty. */
  readonly #slots: Int32Array
  readonly #mask: number
  #keys = Buffer.allocUnsafeSlow(firstKeyBytes)
  #keysView = viewOf(this.#keys)
  #keysUsed = 0
  #view = this.#keysView
  #used = 0
  #slot = 0

  constructor(options: PartialTableOptions) {
    const entries = options.mostEntries + 1
    this.#options = options
    this.columns = new Float64Array(entries * options.width)
    this.starts = new Float64Array(entries)
    this.ends = new Float64Array(entries)
    this.counts = new Int32Array(entries)
    this.hashes = new Int32Array(entries)
    this.#spans = new Float64Array(entries)
    this.#keyOffsets = new Int32Array(entries)
    this.#keyLengths = new Int32Array(entries)
    this.#slotOf = new Int32Array(entries)
    const slots = 2 ** Math.ceil(Math.log2(options.mostEntries * 2))
    this.#slots = new Int32Array(slots * 2)
    this.#mask = slots - 1
  }

  /** Entries but for the single one: they are numbered from 1. */
  get size(): number {
    return this.#used
  }

  get full(): boolean {
    return this.#used === this.#options.mostEntries || this.#keysUsed > mostKeyBytes
  }

  /** The bytes in which keys are looked for next. */
  look(view: DataView): void {
    this.#view = view
  }

  /** The last search found nothing, and there are too many of that hash for one more. */
  get crowded(): boolean {
    return this.#slot === crowdedSlot
  }

  /** The entry of a key and a span; 0: there is none. */
  find({ start, end, hash }: KeyPlace, span: number): number {
    const slots = this.#slots
    const mask = this.#mask
    const mixed = mixedHash(hash, span)
    let equalHashes = 0
    for (let slot = homeSlot(mixed, mask); ; slot = (slot + 1) & mask) {
      const entry = slots[slot * 2 + 1] as number
      if (entry === 0) {
        this.#slot = slot
        return 0
      }
      if (slots[slot * 2] !== mixed) continue
      if (this.#spans[entry] === span && this.#hasKey(entry, start, end)) return entry
      if (++equalHashes === mostEqualHashes) {
        this.#slot = crowdedSlot
        return 0
      }
    }
  }

  /** After `find` gave 0, where it is not crowded. */
  insert(key: KeyPlace, span: number): number {
    const entry = ++this.#used
    const slot = this.#slot
    this.#slots[slot * 2] = mixedHash(key.hash, span)
    this.#slots[slot * 2 + 1] = entry
    this.#slotOf[entry] = slot
    this.#spans[entry] = span
    this.#begin(entry, key)
    return entry
  }

  /** Begins the entry that is in no index. */
  single(key: KeyPlace): number {
    this.#begin(singleEntry, key)
    return singleEntry
  }

  /** Its accumulator begins anew, with no record in it. */
  restart(entry: number): void {
    this.columns.set(this.#options.initialValues, entry * this.#options.width)
    this.counts[entry] = 0
  }

  keyAt(entry: number): Key {
    const start = this.#keyOffsets[entry] as number
    return decodeKey(this.#keys, start, start + (this.#keyLengths[entry] as number))
  }

  clear(): void {
    for (let entry = 1; entry <= this.#used; entry++) this.#slots[(this.#slotOf[entry] as number) * 2 + 1] = 0
    this.#used = 0
    this.#keysUsed = 0
  }

  #begin(entry: number, { start, end, hash }: KeyPlace): void {
    const length = end - start
    this.hashes[entry] = hash
    this.#keyOffsets[entry] = this.#keysUsed
    this.#keyLengths[entry] = length
    this.#writeKey(start, length)
    // A single one has its key only until it is sent, at once.
    if (entry !== singleEntry) this.#keysUsed += length
    this.restart(entry)
  }

  #writeKey(start: number, length: number): void {
    if (this.#keysUsed + length > this.#keys.length) {
      const larger = Buffer.allocUnsafeSlow((this.#keysUsed + length) * 2)
      larger.set(this.#keys)
      this.#keys = larger
      this.#keysView = viewOf(larger)
    }
    const { buffer, byteOffset } = this.#view
    this.#keys.set(new Uint8Array(buffer, byteOffset + start, length), this.#keysUsed)
  }

  /** Four bytes at a time. */
  #hasKey(entry: number, start: number, end: number): boolean {
    const length = end - start
    if (this.#keyLengths[entry] !== length) return false
    const keysView = this.#keysView
    const view = this.#view
    const offset = this.#keyOffsets[entry] as number
    let index = 0
    for (; index + 4 <= length; index += 4) {
      if (keysView.getInt32(offset + index) !== view.getInt32(start + index)) return false
    }
    for (; index < length; index++) {
      if (keysView.getUint8(offset + index) !== view.getUint8(start + index)) return false
    }
    return true
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** Of hash and span; equal ones with equal spans have equal hashes. */
function mixedHash(hash: number, span: number): number {
  return hash ^ Math.imul(span | 0, spreading)
}
