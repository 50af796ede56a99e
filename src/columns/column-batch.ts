import { scratch, scratchLength } from '../common/key.ts'

/*
 * A batch of records on their way to a column operator: one ArrayBuffer, filled where it lies, read where it arrives.
 *
 * | where                | what                                                                  |
 * |----------------------|-----------------------------------------------------------------------|
 * | 24 bytes             | header of a frame: see task/frame.ts                                  |
 * | then, for 512 rows   | float64 timestamps; float64 of each value; int32 key hashes; int32 ends of keys; a byte of each value: null |
 * | then                 | canonical bytes of the keys (R36), one behind the other               |
 */
export const columnRows = 512
const headerBytes = 24
const firstKeyBytes = 12 * columnRows

/** What a batch holds: the number of values a row; their meaning is the planner's. */
export interface ColumnLayout {
  readonly values: number
}

interface Places {
  readonly values: number
  readonly hashes: number
  readonly keyEnds: number
  readonly nulls: number
  readonly keys: number
}

function placesOf({ values }: ColumnLayout): Places {
  const valuesAt = headerBytes + columnRows * 8
  const hashes = valuesAt + values * columnRows * 8
  const keyEnds = hashes + columnRows * 4
  const nulls = keyEnds + columnRows * 4
  return { values: valuesAt, hashes, keyEnds, nulls, keys: nulls + values * columnRows }
}

/** The bytes of a buffer that a batch begins with: a power of two, so that buffers serve several edges. */
export function columnBufferLength(layout: ColumnLayout): number {
  return 2 ** Math.ceil(Math.log2(placesOf(layout).keys + firstKeyBytes))
}

/** Views on a batch. Whoever moves it to another buffer reads them again. */
export class ColumnBatch {
  readonly #layout: ColumnLayout
  readonly #places: Places
  buffer: ArrayBuffer = new ArrayBuffer(0)
  timestamps = new Float64Array(0)
  /** By value, then by row. */
  readonly values: Float64Array[] = []
  readonly nulls: Uint8Array[] = []
  hashes = new Int32Array(0)
  /** Offsets from the buffer's beginning. */
  keyEnds = new Int32Array(0)
  bytes = Buffer.alloc(0)
  view = new DataView(this.buffer)
  count = 0
  /** Where the next key is written. */
  keysEnd = 0
  readonly keysStart: number

  constructor(layout: ColumnLayout) {
    this.#layout = layout
    this.#places = placesOf(layout)
    this.keysStart = this.#places.keys
  }

  /** Looks at a buffer, with nothing written. */
  open(buffer: ArrayBuffer): void {
    this.#look(buffer)
    this.count = 0
    this.keysEnd = this.keysStart
  }

  /** Looks at a batch that has arrived. */
  read(buffer: ArrayBuffer, count: number): void {
    this.#look(buffer)
    this.count = count
    this.keysEnd = count === 0 ? this.keysStart : (this.keyEnds[count - 1] as number)
  }

  /** Lets go of the buffer. */
  close(): void {
    this.count = 0
    this.buffer = new ArrayBuffer(0)
  }

  /** Room for a key of `length` bytes at `keysEnd`, and three more, so that it may be written in words. */
  reserveKey(length: number): void {
    const needed = this.keysEnd + length + 3
    if (needed <= this.buffer.byteLength) return
    const larger = new ArrayBuffer(2 ** Math.ceil(Math.log2(needed + firstKeyBytes)))
    new Uint8Array(larger).set(this.bytes)
    this.#look(larger)
  }

  /** The key that `hashKey` has just left in its scratch. */
  addScratchKey(hash: number): void {
    this.addKey(scratch, scratchLength, hash)
  }

  /** The key with the canonical bytes `key[0, length)`. */
  addKey(key: Uint8Array, length: number, hash: number): void {
    this.reserveKey(length)
    const { bytes, keysEnd } = this
    for (let index = 0; index < length; index++) bytes[keysEnd + index] = key[index] as number
    this.keysEnd = keysEnd + length
    this.keyEnds[this.count] = this.keysEnd
    this.hashes[this.count] = hash
  }

  #look(buffer: ArrayBuffer): void {
    this.buffer = buffer
    this.timestamps = new Float64Array(buffer, headerBytes, columnRows)
    const { values, hashes, keyEnds, nulls } = this.#places
    for (let index = 0; index < this.#layout.values; index++) {
      this.values[index] = new Float64Array(buffer, values + index * columnRows * 8, columnRows)
      this.nulls[index] = new Uint8Array(buffer, nulls + index * columnRows, columnRows)
    }
    this.hashes = new Int32Array(buffer, hashes, columnRows)
    this.keyEnds = new Int32Array(buffer, keyEnds, columnRows)
    this.bytes = Buffer.from(buffer)
    this.view = new DataView(buffer)
  }
}
