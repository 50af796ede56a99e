import type { AvroLogicalType } from './avro-node.ts'
import { damaged } from './avro-primitives.ts'

/*
 * Logical types as JavaScript values (Avro 1.12 specification, "Logical Types"): date and timestamp-millis as Date,
 * timestamp-micros as bigint, times as numbers, decimal as text with exactly `scale` digits after the point, uuid as text.
 */

const dayMs = 86_400_000
const dayMicros = dayMs * 1000
/** The most that a Date holds, in milliseconds. */
const dateLimit = 8.64e15
const uuid = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/

/** The value of what stands in the bytes. @throws RangeError where the logical type has no such value */
export function logicalValue(logical: AvroLogicalType, raw: unknown): unknown {
  switch (logical.name) {
    case 'date':
      return dateOf((raw as number) * dayMs)
    case 'timestamp-millis':
      return dateOf(Number(raw))
    case 'timestamp-micros':
      return BigInt(raw as number | bigint)
    case 'time-millis':
      return within(raw as number, dayMs)
    case 'time-micros':
      return within(Number(raw), dayMicros)
    case 'uuid':
      if (!uuid.test(raw as string)) throw damaged()
      return raw
    case 'decimal':
      return decimalText(raw as Uint8Array, logical.scale)
  }
}

/**
 * What is written for a value; undefined where it is none of the logical type.
 * @param size of a fixed decimal; undefined: as few bytes as there are
 */
export function underlyingValue(logical: AvroLogicalType, value: unknown, size: number | undefined): unknown {
  switch (logical.name) {
    case 'date':
      return wholeDays(msOf(value))
    case 'timestamp-millis':
      return msOf(value)
    case 'timestamp-micros':
      return typeof value === 'bigint' ? value : undefined
    case 'time-millis':
      return isTime(value, dayMs) ? value : undefined
    case 'time-micros':
      return isTime(value, dayMicros) ? value : undefined
    case 'uuid':
      return typeof value === 'string' && uuid.test(value) ? value : undefined
    case 'decimal':
      return typeof value === 'string' ? decimalBytes(value, logical, size) : undefined
  }
}

function dateOf(ms: number): Date {
  if (Math.abs(ms) > dateLimit) throw damaged()
  return new Date(ms)
}

function within(time: number, day: number): number {
  if (time < 0 || time >= day) throw damaged()
  return time
}

/** Undefined for anything but a date that there is. */
function msOf(value: unknown): number | undefined {
  const ms = value instanceof Date ? value.getTime() : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}

function wholeDays(ms: number | undefined): number | undefined {
  return ms !== undefined && ms % dayMs === 0 ? ms / dayMs : undefined
}

function isTime(value: unknown, day: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < day
}

function decimalText(bytes: Uint8Array, scale: number): string {
  if (bytes.length === 0) throw damaged()
  const unsigned = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  const negative = ((bytes[0] as number) & 128) !== 0
  const unscaled = negative ? unsigned - (1n << BigInt(8 * bytes.length)) : unsigned
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const fraction = scale === 0 ? '' : `.${digits.slice(-scale)}`
  return `${unscaled < 0n ? '-' : ''}${whole}${fraction}`
}

function decimalBytes(
  text: string,
  { precision, scale }: { readonly precision: number; readonly scale: number },
  size: number | undefined,
): Buffer | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = ''] = match
  const digits = `${whole}${fraction.padEnd(scale, '0')}`.replace(/^0+(?=\d)/, '')
  if (fraction.length > scale || digits.length > precision) return undefined
  const unscaled = BigInt(digits) * (sign === '-' ? -1n : 1n)
  const length = size ?? twosComplementLength(unscaled)
  if (length < twosComplementLength(unscaled)) return undefined
  const hexadecimal = BigInt.asUintN(8 * length, unscaled).toString(16)
  return Buffer.from(hexadecimal.padStart(2 * length, '0'), 'hex')
}

function twosComplementLength(value: bigint): number {
  const magnitude = value < 0n ? -value - 1n : value
  // One bit more for the sign.
  return Math.floor((magnitude === 0n ? 0 : magnitude.toString(2).length) / 8) + 1
}
