import type { Key } from '../api/functions.ts'
import { MillraceError } from './errors.ts'
import { finish, mixBlock, murmur3 } from './murmur3.ts'

/*
 * R36: the canonical bytes of a key decide its hash, equality and order. A tag byte, then: 1 string as UTF-8; 2 number
 * as a big-endian double, −0 as 0; 3 bigint as a sign byte (1 for >= 0) and the big-endian magnitude; 4 boolean as one
 * byte; 5 bytes; 6 tuple, each part as a big-endian 32-bit length and its own canonical bytes.
 */
const stringTag = 1
const numberTag = 2
const bigintTag = 3
const booleanTag = 4
const bytesTag = 5
const tupleTag = 6

const maxTupleDepth = 32
/** The longest bytes of a key that a length in a tuple or a table can hold. */
const maxKeyLength = 0x7fffffff

/**
 * Scratch pair of the hot path: after `hashKeyIntoScratch(key)` the canonical bytes are `scratch[0, scratchLength)`,
 * until the next call of any function of this module. A longer key replaces `scratch`: read it after each call.
 */
export let scratch: Buffer = Buffer.allocUnsafeSlow(1 << 12)
export let scratchLength = 0
/** The primitive key whose bytes the scratch holds; undefined: none. A table that is asked next need not hash it again. */
export let scratchKey: Key | undefined
let view = viewOf(scratch)

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** Makes room for `length` bytes, keeping those that are there. */
function reserve(length: number): void {
  if (length <= scratch.length) return
  if (length > maxKeyLength) throw new MillraceError('MR_KEY', `A key of ${length} bytes is too long.`)
  const larger = Buffer.allocUnsafeSlow(Math.max(length, scratch.length * 2))
  larger.set(scratch)
  scratch = larger
  view = viewOf(larger)
}

/**
 * The hash of a key: murmur3_x86_32 with seed 0 of the canonical bytes, as a signed 32-bit number. Leaves the bytes in
 * `scratch`. An ASCII string allocates nothing.
 * @throws MillraceError MR_KEY where the value can not be a key
 */
export function hashKeyIntoScratch(key: Key): number {
  if (typeof key === 'string') {
    const hash = hashString(key)
    scratchKey = key
    return hash
  }
  scratchLength = write(key, 0, 0)
  scratchKey = typeof key === 'object' ? undefined : key
  return murmur3(scratch, 0, scratchLength)
}

/** The hash alone. Keys that are equal (R36) have equal hashes. */
export function hashKey(key: Key): number {
  return hashKeyIntoScratch(key)
}

function hashString(key: string): number {
  scratchKey = undefined
  const length = key.length
  if (length >= scratch.length) reserve(length + 1)
  let hash = 0
  // The tag shifts the characters by one byte: each block ends with three characters, or begins with the one before.
  let block = stringTag
  let all = 0
  let index = 0
  for (; length - index >= 4; index += 4) {
    const a = key.charCodeAt(index)
    const b = key.charCodeAt(index + 1)
    const c = key.charCodeAt(index + 2)
    const d = key.charCodeAt(index + 3)
    all |= a | b | c | d
    block |= (a << 8) | (b << 16) | (c << 24)
    view.setInt32(index, block, true)
    hash = mixBlock(hash, block)
    block = d
  }
  let position = index
  for (let shift = 8; index < length; index++, shift += 8) {
    const code = key.charCodeAt(index)
    all |= code
    block |= code << shift
  }
  if (all > 0x7f) return hashNonAsciiString(key)
  const end = length + 1
  if (end - position === 4) {
    view.setInt32(position, block, true)
    hash = mixBlock(hash, block)
    block = 0
    position = end
  }
  for (let tail = block; position < end; position++, tail >>>= 8) scratch[position] = tail
  scratchLength = end
  return finish(hash, block, end)
}

function hashNonAsciiString(key: string): number {
  scratchLength = writeString(key, 0)
  return murmur3(scratch, 0, scratchLength)
}

function writeString(key: string, start: number): number {
  if (!key.isWellFormed()) throw refused('a string with a lone surrogate')
  reserve(start + 1 + key.length * 3)
  scratch[start] = stringTag
  return start + 1 + scratch.write(key, start + 1, 'utf8')
}

/** Writes the canonical bytes at `start` of the scratch and returns their end. */
function write(key: unknown, start: number, depth: number): number {
  scratchKey = undefined
  switch (typeof key) {
    case 'string':
      return writeString(key, start)
    case 'number':
      return writeNumber(key, start)
    case 'bigint':
      return writeBigint(key, start)
    case 'boolean':
      reserve(start + 2)
      scratch[start] = booleanTag
      scratch[start + 1] = key ? 1 : 0
      return start + 2
    default:
      return writeObject(key, start, depth)
  }
}

