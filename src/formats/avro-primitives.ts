import type { ByteWriter } from './byte-writer.ts'

/** What Node's buffers have besides their public methods: the same without the cost of looking up the encoding. */
export interface SlicedBuffer extends Buffer {
  utf8Slice(start: number, end: number): string
  latin1Slice(start: number, end: number): string
  ucs2Slice(start: number, end: number): string
  utf8Write(text: string, start: number): number
  latin1Write(text: string, start: number): number
  ucs2Write(text: string, start: number): number
}

/** A Buffer over the same memory, with the fast slices. */
export function slicedBuffer(bytes: Uint8Array): SlicedBuffer {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return buffer as SlicedBuffer
}

/** A plain Uint8Array of its own memory. (slice() of a Buffer is a Buffer, of Node's pool.) */
export function copyOfBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start)
  copy.set(bytes.subarray(start, end))
  return copy
}

/** Where a read that is not only a value left off. Reads of one thread do not overlap. */
export const cursor = { position: 0 }

const maxVarintLength = 10

/** Zigzag variable-length integer of Avro, for the integers that a number holds exactly. Returns the end. */
export function writeLong(bytes: Uint8Array, start: number, value: number): number {
  let magnitude = value < 0 ? -value - 1 : value
  let position = start
  let byte = ((magnitude % 64) << 1) | (value < 0 ? 1 : 0)
  magnitude = Math.floor(magnitude / 64)
  while (magnitude > 0) {
    bytes[position++] = byte | 128
    byte = magnitude % 128
    magnitude = Math.floor(magnitude / 128)
  }
  bytes[position++] = byte
  return position
}

/** Reads what writeLong wrote; the end is in `cursor`. What lies past the end of the buffer reads as 0. */
export function readLong(bytes: Uint8Array, start: number): number {
  let position = start
  let byte = bytes[position++] as number
  const negative = (byte & 1) === 1
  let magnitude = (byte & 127) >> 1
  for (let scale = 64; byte >= 128 && position - start < maxVarintLength; scale *= 128) {
    byte = bytes[position++] as number
    magnitude += (byte & 127) * scale
  }
  cursor.position = position
  return negative ? -magnitude - 1 : magnitude
}

/** A string longer than this is written by the native encoder. */
const shortString = 21

/** Length and UTF-8 bytes. Returns the end; the writer's buffer may be replaced, its position is not used. */
export function writeString(writer: ByteWriter, start: number, text: string): number {
  const room = start - writer.position + text.length * 3 + maxVarintLength
  writer.ensure(room)
  const bytes = writer.bytes as SlicedBuffer
  const { length } = text
  if (length <= shortString) {
    let index = 0
    for (let code = 0; index < length; index++) {
      code = text.charCodeAt(index)
      if (code > 127) break
      bytes[start + 1 + index] = code
    }
    if (index === length) {
      bytes[start] = length << 1
      return start + 1 + length
    }
  }
  // The length stands before the bytes: its own length is guessed, and the bytes are moved where the guess was wrong.
  const guess = varintLength(length)
  let size = bytes.utf8Write(text, start + guess)
  const actual = varintLength(size)
  if (actual !== guess) size = bytes.utf8Write(text, start + actual)
  writeLong(bytes, start, size)
  return start + actual + size
}

function varintLength(value: number): number {
  let length = 1
  for (let rest = Math.floor(value / 64); rest > 0; rest = Math.floor(rest / 128)) length++
  return length
}

/** Length and bytes. */
export function writeBytes(writer: ByteWriter, start: number, value: Uint8Array): number {
  writer.ensure(start - writer.position + value.length + maxVarintLength)
  const position = writeLong(writer.bytes, start, value.length)
  writer.bytes.set(value, position)
  return position + value.length
}

/** Reads a length and that many bytes of text; the end is in `cursor`. */
export function readString(bytes: SlicedBuffer, start: number, end: number): string {
  const from = readLength(bytes, start, end)
  return bytes.utf8Slice(from, cursor.position)
}

export function readBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const from = readLength(bytes, start, end)
  return copyOfBytes(bytes, from, cursor.position)
}

/** Returns where the bytes begin; `cursor` is where they end. */
function readLength(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start] as number
  const short = first < 128
  const length = short ? first >> 1 : readLong(bytes, start)
  const from = short ? start + 1 : cursor.position
  if (length > end - from || (first & 1) === 1) throw damaged()
  cursor.position = from + length
  return from
}

/**
 * The number of items of a block of an array or map; a negative one is followed by the block's size in bytes, which
 * other writers than ours may give.
 * @param emptyItems how many items may be there without a byte for each; with none a damaged count can not run away
 */
export function readCount(bytes: Uint8Array, start: number, end: number, emptyItems = 0): number {
  let count = readLong(bytes, start)
  if (count < 0) {
    count = -count
    readLong(bytes, cursor.position)
  }
  if (count > Math.max(end - cursor.position, emptyItems)) throw damaged()
  return count
}

/**
 * How many items that take no byte (null, records without fields) one value may have in all its lists: else a few bytes
 * could stand for billions of them.
 */
export const maxEmptyItems = 65_536

export function tooManyEmptyItems(): Error {
  return unreadable(`The value has more than ${maxEmptyItems} items that take no bytes`)
}

/** Steps over a length and that many bytes. */
export function skipBytes(bytes: Uint8Array, start: number, end: number): void {
  readLength(bytes, start, end)
}

/** @throws RangeError where the number does not fit 32 bits */
export function readInt(bytes: Uint8Array, start: number): number {
  const value = readLong(bytes, start)
  if ((value | 0) !== value) throw damaged()
  return value
}

/** @throws RangeError where a number does not hold the value exactly */
export function readSafeLong(bytes: Uint8Array, start: number): number {
  const value = readLong(bytes, start)
  if (!Number.isSafeInteger(value)) throw new RangeError('A long is too large for a number: read longs as bigint')
  return value
}

/** @throws RangeError where the value does not fit 64 bits */
export function readBigLong(bytes: Uint8Array, start: number): bigint {
  let position = start
  let zigzag = 0n
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[position++] ?? 0
    zigzag |= BigInt(byte & 127) << shift
    if (byte < 128) break
    if (position - start === maxVarintLength) throw damaged()
  }
  if (zigzag >= 1n << 64n) throw damaged()
  cursor.position = position
  return (zigzag >> 1n) ^ -(zigzag & 1n)
}

/** @throws RangeError where the number does not fit 32 bits */
export function asInt(value: bigint): bigint {
  if (BigInt.asIntN(32, value) !== value) throw damaged()
  return value
}

export interface SymbolTable {
  readonly name: string
  readonly symbols: readonly string[]
  /** What each is read as. */
  readonly read: readonly (string | undefined)[]
}

/** @throws RangeError where there is no such symbol, or it is none of the reader's */
export function symbolAt({ name, symbols, read }: SymbolTable, index: number): string {
  const symbol = read[index]
  if (symbol !== undefined) return symbol
  if (symbols[index] === undefined) throw damaged()
  throw unreadable(`${symbols[index]} is no symbol of enum ${name}`)
}

/** Also a key such as `__proto__` becomes a field of its own. */
export function setOwn(map: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true })
  else map[key] = value
}

/** Whole bytes whose value the reader's type has no place for. */
export function unreadable(message: string): Error {
  return new RangeError(message)
}

/** Bytes that are no value of their type: the checksum of the blob was right, so the type must be wrong. */
export function damaged(cause?: unknown): Error {
  return new RangeError('The bytes are no value of this type', { cause })
}
