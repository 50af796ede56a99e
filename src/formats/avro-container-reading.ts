import { inflateRawSync, zstdDecompressSync } from 'node:zlib'
import { cursor, readLong } from './avro-primitives.ts'

/** What an object container file says of itself (Avro 1.12 specification, "Object Container Files"). */
export interface AvroContainerHeader {
  readonly schemaText: string
  readonly codec: 'null' | 'deflate' | 'zstandard'
  readonly sync: Buffer
  /** Where the first block begins. */
  readonly length: number
}

export interface AvroBlock {
  readonly count: number
  readonly packed: Buffer
  /** Where the next one begins. */
  readonly end: number
}

/** A block is some 64 KB, rarely a few megabytes: a larger one is damaged. */
const maxBlockBytes = 256 << 20
const magic = Buffer.from('Obj\x01', 'latin1')
const syncLength = 16

/** Where a read has come to; undefined: the bytes end before. */
class Bytes {
  readonly #bytes: Buffer
  at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  long(): number | undefined {
    let end = this.at
    while (((this.#bytes[end] ?? 0) & 128) !== 0 && end - this.at < 10) end++
    if (end >= this.#bytes.length) return undefined
    const value = readLong(this.#bytes, this.at)
    this.at = cursor.position
    return value
  }

  take(length: number): Buffer | undefined {
    if (this.at + length > this.#bytes.length) return undefined
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  /** Bytes after their length. */
  prefixed(): Buffer | undefined {
    const length = this.long()
    return length === undefined ? undefined : this.take(checkedLength(length))
  }
}

function checkedLength(length: number): number {
  if (Number.isSafeInteger(length) && length >= 0 && length <= maxBlockBytes) return length
  throw new Error(`${length} bytes can not be: the file is damaged`)
}

/**
 * The header at the start of the bytes; undefined where it goes on behind them.
 * @throws Error where it is no container file, or packed by a codec that is not known
 */
export function readHeader(bytes: Buffer): AvroContainerHeader | undefined {
  if (!bytes.subarray(0, 4).equals(magic.subarray(0, bytes.length))) throw new Error('it is no Avro container file')
  const reading = new Bytes(bytes, magic.length)
  const fields = readFields(reading)
  const sync = fields === undefined ? undefined : reading.take(syncLength)
  if (fields === undefined || sync === undefined) return undefined
  const codec = fields.get('avro.codec') ?? 'null'
  if (codec !== 'null' && codec !== 'deflate' && codec !== 'zstandard') {
    throw new Error(`it is packed by ${JSON.stringify(codec.slice(0, 50))}; known are null, deflate and zstandard`)
  }
  const schemaText = fields.get('avro.schema')
  if (schemaText === undefined) throw new Error('it has no schema')
  return { schemaText, codec, sync: Buffer.from(sync), length: reading.at }
}

/** A map: blocks of entries, the last of which has none. */
function readFields(reading: Bytes): ReadonlyMap<string, string> | undefined {
  const fields = new Map<string, string>()
  for (;;) {
    const count = reading.long()
    if (count === undefined || count === 0) return count === undefined ? undefined : fields
    // A negative count is followed by the length of its entries.
    if (count < 0 && reading.long() === undefined) return undefined
    if (!readEntries(reading, Math.abs(count), fields)) return undefined
  }
}

/** False where the bytes end before. */
function readEntries(reading: Bytes, count: number, fields: Map<string, string>): boolean {
  for (let index = 0; index < count; index++) {
    const key = reading.prefixed()
    const value = key === undefined ? undefined : reading.prefixed()
    if (key === undefined || value === undefined) return false
    fields.set(key.toString('utf8'), value.toString('utf8'))
  }
  return true
}

/**
 * The block at a place; undefined where it goes on behind the bytes.
 * @throws Error where it is damaged
 */
export function readBlock(bytes: Buffer, at: number, { sync }: AvroContainerHeader): AvroBlock | undefined {
  const reading = new Bytes(bytes, at)
  const count = reading.long()
  const packed = count === undefined ? undefined : reading.prefixed()
  const mark = packed === undefined ? undefined : reading.take(syncLength)
  if (count === undefined || packed === undefined || mark === undefined) return undefined
  if (count < 0 || !mark.equals(sync)) throw new Error('the block is damaged')
  return { count, packed, end: reading.at }
}

/** The records of a block, in memory of their own. */
export function unpackBlock({ packed }: AvroBlock, { codec }: AvroContainerHeader): Buffer {
  switch (codec) {
    case 'null':
      return Buffer.from(packed)
    case 'deflate':
      return inflateRawSync(packed, { maxOutputLength: maxBlockBytes })
    case 'zstandard':
      return zstdDecompressSync(packed, { maxOutputLength: maxBlockBytes })
  }
}
