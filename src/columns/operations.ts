/*
 * What expressions compute. Every operation here gives null where an operand is null; `evaluate` and `text` get values
 * that are not. Numbers are JavaScript's: arithmetic is in doubles, whatever the declared types, so nothing wraps, and
 * integers are exact up to 2^53.
 */

export type ValueKind = 'number' | 'string' | 'boolean'

export interface Operation {
  /** `alike`: two values of one kind. */
  readonly operands: readonly ValueKind[] | 'alike'
  readonly result: 'boolean' | 'int32' | 'double' | 'string'
  /** It gives null also where no operand is. */
  readonly mayBeNull?: true
  /** The meaning: what runs on objects, and what generated text is compared with. */
  evaluate(this: void, ...values: never[]): unknown
  /** JavaScript for it; left out, it calls `evaluate`. */
  readonly text?: (...values: string[]) => string
}

const number = ['number'] as const
const numbers = ['number', 'number'] as const
const string = ['string'] as const
const strings = ['string', 'string'] as const

type Comparable = string | number
const decimal = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/**
 * Strings are ordered by code points, as their UTF-8 bytes are. UTF-16 units order them alike but for surrogates, which
 * stand for the highest code points and lie below U+E000.
 */
export function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a !== b) return codePointOrder(a) - codePointOrder(b)
  }
  return left.length - right.length
}

function codePointOrder(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function compare(left: Comparable, right: Comparable): number {
  if (typeof left === 'string') return compareText(left, right as string)
  // NaN is neither less, equal nor greater.
  return left < (right as number) ? -1 : left > (right as number) ? 1 : left === right ? 0 : Number.NaN
}

const comparison = (holds: (order: number) => boolean): Operation => ({
  operands: 'alike',
  result: 'boolean',
  evaluate: (left: Comparable, right: Comparable) => holds(compare(left, right)),
})

function arithmetic(evaluate: (left: number, right: number) => number, sign: string): Operation {
  return { operands: numbers, result: 'double', evaluate, text: (left, right) => `(${left}${sign}${right})` }
}

function rounding(evaluate: (value: number) => number, name: string): Operation {
  return { operands: number, result: 'double', evaluate, text: (value) => `Math.${name}(${value})` }
}

function text(evaluate: (value: string) => string, method: string): Operation {
  return { operands: string, result: 'string', evaluate, text: (value) => `${value}.${method}()` }
}

function search(evaluate: (value: string, part: string) => boolean, method: string): Operation {
  return { operands: strings, result: 'boolean', evaluate, text: (value, part) => `${value}.${method}(${part})` }
}

export const operations = {
  eq: {
    operands: 'alike',
    result: 'boolean',
    evaluate: (left: unknown, right: unknown) => left === right,
    text: (left, right) => `(${left}===${right})`,
  },
  ne: {
    operands: 'alike',
    result: 'boolean',
    evaluate: (left: unknown, right: unknown) => left !== right,
    text: (left, right) => `(${left}!==${right})`,
  },
  lt: comparison((order) => order < 0),
  le: comparison((order) => order <= 0),
  gt: comparison((order) => order > 0),
  ge: comparison((order) => order >= 0),
  not: { operands: ['boolean'], result: 'boolean', evaluate: (value: boolean) => !value, text: (value) => `!${value}` },
  plus: arithmetic((left, right) => left + right, '+'),
  minus: arithmetic((left, right) => left - right, '-'),
  times: arithmetic((left, right) => left * right, '*'),
  dividedBy: {
    operands: numbers,
    result: 'double',
    mayBeNull: true,
    evaluate: (left: number, right: number) => (right === 0 ? null : left / right),
  },
  modulo: {
    operands: numbers,
    result: 'double',
    mayBeNull: true,
    evaluate: (left: number, right: number) => (right === 0 ? null : left % right),
  },
  negate: {
    operands: number,
    result: 'double',
    evaluate: (value: number) => 0 - value,
    text: (value) => `(0-${value})`,
  },
  abs: rounding(Math.abs, 'abs'),
  floor: rounding(Math.floor, 'floor'),
  ceil: rounding(Math.ceil, 'ceil'),
  round: rounding(Math.round, 'round'),
  lower: text((value) => value.toLowerCase(), 'toLowerCase'),
  upper: text((value) => value.toUpperCase(), 'toUpperCase'),
  trim: text((value) => value.trim(), 'trim'),
  toNumber: {
    operands: string,
    result: 'double',
    mayBeNull: true,
    evaluate: (value: string) => (decimal.test(value) ? Number(value) + 0 : null),
  },
  length: {
    operands: string,
    result: 'int32',
    evaluate: (value: string) => value.length,
    text: (value) => `${value}.length`,
  },
  startsWith: search((value, part) => value.startsWith(part), 'startsWith'),
  endsWith: search((value, part) => value.endsWith(part), 'endsWith'),
  contains: search((value, part) => value.includes(part), 'includes'),
  concat: {
    operands: strings,
    result: 'string',
    evaluate: (left: string, right: string) => left + right,
    text: (left, right) => `(${left}+${right})`,
  },
  substring: {
    operands: ['string', 'number', 'number'],
    result: 'string',
    evaluate: (value: string, start: number, end: number) => value.slice(start, end),
    text: (value, start, end) => `${value}.slice(${start},${end})`,
  },
} as const satisfies Readonly<Record<string, Operation>>

export type OperationName = keyof typeof operations

export function operationOf(name: OperationName): Operation {
  return operations[name]
}