function writeNumber(key: number, start: number): number {
  if (!Number.isFinite(key)) throw refused(String(key))
  reserve(start + 9)
  scratch[start] = numberTag
  view.setFloat64(start + 1, key + 0)
  return start + 9
}

function writeBigint(key: bigint, start: number): number {
  const digits = (key < 0n ? -key : key).toString(16)
  const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
  reserve(start + 2 + magnitude.length)
  scratch[start] = bigintTag
  scratch[start + 1] = key < 0n ? 0 : 1
  scratch.set(magnitude, start + 2)
  return start + 2 + magnitude.length
}

function writeObject(key: unknown, start: number, depth: number): number {
  if (key instanceof Uint8Array) {
    reserve(start + 1 + key.length)
    scratch[start] = bytesTag
    scratch.set(key, start + 1)
    return start + 1 + key.length
  }
  if (!Array.isArray(key)) throw refused(describe(key))
  if (depth === maxTupleDepth) throw refused(`a tuple nested more than ${maxTupleDepth} deep`)
  reserve(start + 1)
  scratch[start] = tupleTag
  let position = start + 1
  for (let index = 0; index < key.length; index++) {
    reserve(position + 4)
    const end = write(key[index], position + 4, depth + 1)
    view.setUint32(position, end - position - 4)
    position = end
  }
  return position
}

function refused(what: string): MillraceError {
  return new MillraceError(
    'MR_KEY',
    `A key can not be or hold ${what}: keys are strings, finite numbers, bigints, booleans, bytes, or tuples of them.`,
  )
}

function describe(value: unknown): string {
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  if (typeof value !== 'object' || value === null) return String(value)
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? `an object (${name})` : 'an object'
}

/** The canonical bytes in a fresh buffer. */
export function canonicalKeyBytes(key: Key): Buffer {
  const end = write(key, 0, 0)
  const bytes = Buffer.allocUnsafeSlow(end)
  bytes.set(scratch.subarray(0, end))
  return bytes
}

/**
 * The key of canonical bytes `bytes[start, end)`. Nothing in it aliases `bytes`, nor the record that the key was taken
 * from: a string is flat, so `decodeKey(scratch, 0, scratchLength)` is the copy of a key that may be kept.
 */
export function decodeKey(bytes: Uint8Array, start = 0, end: number = bytes.length): Key {
  if (start >= end) throw notCanonical()
  const tag = bytes[start]
  // The fast way of most keys of a restore: no view over each.
  if (tag === stringTag && Buffer.isBuffer(bytes)) return bytes.toString('utf8', start + 1, end)
  const body = Buffer.from(bytes.buffer, bytes.byteOffset + start + 1, end - start - 1)
  switch (tag) {
    case stringTag:
      return body.toString('utf8')
    case numberTag:
      if (body.length === 8) return body.readDoubleBE(0)
      break
    case bigintTag: {
      if (body.length < 2) break
      const magnitude = BigInt(`0x${body.toString('hex', 1)}`)
      return body[0] === 1 ? magnitude : -magnitude
    }
    case booleanTag:
      if (body.length === 1) return body[0] === 1
      break
    case bytesTag:
      return Uint8Array.from(body)
    case tupleTag:
      return decodeTuple(body)
  }
  throw notCanonical()
}

function decodeTuple(body: Buffer): readonly Key[] {
  const parts: Key[] = []
  let position = 0
  while (position < body.length) {
    const from = position + 4
    if (from > body.length) throw notCanonical()
    const to = from + body.readUInt32BE(position)
    if (to > body.length) throw notCanonical()
    parts.push(decodeKey(body, from, to))
    position = to
  }
  return parts
}

function notCanonical(): MillraceError {
  return new MillraceError('MR_INTERNAL', 'Bytes that should hold a key are no canonical key bytes.')
}

/** What a JavaScript Map can tell keys apart by. */
export type MapKey = string | number | bigint | boolean

/**
 * A primitive that equals (as a Map compares: −0 is 0) exactly where the keys are equal. Primitives stand for
 * themselves; bytes and tuples are strings that begin with a lone surrogate, which no legal string key holds.
 * @throws MillraceError MR_KEY where the value can not be a key
 */
export function mapKeyOf(key: Key): MapKey {
  switch (typeof key) {
    case 'string':
      if (!key.isWellFormed()) throw refused('a string with a lone surrogate')
      return key
    case 'number':
      if (!Number.isFinite(key)) throw refused(String(key))
      return key
    case 'bigint':
    case 'boolean':
      return key
    default:
      return `\ud800${scratch.toString('latin1', 0, write(key, 0, 0))}`
  }
}
