import { crc32c } from '@node-rs/crc32'
import type { Key } from '../api/functions.ts'
import { hashKeyIntoScratch, scratch, scratchLength } from '../common/key.ts'
import { ByteWriter } from '../formats/byte-writer.ts'
import type { Serializer } from '../formats/serializer.ts'
import { chunkMagic, formatVersion, headerLength, type PieceKind, type StateKind, stateKinds } from './chunk-layout.ts'

/** What all chunks of a state have in common. */
export interface ChunkSubject {
  readonly stateName: string
  readonly kind: StateKind
  readonly serializer: Serializer<unknown>
}

export interface ChunkCounts {
  readonly dropped: number
  readonly removed: number
}

const keptBytes = 8 * 1024 * 1024

/** Writes chunks (docs/chunk-format.md) of one state, one after another: header, tombstones, entries, checksum. */
export class ChunkWriter {
  readonly #kind: StateKind
  readonly #serializer: Serializer<unknown>
  readonly #nameAndSchema: Buffer
  #writer = new ByteWriter(1 << 14)
  #tombstones = 0
  #entries = 0

  constructor(subject: ChunkSubject) {
    this.#kind = subject.kind
    this.#serializer = subject.serializer
    this.#nameAndSchema = Buffer.concat([
      lengthPrefixed(subject.stateName),
      lengthPrefixed(subject.serializer.schemaText),
      Buffer.from(subject.serializer.fingerprint, 'hex'),
    ])
  }

  /** Bytes of the chunk that is being written. */
  get writtenBytes(): number {
    return this.#writer.position
  }

  /** Tombstones and entries of it. */
  get rows(): number {
    return this.#tombstones + this.#entries
  }

  /** Entries are counted as they are written. */
  begin(keyGroup: number, pieceKind: PieceKind, counts: ChunkCounts): void {
    const writer = this.#writer
    this.#tombstones = counts.dropped + counts.removed
    this.#entries = 0
    writer.position = 0
    writer.ensure(headerLength)
    const { bytes } = writer
    bytes.set(chunkMagic, 0)
    bytes[4] = formatVersion
    bytes[5] = stateKinds.indexOf(this.#kind)
    bytes[6] = pieceKind === 'full' ? 0 : 1
    bytes[7] = 0
    bytes.writeInt32LE(keyGroup, 8)
    bytes.writeUInt32LE(counts.dropped, 12)
    bytes.writeUInt32LE(counts.removed, 16)
    writer.position = headerLength
    writer.writeBytes(this.#nameAndSchema)
  }

  namespace(namespace: number): void {
    const writer = this.#writer
    writer.ensure(8)
    writer.bytes.writeDoubleLE(namespace, writer.position)
    writer.position += 8
  }

  key(key: Key): void {
    hashKeyIntoScratch(key)
    this.keyBytes(scratch, 0, scratchLength)
  }

  /** Canonical bytes of a key. */
  keyBytes(bytes: Uint8Array, start: number, end: number): void {
    const writer = this.#writer
    const length = end - start
    writer.ensure(length + 5)
    let rest = length
    for (; rest > 0x7f; rest >>>= 7) writer.bytes[writer.position++] = (rest & 0x7f) | 0x80
    writer.bytes[writer.position++] = rest
    const target = writer.bytes
    let position = writer.position
    for (let index = start; index < end; index++) target[position++] = bytes[index] as number
    writer.position = position
  }

  /** @throws MillraceError MR_STATE_TYPE */
  value(value: unknown): void {
    this.#entries++
    const writer = this.#writer
    writer.ensure(4)
    const lengthAt = writer.position
    writer.position += 4
    this.#serializer.encodeInto(writer, value)
    writer.bytes.writeUInt32LE(writer.position - lengthAt - 4, lengthAt)
  }

  valueBytes(bytes: Uint8Array): void {
    this.#entries++
    const writer = this.#writer
    writer.ensure(4)
    writer.bytes.writeUInt32LE(bytes.length, writer.position)
    writer.position += 4
    writer.writeBytes(bytes)
  }

  /** The whole chunk in a fresh buffer. */
  finish(): Buffer {
    const writer = this.#writer
    writer.ensure(4)
    writer.bytes.writeUInt32LE(this.#entries, 20)
    writer.bytes.writeUInt32LE(crc32c(writer.bytes.subarray(0, writer.position)), writer.position)
    writer.position += 4
    const bytes = writer.copy()
    // One large value must not keep its room.
    if (writer.bytes.length > keptBytes) this.#writer = new ByteWriter(1 << 14)
    return bytes
  }
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  const length = Buffer.allocUnsafeSlow(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}
