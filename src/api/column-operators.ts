import {
  aggregateFunctionOf,
  checkAggregateOf,
  type NamedAggregate,
  type RecordAggregate,
  resultFields,
} from '../columns/aggregate.ts'
import { checkExpression, checkProjection, valueKindOf, withoutNull } from '../columns/check-expression.ts'
import { predicateOf, projectionOf } from '../columns/evaluate.ts'
import type { ProjectedField, Projection } from '../columns/expression.ts'
import type { DataType, RecordField, RecordType } from '../formats/data-type.ts'
import { typeText } from '../formats/type-text.ts'
import { untyped } from '../formats/types.ts'
import type { OperatorSpec, WithKey } from '../graph/operator-spec.ts'
import type { AggregateResult, FieldAggregate } from './aggregates.ts'
import { declaredText, definitionError } from './declaration.ts'
import { Expression, type ValueOf } from './expressions.ts'
import type { AggregateFunction, Key, KeySelector, ProcessWindowFunction } from './functions.ts'

/** Names of a record's fields. */
export type FieldOf<T> = keyof T & string

/** The key of one field. Not `T[Field]` alone: a stream of anything is to be a stream of unknown values. */
export type KeyOfField<T, Field> = Field extends keyof T ? Extract<T[Field], Key> : Key
/** The key of several fields. */
export type KeyOfFields<T, Fields extends readonly unknown[]> = {
  readonly [Index in keyof Fields]: KeyOfField<T, Fields[Index]>
}

/** What `select` takes: names of fields, and records of new fields. */
export type Selection<T> = FieldOf<T> | Readonly<Record<string, Expression<FieldOf<T>, unknown, string>>>

/** The record that `select` gives. */
export type Selected<T, Selections extends readonly unknown[]> = Flat<
  { [Name in Extract<Selections[number], FieldOf<T>>]: T[Name] } & Intersection<
    Exclude<Selections[number], string> extends infer Computed ? ComputedFields<T, Computed> : never
  >
>
type ComputedFields<T, Computed> = Computed extends object
  ? { -readonly [Name in keyof Computed]: ValueOf<T, Computed[Name]> }
  : never
type Intersection<Union> = (Union extends unknown ? (value: Union) => void : never) extends (value: infer All) => void
  ? All
  : never
type Flat<R> = { [Name in keyof R]: R[Name] }

/** What `aggregate({ … })` takes: aggregates by the names of their results. */
export type Aggregates<T> = Readonly<Record<string, FieldAggregate<T, unknown, unknown>>>

/** The record that it gives: the fields of the key, then the results. */
export type AggregateRecord<T, KeyFields extends string, Results> = Flat<
  { [Name in KeyFields & keyof T]: T[Name] } & { -readonly [Name in keyof Results]: AggregateResult<T, Results[Name]> }
>

interface Declared {
  readonly spec: OperatorSpec
  readonly outputType: DataType<unknown>
}

export function whereOperator(expression: unknown, input: DataType<unknown>): Declared {
  const { data } = declaredExpression(expression, 'Where')
  const record = recordOf(input, 'Where')
  if (record !== undefined) {
    const checked = checkExpression(data, record)
    if ('problem' in checked) throw definitionError('Where', checked.problem)
    if (valueKindOf(checked.type) !== 'boolean') {
      throw definitionError('Where', `the expression has to be true or false, but it is ${typeText(checked.type)}`)
    }
  }
  return { spec: { kind: 'filter', filter: predicateOf(data), where: data }, outputType: input }
}

export function selectOperator(selections: readonly unknown[], input: DataType<unknown>): Declared {
  const projection = projectionOfSelections(selections)
  const record = recordOf(input, 'Select')
  const spec: OperatorSpec = { kind: 'map', map: projectionOf(projection), select: projection }
  if (record === undefined) return { spec, outputType: untyped() }
  const checked = checkProjection(projection, record)
  if ('problem' in checked) throw definitionError('Select', checked.problem)
  return { spec, outputType: checked.type }
}

function projectionOfSelections(selections: readonly unknown[]): Projection {
  const fields = selections.flatMap((selection): readonly ProjectedField[] => {
    if (typeof selection === 'string') return [{ name: selection, expression: { kind: 'field', name: selection } }]
    return Object.entries(selection ?? {}).map(([name, expression]) => ({
      name,
      expression: declaredExpression(expression, 'Select').data,
    }))
  })
  if (fields.length === 0) throw definitionError('Select', 'nothing is selected')
  checkNames(
    'Select',
    fields.map(({ name }) => name),
  )
  return fields
}

/** The key of one field is its value, of several a tuple. */
export function fieldKeySelector(names: readonly string[], input: DataType<unknown>): KeySelector<unknown, Key> {
  for (const name of names) {
    declaredText(name, 'keyBy', 'the name of the field')
    const record = recordOf(input, 'keyBy')
    if (record === undefined) continue
    const checked = checkExpression({ kind: 'field', name }, record)
    if ('problem' in checked) throw definitionError('keyBy', checked.problem)
    const { kind } = withoutNull(checked.type)
    if (kind === 'record' || kind === 'array')
      throw definitionError('keyBy', `field '${name}' is a ${kind}, which is no key`)
  }
  const [first] = names
  if (names.length === 1) return (value) => (value as Readonly<Record<string, Key>>)[first as string] as Key
  return (value) => names.map((name) => (value as Readonly<Record<string, Key>>)[name] as Key)
}

