import type { AggregateFunction } from '../api/functions.ts'
import { lowest } from '../common/number-order.ts'
import type { DataType, DeclaredType, RecordField, RecordType } from '../formats/data-type.ts'
import { checkExpression, isNullable, valueKindOf, withoutNull } from './check-expression.ts'
import { evaluationOf } from './evaluate.ts'
import type { Expression } from './expression.ts'

/** One aggregate over the values of an expression. Nulls count for nothing; of nothing but nulls the result is null. */
export type ColumnAggregate =
  | { readonly operation: 'count' }
  | { readonly operation: 'sum' | 'min' | 'max' | 'avg'; readonly of: Expression }

/** What `aggregate({ … })` computes of the records of a key. */
export interface RecordAggregate {
  /** The fields that the stream is keyed by: the first fields of each result. */
  readonly keyFields: readonly string[]
  readonly results: readonly NamedAggregate[]
}

export interface NamedAggregate {
  readonly name: string
  readonly aggregate: ColumnAggregate
  /** Whether there may be nulls, and so no value at all; always of undeclared records. */
  readonly nullable: boolean
  /** undefined: of undeclared records. */
  readonly type: DeclaredType<unknown> | undefined
}

const double: DeclaredType<number> = { kind: 'double' }
const long: DeclaredType<number> = { kind: 'long' }

/** Type of a result, or what is wrong, against the records of a stream; undeclared records are not checked. */
export function checkAggregateOf(
  name: string,
  aggregate: ColumnAggregate,
  record: RecordType<unknown> | undefined,
): NamedAggregate | { readonly problem: string } {
  if (aggregate.operation === 'count') return { name, aggregate, nullable: false, type: long }
  if (record === undefined) return { name, aggregate, nullable: true, type: undefined }
  const checked = checkExpression(aggregate.of, record)
  if ('problem' in checked) return checked
  const { type } = checked
  if (valueKindOf(type) !== 'number') return { problem: `${aggregate.operation} takes a number, not ${type.kind}` }
  const isExtreme = aggregate.operation === 'min' || aggregate.operation === 'max'
  const result = isExtreme ? withoutNull(type) : double
  const nullable = isNullable(type)
  return { name, aggregate, nullable, type: nullable ? { kind: 'nullable', of: result } : result }
}

/** How an aggregate's accumulator lies in doubles: the value, then how many were not null, where that is needed. */
export function slotsOf({ name, aggregate, nullable }: NamedAggregate): readonly string[] {
  return aggregate.operation === 'avg' || (nullable && aggregate.operation !== 'count')
    ? [name, `${name}#count`]
    : [name]
}

/** A record of doubles, so that it lies off the heap. */
export function accumulatorTypeOf({ results }: RecordAggregate): RecordType<Record<string, number>> {
  const fields = results.flatMap((result) => slotsOf(result).map((name): RecordField => ({ name, type: double })))
  return { kind: 'record', name: 'Accumulator', fields }
}

/** The results without their key. */
export function resultFields({ results }: RecordAggregate): readonly RecordField[] | undefined {
  const fields = results.flatMap(({ name, type }) => (type === undefined ? [] : [{ name, type }]))
  return fields.length === results.length ? fields : undefined
}

export function initialValue({ operation }: ColumnAggregate): number {
  // What comes behind all numbers, so that it changes nothing.
  if (operation === 'min') return Number.NaN
  return operation === 'max' ? Number.NEGATIVE_INFINITY : 0
}

/** What an accumulator in doubles begins with. */
export function initialValues({ results }: RecordAggregate): Float64Array<ArrayBuffer> {
  return Float64Array.from(
    results.flatMap((result) => slotsOf(result).map((_, slot) => (slot === 0 ? initialValue(result.aggregate) : 0))),
  )
}

type Accumulator = Record<string, number>

/** The plain form: an aggregate function over objects, with which the columns are compared. */
export function aggregateFunctionOf(aggregate: RecordAggregate): AggregateFunction<
  unknown,
  Accumulator,
  Record<string, unknown>
> & {
  readonly accumulatorType: DataType<Accumulator>
} {
  const parts = aggregate.results.map(partOf)
  return {
    accumulatorType: accumulatorTypeOf(aggregate),
    // Merging is associative, but for the order of sums of fractions (R41).
    combinable: true,
    createAccumulator() {
      const accumulator: Accumulator = {}
      for (const part of parts) part.create(accumulator)
      return accumulator
    },
    add(accumulator, value) {
      for (const part of parts) part.add(accumulator, value as Readonly<Record<string, unknown>>)
      return accumulator
    },
    getResult(accumulator) {
      const result: Record<string, unknown> = {}
      for (const { name, resultOf } of parts) result[name] = resultOf(accumulator)
      return result
    },
    merge(left, right) {
      for (const part of parts) part.merge(left, right)
      return left
    },
  }
}

interface Part {
  readonly name: string
  create(accumulator: Accumulator): void
  add(accumulator: Accumulator, record: Readonly<Record<string, unknown>>): void
  merge(left: Accumulator, right: Accumulator): void
  resultOf(accumulator: Accumulator): number | null
}

function partOf(named: NamedAggregate): Part {
  const { name, aggregate } = named
  const [, countName] = slotsOf(named)
  const evaluate = aggregate.operation === 'count' ? () => 1 : evaluationOf(aggregate.of)
  const combine = combinationOf(aggregate)
  return {
    name,
    create(accumulator) {
      accumulator[name] = initialValue(aggregate)
      if (countName !== undefined) accumulator[countName] = 0
    },
    add(accumulator, record) {
      const value = evaluate(record)
      if (value === null) return
      if (typeof value !== 'number')
        throw new TypeError(`${aggregate.operation} takes a number, and got a ${typeof value}`)
      accumulator[name] = combine(accumulator[name] as number, value)
      if (countName !== undefined) accumulator[countName] = (accumulator[countName] as number) + 1
    },
    merge(left, right) {
      left[name] = combine(left[name] as number, right[name] as number)
      if (countName !== undefined) left[countName] = (left[countName] as number) + (right[countName] as number)
    },
    resultOf(accumulator) {
      const value = accumulator[name] as number
      if (countName === undefined) return value
      const count = accumulator[countName] as number
      if (count === 0) return null
      return aggregate.operation === 'avg' ? value / count : value
    },
  }
}

/** The text of an aggregate's next value, in a script in whose scope `lowest` is. */
export function combinationText({ operation }: ColumnAggregate, at: string, value: string): string {
  if (operation === 'min') return `lowest(${at},${value})`
  return operation === 'max' ? `Math.max(${at},${value})` : `${at}+${value}`
}

function combinationOf({ operation }: ColumnAggregate): (left: number, right: number) => number {
  switch (operation) {
    case 'count':
    case 'sum':
    case 'avg':
      return (left, right) => left + right
    case 'min':
      return lowest
    case 'max':
      return Math.max
  }
}
