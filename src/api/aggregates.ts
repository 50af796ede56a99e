import type { ColumnAggregate } from '../columns/aggregate.ts'
import { evaluationOf } from '../columns/evaluate.ts'
import { lowest } from '../common/number-order.ts'
import type { DataType, DeclaredType } from '../formats/data-type.ts'
import { declaredSynchronousFunction, declaredText } from './declaration.ts'
import { Expression, type FieldValue, type ValueOf } from './expressions.ts'
import type { AggregateFunction } from './functions.ts'

/** An aggregate of Millrace: its accumulator is declared, so that it lives off the heap, and may be merged. */
export interface NumberAggregate<In, Accumulator> extends AggregateFunction<In, Accumulator, number> {
  readonly combinable: true
  readonly accumulatorType: DataType<Accumulator>
  readonly resultType: DataType<number>
  merge(left: Accumulator, right: Accumulator): Accumulator
}

/**
 * An aggregate by field name or expression: besides being one of its own it may be one of several in
 * `aggregate({ total: sum('price'), … })`, where nulls count for nothing.
 */
export interface FieldAggregate<In, Accumulator, Of> extends NumberAggregate<In, Accumulator> {
  /** @internal */
  readonly column: ColumnAggregate
  /** Carries the type of the expression whose values it takes. */
  readonly of?: Of
}

/** What a field aggregate gives for records of type T. */
export type AggregateResult<T, A> = A extends { readonly of?: infer Of }
  ? number | ([Exclude<Of, undefined>] extends [never] ? never : Extract<ValueOf<T, Exclude<Of, undefined>>, null>)
  : never

/** Of `count`. Accumulators of the built-in aggregates are plain records of doubles. */
export interface CountAccumulator {
  count: number
}
/** Of `sum`. */
export interface SumAccumulator {
  sum: number
}
/** Of `min` and `max`. */
export interface ExtremeAccumulator {
  extreme: number
}
/** Of `avg`. */
export interface AverageAccumulator {
  sum: number
  count: number
}

/** Records that have a number under a name; nulls count for nothing. */
export type WithNumber<Name extends string> = { readonly [Field in Name]: number | null }

/** Records that have fields of these names. */
export type WithFields<Name extends string> = { readonly [Field in Name]: unknown }

/**
 * The number of records.
 * @example
 * ```ts
 * import { count, job, TumblingEventTimeWindows, type Sink } from 'millrace'
 *
 * declare const sink: Sink<{ user: string; views: number }>
 * export default job('views', (env) => {
 *   env
 *     .fromCollection([{ user: 'ada' }, { user: 'bob' }])
 *     .keyBy((view) => view.user)
 *     .window(TumblingEventTimeWindows.of('10s'))
 *     .aggregate(count(), { withKey: (user, views) => ({ user, views }) })
 *     .sinkTo(sink)
 * })
 * ```
 */
export function count(): FieldAggregate<unknown, CountAccumulator, never> {
  return {
    column: { operation: 'count' },
    combinable: true,
    accumulatorType: doubles<CountAccumulator>('Count', ['count']),
    resultType: double,
    createAccumulator: () => ({ count: 0 }),
    add(accumulator) {
      accumulator.count += 1
      return accumulator
    },
    getResult: (accumulator) => accumulator.count,
    merge(left, right) {
      left.count += right.count
      return left
    },
  }
}

/**
 * The sum of a number of each record, by a function or by the name of a field.
 * Numbers are doubles: sums of integers are exact up to 2^53, sums of fractions depend on their order.
 * @example
 * ```ts
 * import { sum } from 'millrace'
 *
 * const byFunction = sum((order: { price: number; pieces: number }) => order.price * order.pieces)
 * const byField = sum('price')
 * ```
 */
export function sum<T>(selector: (value: T) => number): NumberAggregate<T, SumAccumulator>
export function sum<Name extends string>(field: Name): FieldAggregate<WithNumber<Name>, SumAccumulator, Field<Name>>
export function sum<Name extends string, Value, Nulls extends string>(
  expression: Expression<Name, Value, Nulls>,
): FieldAggregate<WithFields<Name>, SumAccumulator, Expression<Name, Value, Nulls>>
export function sum(selected: Selected): NumberAggregate<unknown, SumAccumulator> {
  const numberOf = selectorOf(selected, 'sum')
  return {
    ...columnOf(selected, 'sum'),
    combinable: true,
    accumulatorType: doubles<SumAccumulator>('Sum', ['sum']),
    resultType: double,
    createAccumulator: () => ({ sum: 0 }),
    add(accumulator, value) {
      accumulator.sum += numberOf(value) ?? 0
      return accumulator
    },
    getResult: (accumulator) => accumulator.sum,
    merge(left, right) {
      left.sum += right.sum
      return left
    },
  }
}

/**
 * The lowest number of all records, by a function or by the name of a field. In the order of Java's Double.compare: NaN is
 * above all numbers, so it is the lowest only where there is nothing else, and −0 is below 0.
 */
