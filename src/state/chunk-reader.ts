import { crc32c } from '@node-rs/crc32'
import { MillraceError } from '../common/errors.ts'
import { chunkMagic, formatVersion, headerLength, type PieceKind, type StateKind, stateKinds } from './chunk-layout.ts'

/** A part of a chunk's bytes. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Called for each row; `place` is the namespace of panes, the canonical bytes of a map's key, else undefined. */
export type RemovedVisitor = (key: ByteRange, place: number | ByteRange | undefined) => void
export type EntryVisitor = (key: ByteRange, place: number | ByteRange | undefined, value: ByteRange) => void

/**
 * A chunk that was read back. The checksum is verified before anything is believed; beyond that every length is checked,
 * so that no damage gives a wrong value.
 */
export class Chunk {
  readonly bytes: Buffer
  readonly kind: StateKind
  readonly pieceKind: PieceKind
  readonly keyGroup: number
  readonly stateName: string
  readonly schemaText: string
  readonly fingerprint: string
  readonly entries: number
  /** Where it comes from, for errors. */
  readonly source: string
  readonly #dropped: number
  readonly #removed: number
  readonly #bodyStart: number
  readonly #end: number
  #position = 0

  /** @throws MillraceError MR_CHECKPOINT_DAMAGED */
  constructor(bytes: Buffer, source: string) {
    this.bytes = bytes
    this.source = source
    this.#end = bytes.length - 4
    if (this.#end < headerLength) throw this.#damaged('it is too short')
    if (crc32c(bytes.subarray(0, this.#end)) !== bytes.readUInt32LE(this.#end)) throw this.#damaged('wrong checksum')
    if (!chunkMagic.every((byte, index) => bytes[index] === byte)) throw this.#damaged('it is no chunk of state')
    if (bytes[4] !== formatVersion) throw this.#damaged(`unknown format version ${bytes[4]}`)
    const kind = stateKinds[bytes[5] as number]
    if (kind === undefined) throw this.#damaged(`unknown kind ${bytes[5]}`)
    this.kind = kind
    this.pieceKind = bytes[6] === 0 ? 'full' : 'delta'
    this.keyGroup = bytes.readInt32LE(8)
    this.#dropped = bytes.readUInt32LE(12)
    this.#removed = bytes.readUInt32LE(16)
    this.entries = bytes.readUInt32LE(20)
    this.#position = headerLength
    this.stateName = this.#text()
    this.schemaText = this.#text()
    const fingerprint = this.#range(8)
    this.fingerprint = bytes.toString('hex', fingerprint.start, fingerprint.end)
    this.#bodyStart = this.#position
  }

  /** Namespaces of dropped panes: to be applied first (R8). */
  droppedNamespaces(): readonly number[] {
    this.#position = this.#bodyStart
    return Array.from({ length: this.#checkedCount(this.#dropped, 8) }, () => this.#namespace())
  }

  /** Tombstones, then entries. */
  visit(removed: RemovedVisitor, entry: EntryVisitor): void {
    this.#position = this.#bodyStart
    this.#position += this.#checkedCount(this.#dropped, 8) * 8
    for (let index = 0; index < this.#removed; index++) removed(this.#key(), this.#place())
    for (let index = 0; index < this.entries; index++) entry(this.#key(), this.#place(), this.#value())
    if (this.#position !== this.#end) throw this.#damaged('it holds more than it says')
  }

  #checkedCount(count: number, size: number): number {
    if (count * size > this.#end - this.#position) throw this.#damaged('a count is too large')
    return count
  }

  #place(): number | ByteRange | undefined {
    if (this.kind === 'panes') return this.#namespace()
    return this.kind === 'map' ? this.#key() : undefined
  }

  #namespace(): number {
    return this.bytes.readDoubleLE(this.#range(8).start)
  }

  #key(): ByteRange {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.#range(1).start] as number
      length += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return this.#range(length)
      if (shift > 28) throw this.#damaged('a length is too long')
    }
  }

  #value(): ByteRange {
    return this.#range(this.bytes.readUInt32LE(this.#range(4).start))
  }

  #text(): string {
    const { start, end } = this.#value()
    return this.bytes.toString('utf8', start, end)
  }

  #range(length: number): ByteRange {
    const start = this.#position
    const end = start + length
    if (end > this.#end) throw this.#damaged('it ends early')
    this.#position = end
    return { start, end }
  }

  #damaged(what: string): MillraceError {
    return new MillraceError('MR_CHECKPOINT_DAMAGED', `${this.source} is damaged: ${what}.`)
  }
}
