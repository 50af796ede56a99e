import type { DeclaredType, RecordType, ScalarType } from '../formats/data-type.ts'
import { typeText } from '../formats/type-text.ts'
import type { Expression, LiteralValue, Projection } from './expression.ts'
import { operationOf, type ValueKind } from './operations.ts'

/** The type of an expression's values, or what is wrong with it, for the message of MR_JOB_DEFINITION. */
export type Checked = { readonly type: DeclaredType<unknown> } | { readonly problem: string }

const boolean: ScalarType<boolean> = { kind: 'boolean' }
const double: ScalarType<number> = { kind: 'double' }

/** Checks an expression against the record that it reads. */
export function checkExpression(expression: Expression, record: RecordType<unknown>): Checked {
  switch (expression.kind) {
    case 'field':
      return fieldType(expression.name, record)
    case 'literal':
      return { type: literalType(expression.value) }
    case 'call':
      return checkCall(expression, record)
    case 'and':
    case 'or':
      return checkLogic(expression, record)
    case 'isNull': {
      const of = checkExpression(expression.of, record)
      return 'problem' in of ? of : { type: boolean }
    }
    case 'lookup': {
      const of = checkExpression(expression.of, record)
      if ('problem' in of) return of
      if (valueKindOf(of.type) !== 'string') return { problem: `lookup takes a string, not ${typeText(of.type)}` }
      return { type: nullableWhere(expression.table.type, true) }
    }
    case 'coalesce':
      return checkCoalesce(expression.operands, record)
  }
}

/** The record type of a projection, or what is wrong with it. */
export function checkProjection(
  projection: Projection,
  record: RecordType<unknown>,
): { readonly type: RecordType<unknown> } | { readonly problem: string } {
  const fields: { name: string; type: DeclaredType<unknown> }[] = []
  for (const { name, expression } of projection) {
    const checked = checkExpression(expression, record)
    if ('problem' in checked) return { problem: `field '${name}': ${checked.problem}` }
    fields.push({ name, type: checked.type })
  }
  return { type: { kind: 'record', name: 'Record', fields } }
}

export function isNullable(type: DeclaredType<unknown>): boolean {
  return type.kind === 'nullable'
}

export function withoutNull(type: DeclaredType<unknown>): DeclaredType<unknown> {
  return type.kind === 'nullable' ? type.of : type
}

export function valueKindOf(type: DeclaredType<unknown>): ValueKind | undefined {
  const of = withoutNull(type)
  switch (of.kind) {
    case 'int32':
    case 'long':
    case 'double':
      return 'number'
    case 'string':
    case 'boolean':
      return of.kind
    default:
      return undefined
  }
}

function fieldType(name: string, record: RecordType<unknown>): Checked {
  const field = record.fields.find((candidate) => candidate.name === name)
  if (field !== undefined) return { type: field.type }
  const known = record.fields.map((candidate) => `'${candidate.name}'`).join(', ')
  return { problem: `there is no field '${name}'; the record has ${known}` }
}

function literalType(value: LiteralValue): DeclaredType<unknown> {
  if (typeof value === 'string') return { kind: 'string' }
  if (typeof value === 'boolean') return boolean
  if ((value | 0) === value) return { kind: 'int32' }
  return Number.isSafeInteger(value) ? { kind: 'long' } : double
}

function nullableWhere(type: DeclaredType<unknown>, isIt: boolean): DeclaredType<unknown> {
  return isIt && type.kind !== 'nullable' ? { kind: 'nullable', of: type } : type
}

function checkCall({ operation, operands }: Expression & { kind: 'call' }, record: RecordType<unknown>): Checked {
  const definition = operationOf(operation)
  const types: DeclaredType<unknown>[] = []
  for (const operand of operands) {
    const checked = checkExpression(operand, record)
    if ('problem' in checked) return checked
    types.push(checked.type)
  }
  const problem = operandProblem(operation, definition.operands, types, operands)
  if (problem !== undefined) return { problem }
  const mayBeNull = definition.mayBeNull === true || types.some(isNullable)
  return { type: nullableWhere({ kind: definition.result }, mayBeNull) }
}

function operandProblem(
  operation: string,
  expected: readonly ValueKind[] | 'alike',
  types: readonly DeclaredType<unknown>[],
  operands: readonly Expression[],
): string | undefined {
  const kinds = types.map(valueKindOf)
  const named = (index: number): string => {
    const operand = operands[index]
    const name = operand?.kind === 'field' ? `field '${operand.name}'` : `operand ${index + 1}`
    return `${name} is ${typeText(types[index] as DeclaredType<unknown>)}`
  }
  if (expected !== 'alike') {
    const wrong = expected.findIndex((kind, index) => kinds[index] !== kind)
    return wrong < 0 ? undefined : `${operation} takes a ${expected[wrong]}, but ${named(wrong)}`
  }
  const isOrder = operation !== 'eq' && operation !== 'ne'
  const unfit = kinds.findIndex((kind) => kind === undefined || (isOrder && kind === 'boolean'))
  if (unfit >= 0) return `${operation} compares ${isOrder ? 'numbers or strings' : 'values'}, but ${named(unfit)}`
  return kinds[0] === kinds[1] ? undefined : `${operation} compares values of one kind, but ${named(0)} and ${named(1)}`
}

function checkLogic({ kind, left, right }: Expression & { kind: 'and' | 'or' }, record: RecordType<unknown>): Checked {
  const sides = [left, right].map((side) => checkExpression(side, record))
  let mayBeNull = false
  for (const side of sides) {
    if ('problem' in side) return side
    if (valueKindOf(side.type) !== 'boolean') return { problem: `${kind} takes booleans, not ${typeText(side.type)}` }
    mayBeNull ||= isNullable(side.type)
  }
  return { type: nullableWhere(boolean, mayBeNull) }
}

/** Numbers of different types are doubles together. */
function checkCoalesce(operands: readonly Expression[], record: RecordType<unknown>): Checked {
  let result: DeclaredType<unknown> | undefined
  let mayBeNull = true
  for (const operand of operands) {
    const checked = checkExpression(operand, record)
    if ('problem' in checked) return checked
    mayBeNull &&= isNullable(checked.type)
    const type = withoutNull(checked.type)
    if (result === undefined || typeText(result) === typeText(type)) result = type
    else if (valueKindOf(result) === 'number' && valueKindOf(type) === 'number') result = double
    else return { problem: `coalesce takes values of one type, not ${typeText(result)} and ${typeText(type)}` }
  }
  return result === undefined ? { problem: 'coalesce needs operands' } : { type: nullableWhere(result, mayBeNull) }
}
