import fc from 'fast-check'
import { expect } from 'vitest'
import { isMillraceError } from '../../../src/common/errors.ts'

/** Runs of each fuzz test: few by default, `FUZZ_RUNS=100000` for a long search. fast-check names the seed of a failure. */
export function fuzzRuns(few: number): fc.Parameters<unknown> {
  return { numRuns: Number(process.env['FUZZ_RUNS'] ?? few) }
}

/** Milliseconds of any one test, long searches included. */
export const fuzzTimeoutMs = 1_800_000

export interface Damage {
  readonly kind: 'change' | 'flip' | 'cut' | 'insert' | 'remove' | 'number' | 'repeat'
  readonly at: number
  readonly byte: number
}

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('change', 'flip', 'cut', 'insert', 'remove', 'number', 'repeat'),
  at: fc.nat(),
  byte: fc.nat(255),
})

export const damages = fc.array(damage, { minLength: 1, maxLength: 4 })

/** Numbers at which lengths and counts go wrong. */
const strangeNumbers = [0, 1, -1, 0x7fffffff, -0x80000000, 0x7ffffff0, 0xffff, 1 << 24, -2, 255]

/** The bytes with these damages, of which none is outside of [from, end). */
export function damaged(bytes: Uint8Array, list: readonly Damage[], from = 0): Buffer {
  return list.reduce<Buffer>((sound, one) => damagedOnce(sound, one, from), Buffer.from(bytes))
}

function damagedOnce(bytes: Buffer, { kind, at, byte }: Damage, from: number): Buffer {
  if (bytes.length <= from) return bytes
  const place = from + (at % (bytes.length - from))
  switch (kind) {
    case 'change':
      bytes[place] = byte
      return bytes
    case 'flip':
      bytes[place] = (bytes[place] as number) ^ (1 << (byte & 7))
      return bytes
    case 'cut':
      return bytes.subarray(0, place)
    case 'insert':
      return Buffer.concat([bytes.subarray(0, place), Buffer.from([byte]), bytes.subarray(place)])
    case 'remove':
      return Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1 + (byte & 7))])
    case 'number': {
      const value = strangeNumbers[byte % strangeNumbers.length] as number
      if (place + 4 <= bytes.length)
        byte & 1 ? bytes.writeInt32BE(value | 0, place) : bytes.writeInt32LE(value | 0, place)
      return bytes
    }
    case 'repeat':
      return Buffer.concat([bytes.subarray(0, place), bytes.subarray(Math.max(from, place - byte))])
  }
}

/** What went wrong in the engine rather than in the bytes. */
const bug =
  /invalid (?:typed )?array (?:length|buffer)|invalid string length|out of memory|call stack|undefined|not a function|out of bounds|out of range|offset/i

/**
 * The value of `read`, or undefined where it threw an error that tells a person that the bytes are bad.
 * @param codes of MillraceErrors that it may throw; an error of a format's own words is clear too
 */
export function valueOrClearError<Value>(read: () => Value, codes: readonly string[]): { value: Value } | undefined {
  try {
    return { value: read() }
  } catch (error) {
    if (isMillraceError(error)) {
      expect(codes).toContain(error.code)
      expect(error.message.length).toBeGreaterThan(10)
      return undefined
    }
    if (!(error instanceof Error) || error instanceof TypeError || bug.test(error.message)) throw error
    return undefined
  }
}

/** Fails where `action` keeps the thread for far too long, such as by filling gigabytes. */
export function atOnce<Value>(action: () => Value, limitMs = 2000): Value {
  const begun = performance.now()
  const value = action()
  const tookMs = performance.now() - begun
  if (tookMs > limitMs) throw new Error(`it took ${Math.round(tookMs)} ms`)
  return value
}
