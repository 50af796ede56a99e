import type { Expression as ExpressionData, LiteralValue } from '../columns/expression.ts'
import { LookupTable } from '../columns/lookup-table.ts'
import type { OperationName } from '../columns/operations.ts'
import { declaredText, definitionError } from './declaration.ts'

declare const carried: unique symbol

/** The value of a field of the record that an expression is used on. */
export interface FieldValue<Name extends string> {
  readonly [carried]: Name
}

/** What an expression is combined with: another one, or a value. */
export type Operand<Fields extends string, Nulls extends string> =
  | Expression<Fields, unknown, Nulls>
  | string
  | number
  | boolean

/** An expression that is true or false: one that gives a boolean, or a field; that the field is one is checked at build. */
export type Condition<Fields extends string, Nulls extends string> =
  | Expression<Fields, boolean, Nulls>
  | Expression<Fields, FieldValue<Fields>, Nulls>

/** The TypeScript type that an expression has for records of type T. */
export type ValueOf<T, E> =
  E extends Expression<string, infer Value, infer Nulls>
    ? Value extends FieldValue<infer Name>
      ? T[Name & keyof T]
      : Value | NullOf<T[Nulls & keyof T]>
    : never
type NullOf<Field> = null extends Field ? null : never

/**
 * An expression over the fields of a record, made by `col` and `lit`. It is data, not a function, so that it may run on
 * columns; what it means is the same wherever it runs:
 *
 * - Null: an operation gives null where an operand is null, also a comparison. `and` and `or` know three values as in
 *   SQL (`true or null` is true). `where` keeps a record only where its expression is true.
 * - Numbers are JavaScript's: arithmetic is in doubles and never wraps; integers are exact up to 2^53. Dividing by zero
 *   gives null.
 * - Strings are ordered by code points; `length` and `substring` count UTF-16 units.
 *
 * `Fields` are the names of the fields it reads, which the compiler compares with the record; the types of the fields
 * are checked when the job is built (MR_JOB_DEFINITION).
 */
export class Expression<Fields extends string = never, Value = unknown, Nulls extends string = never> {
  /** @internal */
  readonly data: ExpressionData
  /** Carries the type parameters. */
  declare readonly [carried]: readonly [Fields, Value, Nulls]

  /** @internal Expressions come from `col` and `lit`. */
  constructor(data: ExpressionData) {
    this.data = data
  }

