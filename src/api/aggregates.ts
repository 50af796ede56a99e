import type { DataType, DeclaredType } from '../formats/data-type.ts'
import { declaredSynchronousFunction, declaredText } from './declaration.ts'
import type { AggregateFunction } from './functions.ts'

/** An aggregate of Millrace: its accumulator is declared, so that it lives off the heap, and may be merged. */
export interface NumberAggregate<In, Accumulator> extends AggregateFunction<In, Accumulator, number> {
  readonly accumulatorType: DataType<Accumulator>
  readonly resultType: DataType<number>
  merge(left: Accumulator, right: Accumulator): Accumulator
}

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

/** Records that have a number under a name. */
export type WithNumber<Name extends string> = { readonly [Field in Name]: number }

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
export function count(): NumberAggregate<unknown, CountAccumulator> {
  return {
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
export function sum<Name extends string>(field: Name): NumberAggregate<WithNumber<Name>, SumAccumulator>
export function sum(selected: NumberOf | string): NumberAggregate<unknown, SumAccumulator> {
  const numberOf = selectorOf(selected, 'sum')
  return {
    accumulatorType: doubles<SumAccumulator>('Sum', ['sum']),
    resultType: double,
    createAccumulator: () => ({ sum: 0 }),
    add(accumulator, value) {
      accumulator.sum += numberOf(value)
      return accumulator
    },
    getResult: (accumulator) => accumulator.sum,
    merge(left, right) {
      left.sum += right.sum
      return left
    },
  }
}

/** The lowest number of all records, by a function or by the name of a field. */
export function min<T>(selector: (value: T) => number): NumberAggregate<T, ExtremeAccumulator>
export function min<Name extends string>(field: Name): NumberAggregate<WithNumber<Name>, ExtremeAccumulator>
export function min(selected: NumberOf | string): NumberAggregate<unknown, ExtremeAccumulator> {
  return extreme(selectorOf(selected, 'min'), 'Min', Number.POSITIVE_INFINITY, Math.min)
}

/** The highest number of all records, by a function or by the name of a field. */
export function max<T>(selector: (value: T) => number): NumberAggregate<T, ExtremeAccumulator>
export function max<Name extends string>(field: Name): NumberAggregate<WithNumber<Name>, ExtremeAccumulator>
export function max(selected: NumberOf | string): NumberAggregate<unknown, ExtremeAccumulator> {
  return extreme(selectorOf(selected, 'max'), 'Max', Number.NEGATIVE_INFINITY, Math.max)
}

/** The arithmetic mean of a number of each record, by a function or by the name of a field. */
export function avg<T>(selector: (value: T) => number): NumberAggregate<T, AverageAccumulator>
export function avg<Name extends string>(field: Name): NumberAggregate<WithNumber<Name>, AverageAccumulator>
export function avg(selected: NumberOf | string): NumberAggregate<unknown, AverageAccumulator> {
  const numberOf = selectorOf(selected, 'avg')
  return {
    accumulatorType: doubles<AverageAccumulator>('Average', ['sum', 'count']),
    resultType: double,
    createAccumulator: () => ({ sum: 0, count: 0 }),
    add(accumulator, value) {
      accumulator.sum += numberOf(value)
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

type NumberOf = (value: never) => number

const double: DeclaredType<number> = { kind: 'double' }

function doubles<Accumulator>(name: string, fields: readonly (keyof Accumulator & string)[]): DataType<Accumulator> {
  return { kind: 'record', name, fields: fields.map((field) => ({ name: field, type: double })) }
}

function selectorOf(selected: NumberOf | string, subject: string): (value: unknown) => number {
  if (typeof selected === 'string') {
    const field = declaredText(selected, subject, 'the name of the field')
    return (value) => (value as Readonly<Record<string, number>>)[field] as number
  }
  declaredSynchronousFunction(selected, subject, 'the selector')
  return selected as (value: unknown) => number
}

function extreme(
  numberOf: (value: unknown) => number,
  name: string,
  initial: number,
  choose: (left: number, right: number) => number,
): NumberAggregate<unknown, ExtremeAccumulator> {
  return {
    accumulatorType: doubles<ExtremeAccumulator>(name, ['extreme']),
    resultType: double,
    createAccumulator: () => ({ extreme: initial }),
    add(accumulator, value) {
      accumulator.extreme = choose(accumulator.extreme, numberOf(value))
      return accumulator
    },
    getResult: (accumulator) => accumulator.extreme,
    merge(left, right) {
      left.extreme = choose(left.extreme, right.extreme)
      return left
    },
  }
}
