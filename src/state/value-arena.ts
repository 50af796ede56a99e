import { ByteWriter } from '../formats/byte-writer.ts'
import type { Serializer } from '../formats/serializer.ts'

const firstPageBytes = 1 << 12
const pageBytes = 1 << 18
/** A value's place is its page times this, and where it begins in it: a page may hold one value of many megabytes. */
const placesAPage = 2 ** 33

/**
 * Serialised values one after another: what a draining snapshot preserves are mostly a few bytes each, and a buffer of
 * its own costs ten times as much as they do, in time and in memory.
 */
export class ValueArena {
  readonly #serializer: Serializer<unknown>
  #pages: ByteWriter[] = []

  constructor(serializer: Serializer<unknown>) {
    this.#serializer = serializer
  }

  /**
   * Its place.
   * @throws MillraceError MR_STATE_TYPE
   */
  add(value: unknown): number {
    let page = this.#pages.at(-1)
    if (page === undefined || page.position > pageBytes - 64) {
      page = new ByteWriter(this.#pages.length === 0 ? firstPageBytes : pageBytes)
      this.#pages.push(page)
    }
    const start = page.position
    page.ensure(4)
    page.position += 4
    try {
      this.#serializer.encodeInto(page, value)
    } catch (error) {
      page.position = start
      throw error
    }
    page.bytes.writeUInt32LE(page.position - start - 4, start)
    return (this.#pages.length - 1) * placesAPage + start
  }

  /** The bytes of the value at a place, in the arena. */
  at(place: number): Uint8Array {
    const { bytes } = this.#pages[Math.floor(place / placesAPage)] as ByteWriter
    const start = place % placesAPage
    return bytes.subarray(start + 4, start + 4 + bytes.readUInt32LE(start))
  }

  clear(): void {
    this.#pages = []
  }
}