export interface DeclaredAggregate {
  readonly aggregate: RecordAggregate
  readonly function: ReturnType<typeof aggregateFunctionOf>
  /** Puts the fields of the key before the results. */
  readonly withKey: WithKey
  /** The record without fields that a window adds; undefined: of undeclared records. */
  readonly fields: readonly RecordField[] | undefined
}

/**
 * An aggregate of several results.
 * @throws MillraceError MR_JOB_DEFINITION naming operator and field
 */
export function declaredAggregate(
  operator: string,
  results: unknown,
  input: { readonly type: DataType<unknown>; readonly keyFields: readonly string[] | undefined },
): DeclaredAggregate {
  const { keyFields } = input
  if (keyFields === undefined) {
    throw definitionError(operator, "aggregate({ … }) needs the names of the key: keyBy('field'), not a function")
  }
  const record = recordOf(input.type, operator)
  const named = Object.entries(results ?? {}).map(([name, aggregate]) =>
    namedAggregate(operator, [name, aggregate], record),
  )
  if (named.length === 0) throw definitionError(operator, 'there is nothing to aggregate')
  checkNames(operator, [...keyFields, ...named.map(({ name }) => name)])
  const aggregate: RecordAggregate = { keyFields, results: named }
  const resultTypes = resultFields(aggregate)
  const keyTypes = record?.fields.filter(({ name }) => keyFields.includes(name))
  const inOrder = keyFields.flatMap((name) => keyTypes?.filter((field) => field.name === name) ?? [])
  return {
    aggregate,
    function: aggregateFunctionOf(aggregate),
    withKey: (key, result) => ({ ...keyRecord(keyFields, key), ...(result as object) }),
    fields: keyTypes === undefined || resultTypes === undefined ? undefined : [...inOrder, ...resultTypes],
  }
}

function keyRecord(keyFields: readonly string[], key: Key): Record<string, Key> {
  if (keyFields.length === 1) return { [keyFields[0] as string]: key }
  return Object.fromEntries(keyFields.map((name, index) => [name, (key as readonly Key[])[index] as Key]))
}

function namedAggregate(
  operator: string,
  [name, aggregate]: readonly [string, unknown],
  record: RecordType<unknown> | undefined,
): NamedAggregate {
  const column = (aggregate as Partial<FieldAggregate<unknown, unknown, unknown>> | undefined)?.column
  if (column === undefined) {
    throw definitionError(
      operator,
      `result '${name}': give count(), or sum, min, max or avg of a field's name or an expression`,
    )
  }
  if (name.includes('#')) throw definitionError(operator, `result '${name}': the name of a result has no '#'`)
  const checked = checkAggregateOf(name, column, record)
  if ('problem' in checked) throw definitionError(operator, `result '${name}': ${checked.problem}`)
  return checked
}

function declaredExpression(value: unknown, subject: string): Expression<string, unknown, string> {
  if (value instanceof Expression) return value
  throw definitionError(subject, "an expression is expected, such as col('type').eq('view')")
}

/** undefined: undeclared records, whose fields nobody knows. */
function recordOf(type: DataType<unknown>, subject: string): RecordType<unknown> | undefined {
  if (type.kind === 'untyped') return undefined
  if (type.kind === 'record') return type
  throw definitionError(subject, `its input is ${typeText(type)}; fields are of records`)
}

export function checkNames(subject: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw definitionError(subject, `two fields of the result are named '${twice}'`)
  if (names.includes('__proto__')) throw definitionError(subject, 'a field can not be named __proto__')
}

/** The type of the records that an aggregate gives. */
export function aggregateType(fields: readonly RecordField[] | undefined): DataType<unknown> {
  return fields === undefined ? untyped() : { kind: 'record', name: 'Record', fields }
}

/** Whether it is one aggregate of functions, not a record of several. */
export function isAggregateFunction<T>(
  aggregate: AggregateFunction<T, unknown, unknown> | Aggregates<T>,
): aggregate is AggregateFunction<T, unknown, unknown> {
  const members: readonly unknown[] =
    typeof aggregate === 'object' && aggregate !== null ? Object.values(aggregate) : []
  return members.length === 0 || members.some((member) => typeof member === 'function')
}

/** What a window's aggregate gives: the fields of the key, the results, and the window [start, end). */
export type WindowRecord<R> = Flat<R & { windowStart: number; windowEnd: number }>

const windowFields: readonly RecordField[] = [
  { name: 'windowStart', type: { kind: 'long' } },
  { name: 'windowEnd', type: { kind: 'long' } },
]

export function windowRecordFunction({ withKey }: DeclaredAggregate): ProcessWindowFunction<unknown, unknown, Key> {
  return {
    process(key, { window }, elements, out) {
      const record = withKey(key, elements[0]) as Record<string, unknown>
      record['windowStart'] = window.start
      record['windowEnd'] = window.end
      out.collect(record)
    },
  }
}

export function windowRecordType(operator: string, { aggregate, fields }: DeclaredAggregate): DataType<unknown> {
  const names = [...aggregate.keyFields, ...aggregate.results.map(({ name }) => name)]
  checkNames(operator, [...names, ...windowFields.map(({ name }) => name)])
  return aggregateType(fields === undefined ? undefined : [...fields, ...windowFields])
}