  /** Equal. */
  eq<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return this.#call('eq', [other])
  }

  /** Not equal. */
  ne<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return this.#call('ne', [other])
  }

  /** Less than; of numbers or strings. */
  lt<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return this.#call('lt', [other])
  }

  /** Less than or equal; of numbers or strings. */
  le<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return this.#call('le', [other])
  }

  /** Greater than; of numbers or strings. */
  gt<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return this.#call('gt', [other])
  }

  /** Greater than or equal; of numbers or strings. */
  ge<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return this.#call('ge', [other])
  }

  /** From `low` to `high`, both included. */
  between(low: string | number, high: string | number): Expression<Fields, boolean, Nulls> {
    return this.ge(low).and(this.le(high))
  }

  /** Equal to one of the values. */
  isIn(...values: readonly [LiteralValue, ...LiteralValue[]]): Expression<Fields, boolean, Nulls> {
    const tests = values.map((value): ExpressionData => this.#call('eq', [value]).data)
    return new Expression(tests.reduce((left, right) => ({ kind: 'or', left, right })))
  }

  /** Both are true. */
  and<F extends string = never, N extends string = never>(
    other: Condition<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return new Expression({ kind: 'and', left: this.data, right: operandData(other, 'and') })
  }

  /** One of them is true. */
  or<F extends string = never, N extends string = never>(
    other: Condition<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return new Expression({ kind: 'or', left: this.data, right: operandData(other, 'or') })
  }

  /** False for true, true for false. */
  not(): Expression<Fields, boolean, Nulls> {
    return this.#call('not', [])
  }

  /** Whether there is no value. */
  isNull(): Expression<Fields, boolean> {
    return new Expression({ kind: 'isNull', of: this.data, negated: false })
  }

  /** Whether there is a value. */
  isNotNull(): Expression<Fields, boolean> {
    return new Expression({ kind: 'isNull', of: this.data, negated: true })
  }

  /** The value, or `otherwise` where that is null. */
  coalesce<F extends string = never, V = unknown, N extends string = never>(
    otherwise: Expression<F, V, N>,
  ): Expression<Fields | F, V, N>
  coalesce<V extends LiteralValue>(otherwise: V): Expression<Fields, Widened<V>>
  coalesce(otherwise: Operand<string, string>): Expression<string> {
    return new Expression({ kind: 'coalesce', operands: [this.data, operandData(otherwise, 'coalesce')] })
  }

  /** The sum of two numbers. */
  plus<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, number, Nulls | N> {
    return this.#call('plus', [other])
  }

  /** The difference of two numbers. */
  minus<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, number, Nulls | N> {
    return this.#call('minus', [other])
  }

  /** The product of two numbers. */
  times<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, number, Nulls | N> {
    return this.#call('times', [other])
  }

  /** The quotient of two numbers, also of integers with its fraction; null where the divisor is 0. */
  dividedBy<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, number | null, Nulls | N> {
    return this.#call('dividedBy', [other])
  }

  /** The remainder, with the sign of the dividend; null where the divisor is 0. */
  modulo<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, number | null, Nulls | N> {
    return this.#call('modulo', [other])
  }

  /** The number with the other sign; 0 stays 0. */
  negate(): Expression<Fields, number, Nulls> {
    return this.#call('negate', [])
  }

  /** The number without its sign. */
  abs(): Expression<Fields, number, Nulls> {
    return this.#call('abs', [])
  }

  /** The highest whole number that is not above it. */
  floor(): Expression<Fields, number, Nulls> {
    return this.#call('floor', [])
  }

  /** The lowest whole number that is not below it. */
  ceil(): Expression<Fields, number, Nulls> {
    return this.#call('ceil', [])
  }

  /** The nearest whole number; of two the higher one. */
  round(): Expression<Fields, number, Nulls> {
    return this.#call('round', [])
  }

  /** In lower case, as Unicode has it for no language in particular. */
  lower(): Expression<Fields, string, Nulls> {
    return this.#call('lower', [])
  }

  /** In upper case. */
  upper(): Expression<Fields, string, Nulls> {
    return this.#call('upper', [])
  }

  /** Without white space at both ends. */
  trim(): Expression<Fields, string, Nulls> {
    return this.#call('trim', [])
  }

  /** The number of UTF-16 units of a string. */
  length(): Expression<Fields, number, Nulls> {
    return this.#call('length', [])
  }

  /** The number that a string is in decimal notation, such as `-12.5`; null where it is none. */
  toNumber(): Expression<Fields, number | null, Nulls> {
    return this.#call('toNumber', [])
  }

  /**
   * The value that a constant table has under the string; null where it has none. The table is part of the job, and
   * small: its values are strings, or numbers.
   * @example
   * ```ts
   * import { col } from 'millrace'
   *
   * const campaignOfAd = new Map([['ad 1', 'spring'], ['ad 2', 'summer']])
   * const campaign = col('adId').lookup(campaignOfAd).coalesce('unknown')
   * ```
   * @throws MillraceError MR_JOB_DEFINITION where the values are not all strings, or all finite numbers
   */
  lookup<V extends string | number>(
    table: ReadonlyMap<string, V> | Readonly<Record<string, V>>,
  ): Expression<Fields, Widened<V> | null, Nulls> {
    return new Expression({ kind: 'lookup', of: this.data, table: lookupTable(table) })
  }

  /** Whether a string begins with another. */
  startsWith<F extends string = never, N extends string = never>(
    part: Operand<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return this.#call('startsWith', [part])
  }

  /** Whether a string ends in another. */
  endsWith<F extends string = never, N extends string = never>(
    part: Operand<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return this.#call('endsWith', [part])
  }

  /** Whether a string has another in it. */
  contains<F extends string = never, N extends string = never>(
    part: Operand<F, N>,
  ): Expression<Fields | F, boolean, Nulls | N> {
    return this.#call('contains', [part])
  }

  /** One string behind the other. */
  concat<F extends string = never, N extends string = never>(
    other: Operand<F, N>,
  ): Expression<Fields | F, string, Nulls | N> {
    return this.#call('concat', [other])
  }

  /** The part of a string from UTF-16 unit `start` to before `end`, as JavaScript's `slice`; counted from the end where negative. */
  substring(start: number, end: number = Number.MAX_SAFE_INTEGER): Expression<Fields, string, Nulls> {
    return this.#call('substring', [start, end])
  }

  // The result's type parameters are those that the caller declares.
  #call(operation: OperationName, others: readonly Operand<string, string>[]): Expression<never, never> {
    const operands = [this.data, ...others.map((other) => operandData(other, operation))]
    return new Expression<never, never>({ kind: 'call', operation, operands })
  }
}

type Widened<V> = V extends string ? string : V extends number ? number : boolean

/**
 * A field of the record, by its name.
 * @example
 * ```ts
 * import { col, job, type Sink } from 'millrace'
 *
 * declare const sink: Sink<{ user: string; total: number }>
 * export default job('large orders', (env) => {
 *   env
 *     .fromCollection([{ user: 'ada', price: 3, pieces: 20 }])
 *     .where(col('pieces').ge(10).and(col('user').ne('test')))
 *     .select('user', { total: col('price').times(col('pieces')) })
 *     .sinkTo(sink)
 * })
 * ```
 */
export function col<Name extends string>(name: Name): Expression<Name, FieldValue<Name>, Name> {
  return new Expression({ kind: 'field', name: declaredText(name, 'col', 'the name of the field') })
}

/** A value that is the same for all records. */
export function lit<V extends LiteralValue>(value: V): Expression<never, Widened<V>> {
  return new Expression(operandData(value, 'lit'))
}

function lookupTable(given: unknown): LookupTable {
  const entries: readonly (readonly [unknown, unknown])[] =
    given instanceof Map ? [...given] : Object.entries((given ?? {}) as object)
  const kind = typeof entries[0]?.[1]
  for (const [key, value] of entries) {
    const fits = typeof value === kind && (typeof value === 'string' || Number.isFinite(value))
    if (typeof key === 'string' && fits) continue
    throw definitionError('lookup', `a table has strings or finite numbers under strings, not ${String(value)}`)
  }
  return new LookupTable(new Map(entries as readonly [string, string | number][]))
}

function operandData(operand: Operand<string, string>, subject: string): ExpressionData {
  if (operand instanceof Expression) return operand.data
  if (typeof operand === 'string' || typeof operand === 'boolean' || Number.isFinite(operand)) {
    return { kind: 'literal', value: operand }
  }
  const text = typeof operand === 'object' ? JSON.stringify(operand) : String(operand)
  throw definitionError(subject, `${text} is no operand: give a string, a finite number, a boolean or an expression`)
}
