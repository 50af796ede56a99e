import { cursor, type SlicedBuffer } from './avro-primitives.ts'

/*
 * What the generated JSON scanner calls for everything that is not its straight way: values that are skipped, numbers
 * and strings that are not plain. Strict: what JSON.parse refuses is refused (−1, NaN or undefined). Nothing here reads
 * outside of [position, end).
 */

const quote = 34
const backslash = 92

/** Deeper values are left to JSON.parse. */
const maxDepth = 64

export function isSpace(code: number | undefined): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9
}

function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let position = start
  while (position < end && isSpace(bytes[position])) position++
  return position
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= 48 && code <= 57
}

function isHexadecimal(code: number): boolean {
  return (code >= 48 && code <= 57) || ((code | 32) >= 97 && (code | 32) <= 102)
}

/** The end of the value at `start`, or −1 where it is not certain that it is one. */
export function skipValue(bytes: Uint8Array, start: number, end: number, depth = 0): number {
  if (start >= end) return -1
  switch (bytes[start]) {
    case quote:
      return skipString(bytes, start + 1, end)
    case 123: // {
      return depth === maxDepth ? -1 : skipObject(bytes, start + 1, end, depth + 1)
    case 91: // [
      return depth === maxDepth ? -1 : skipArray(bytes, start + 1, end, depth + 1)
    case 116:
      return skipWord(bytes, start, end, 'true')
    case 102:
      return skipWord(bytes, start, end, 'false')
    case 110:
      return skipWord(bytes, start, end, 'null')
    default:
      return skipNumber(bytes, start, end)
  }
}

function skipWord(bytes: Uint8Array, start: number, end: number, word: string): number {
  if (end - start < word.length) return -1
  for (let index = 1; index < word.length; index++) {
    if (bytes[start + index] !== word.charCodeAt(index)) return -1
  }
  return start + word.length
}

/** From past the opening quote to past the closing one. */
export function skipString(bytes: Uint8Array, start: number, end: number): number {
  for (let position = start; position < end; position++) {
    const code = bytes[position] as number
    if (code === quote) return position + 1
    if (code < 32) return -1
    if (code === backslash) {
      position = skipEscape(bytes, position + 1, end)
      if (position < 0) return -1
    }
  }
  return -1
}

/** The last byte of the escape whose letter stands at `position`, or −1. */
function skipEscape(bytes: Uint8Array, position: number, end: number): number {
  if (position >= end) return -1
  const letter = bytes[position] as number
  if (letter !== 117) return '"\\/bfnrt'.includes(String.fromCharCode(letter)) ? position : -1
  if (end - position < 5) return -1
  for (let index = 1; index <= 4; index++) {
    if (!isHexadecimal(bytes[position + index] as number)) return -1
  }
  return position + 4
}

function skipNumber(bytes: Uint8Array, start: number, end: number): number {
  let position = start
  if (position < end && bytes[position] === 45) position++
  const whole = position
  position = skipDigits(bytes, whole, end)
  if (position === whole || (position - whole > 1 && bytes[whole] === 48)) return -1
  if (position < end && bytes[position] === 46) {
    const fraction = position + 1
    position = skipDigits(bytes, fraction, end)
    if (position === fraction) return -1
  }
  return position < end && ((bytes[position] as number) | 32) === 101
    ? skipExponent(bytes, position + 1, end)
    : position
}

function skipExponent(bytes: Uint8Array, start: number, end: number): number {
  const sign = start < end ? bytes[start] : undefined
  const digits = sign === 43 || sign === 45 ? start + 1 : start
  const stop = skipDigits(bytes, digits, end)
  return stop === digits ? -1 : stop
}

function skipDigits(bytes: Uint8Array, start: number, end: number): number {
  let position = start
  while (position < end && isDigit(bytes[position])) position++
  return position
}

function skipObject(bytes: Uint8Array, start: number, end: number, depth: number): number {
  let position = skipSpace(bytes, start, end)
  if (position < end && bytes[position] === 125) return position + 1
  for (;;) {
    const value = skipKey(bytes, position, end)
    if (value < 0) return -1
    position = skipValue(bytes, value, end, depth)
    if (position < 0) return -1
    position = skipSpace(bytes, position, end)
    if (position >= end) return -1
    if (bytes[position] === 125) return position + 1
    if (bytes[position] !== 44) return -1
    position = skipSpace(bytes, position + 1, end)
  }
}

/** From the key's opening quote to the first byte of its value. */
function skipKey(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || bytes[start] !== quote) return -1
  const key = skipString(bytes, start + 1, end)
  if (key < 0) return -1
  const colon = skipSpace(bytes, key, end)
  return colon < end && bytes[colon] === 58 ? skipSpace(bytes, colon + 1, end) : -1
}

function skipArray(bytes: Uint8Array, start: number, end: number, depth: number): number {
  let position = skipSpace(bytes, start, end)
  if (position < end && bytes[position] === 93) return position + 1
  for (;;) {
    position = skipValue(bytes, position, end, depth)
    if (position < 0) return -1
    position = skipSpace(bytes, position, end)
    if (position >= end) return -1
    if (bytes[position] === 93) return position + 1
    if (bytes[position] !== 44) return -1
    position = skipSpace(bytes, position + 1, end)
  }
}

/** The number at `start`, whatever its form, or NaN; its end is left in `cursor`. */
export function numberAt(bytes: SlicedBuffer, start: number, end: number): number {
  const stop = skipNumber(bytes, start, end)
  if (stop < 0) return Number.NaN
  cursor.position = stop
  return Number(bytes.latin1Slice(start, stop))
}

/** The string with escapes that begins past the quote before `start`, or undefined; its end is left in `cursor`. */
export function escapedStringAt(bytes: SlicedBuffer, start: number, end: number): string | undefined {
  const stop = skipString(bytes, start, end)
  if (stop < 0) return undefined
  cursor.position = stop
  return JSON.parse(bytes.utf8Slice(start - 1, stop)) as string
}

/** One record's way of writing: what stands before each value, and what after the last. */
export interface JsonLayout {
  readonly values: readonly JsonSlot[]
  readonly after: Buffer
}
export interface JsonSlot {
  /** From the end of the value before to the first byte of this one, the name included. */
  readonly before: Buffer
  /** The field's name; undefined where no field can have it. */
  readonly name: string
  readonly isString: boolean
}

const maxSlots = 256

/** The layout of a valid JSON object, or undefined where names have escapes or are too many. */
export function layoutOf(bytes: Buffer, start: number, end: number): JsonLayout | undefined {
  const values: JsonSlot[] = []
  let from = start
  let position = skipSpace(bytes, start, end)
  if (bytes[position] !== 123) return undefined
  do {
    const key = skipSpace(bytes, position + 1, end)
    const value = skipKey(bytes, key, end)
    if (value < 0 || values.length === maxSlots) return undefined
    const name = bytes.toString('utf8', key + 1, skipString(bytes, key + 1, end) - 1)
    if (name.includes('\\')) return undefined
    values.push({ before: Buffer.from(bytes.subarray(from, value)), name, isString: bytes[value] === quote })
    from = skipValue(bytes, value, end)
    if (from < 0) return undefined
    position = skipSpace(bytes, from, end)
  } while (bytes[position] === 44)
  if (bytes[position] !== 125 || skipSpace(bytes, position + 1, end) !== end) return undefined
  return { values, after: Buffer.from(bytes.subarray(from, end)) }
}
