import { isBefore } from '../common/number-order.ts'
import { declaredSynchronousFunction, declaredText } from './declaration.ts'
import type { ReduceFunction } from './functions.ts'

/** What can be summed up. */
export type Summable = number | bigint
/** What has an order. */
export type Comparable = number | bigint | string

/** Names of the fields of a record whose values are of a type. */
export type FieldsOfType<T, Value> = {
  [Name in keyof T & string]-?: T[Name] extends Value ? Name : never
}[keyof T & string]

/** Options of `minBy` and `maxBy`. */
export interface ByOptions {
  /** Which of several records with the same lowest or highest value is kept. Default `first` */
  readonly ties?: 'first' | 'last'
}

type Fields = Record<string, unknown>

/** @internal The first record, with the sum of a field. */
export function summedBy<T>(field: string): ReduceFunction<T> {
  const name = declaredText(field, 'sum', 'the name of the field')
  return (left, right) => {
    const kept = left as Record<string, number>
    kept[name] = (kept[name] as number) + ((right as Fields)[name] as number)
    return left
  }
}

/** @internal The first record, with the lowest or highest value of a field. */
export function extremeOf<T>(field: string, which: 'min' | 'max'): ReduceFunction<T> {
  const name = declaredText(field, which, 'the name of the field')
  const isBetter = orderOf(which)
  return (left, right) => {
    const value = (right as Fields)[name] as Comparable
    const kept = left as Fields
    if (isBetter(value, kept[name] as Comparable)) kept[name] = value
    return left
  }
}

/** @internal The record with the lowest or highest value. */
export function recordBy<T>(
  selected: string | ((value: T) => Comparable),
  which: 'min' | 'max',
  { ties = 'first' }: ByOptions,
): ReduceFunction<T> {
  const comparable = comparableOf(selected, `${which}By`)
  const isBetter = orderOf(which)
  if (ties === 'first') return (left, right) => (isBetter(comparable(right), comparable(left)) ? right : left)
  return (left, right) => (isBetter(comparable(left), comparable(right)) ? left : right)
}

function orderOf(which: 'min' | 'max'): (left: Comparable, right: Comparable) => boolean {
  return which === 'min' ? isBefore : (left, right) => isBefore(right, left)
}

function comparableOf<T>(selected: string | ((value: T) => Comparable), subject: string): (value: T) => Comparable {
  if (typeof selected !== 'string') {
    declaredSynchronousFunction(selected, subject, 'the selector')
    return selected
  }
  const name = declaredText(selected, subject, 'the name of the field')
  return (value) => (value as Fields)[name] as Comparable
}