export function min<T>(selector: (value: T) => number): NumberAggregate<T, ExtremeAccumulator>
export function min<Name extends string>(field: Name): FieldAggregate<WithNumber<Name>, ExtremeAccumulator, Field<Name>>
export function min<Name extends string, Value, Nulls extends string>(
  expression: Expression<Name, Value, Nulls>,
): FieldAggregate<WithFields<Name>, ExtremeAccumulator, Expression<Name, Value, Nulls>>
export function min(selected: Selected): NumberAggregate<unknown, ExtremeAccumulator> {
  return {
    ...columnOf(selected, 'min'),
    ...extreme(selectorOf(selected, 'min'), 'Min', Number.NaN, lowest),
  }
}

/** The highest number of all records, by a function or by the name of a field. NaN is above all numbers, as in `min`. */
export function max<T>(selector: (value: T) => number): NumberAggregate<T, ExtremeAccumulator>
export function max<Name extends string>(field: Name): FieldAggregate<WithNumber<Name>, ExtremeAccumulator, Field<Name>>
export function max<Name extends string, Value, Nulls extends string>(
  expression: Expression<Name, Value, Nulls>,
): FieldAggregate<WithFields<Name>, ExtremeAccumulator, Expression<Name, Value, Nulls>>
export function max(selected: Selected): NumberAggregate<unknown, ExtremeAccumulator> {
  return {
    ...columnOf(selected, 'max'),
    ...extreme(selectorOf(selected, 'max'), 'Max', Number.NEGATIVE_INFINITY, Math.max),
  }
}

/** The arithmetic mean of a number of each record, by a function or by the name of a field. */
export function avg<T>(selector: (value: T) => number): NumberAggregate<T, AverageAccumulator>
export function avg<Name extends string>(field: Name): FieldAggregate<WithNumber<Name>, AverageAccumulator, Field<Name>>
export function avg<Name extends string, Value, Nulls extends string>(
  expression: Expression<Name, Value, Nulls>,
): FieldAggregate<WithFields<Name>, AverageAccumulator, Expression<Name, Value, Nulls>>
export function avg(selected: Selected): NumberAggregate<unknown, AverageAccumulator> {
  const numberOf = selectorOf(selected, 'avg')
  return {
    ...columnOf(selected, 'avg'),
    combinable: true,
    accumulatorType: doubles<AverageAccumulator>('Average', ['sum', 'count']),
    resultType: double,
    createAccumulator: () => ({ sum: 0, count: 0 }),
    add(accumulator, value) {
      const number = numberOf(value)
      if (number === null) return accumulator
      accumulator.sum += number
      accumulator.count += 1
      return accumulator
    },
    getResult: (accumulator) => accumulator.sum / accumulator.count,
    merge(left, right) {
      left.sum += right.sum
      left.count += right.count
      return left
    },
  }
}

type Field<Name extends string> = Expression<Name, FieldValue<Name>, Name>
type NumberOf = (value: never) => number
type Selected = NumberOf | string | Expression<string, unknown, string>

const double: DeclaredType<number> = { kind: 'double' }

function doubles<Accumulator>(name: string, fields: readonly (keyof Accumulator & string)[]): DataType<Accumulator> {
  return { kind: 'record', name, fields: fields.map((field) => ({ name: field, type: double })) }
}

function columnOf(selected: Selected, operation: 'sum' | 'min' | 'max' | 'avg'): { readonly column?: ColumnAggregate } {
  if (typeof selected === 'string') return { column: { operation, of: { kind: 'field', name: selected } } }
  return selected instanceof Expression ? { column: { operation, of: selected.data } } : {}
}

function selectorOf(selected: Selected, subject: string): (value: unknown) => number | null {
  if (selected instanceof Expression) return evaluationOf(selected.data) as (value: unknown) => number | null
  if (typeof selected === 'string') {
    const field = declaredText(selected, subject, 'the name of the field')
    return (value) => (value as Readonly<Record<string, number | null>>)[field] ?? null
  }
  declaredSynchronousFunction(selected, subject, 'the selector')
  return selected as (value: unknown) => number | null
}

function extreme(
  numberOf: (value: unknown) => number | null,
  name: string,
  initial: number,
  choose: (left: number, right: number) => number,
): NumberAggregate<unknown, ExtremeAccumulator> {
  return {
    combinable: true,
    accumulatorType: doubles<ExtremeAccumulator>(name, ['extreme']),
    resultType: double,
    createAccumulator: () => ({ extreme: initial }),
    add(accumulator, value) {
      accumulator.extreme = choose(accumulator.extreme, numberOf(value) ?? initial)
      return accumulator
    },
    getResult: (accumulator) => accumulator.extreme,
    merge(left, right) {
      left.extreme = choose(left.extreme, right.extreme)
      return left
    },
  }
}
