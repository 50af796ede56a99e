import { nameText } from '../formats/type-text.ts'
import type { LookupTable } from './lookup-table.ts'
import type { OperationName } from './operations.ts'

export type LiteralValue = string | number | boolean

/** An expression over the fields of a record: plain data, made by `col` of the API. */
export type Expression =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'literal'; readonly value: LiteralValue }
  /** Null where an operand is null. */
  | { readonly kind: 'call'; readonly operation: OperationName; readonly operands: readonly Expression[] }
  /** Kleene's three-valued logic, as in SQL. */
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'isNull'; readonly of: Expression; readonly negated: boolean }
  /** The value of a constant table under a string; null where there is none. */
  | { readonly kind: 'lookup'; readonly of: Expression; readonly table: LookupTable }
  /** The first operand that is not null. */
  | { readonly kind: 'coalesce'; readonly operands: readonly Expression[] }

/** The results of a projection by name, in order. */
export type Projection = readonly ProjectedField[]
export interface ProjectedField {
  readonly name: string
  readonly expression: Expression
}

export function operandsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'field':
    case 'literal':
      return []
    case 'call':
    case 'coalesce':
      return expression.operands
    case 'and':
    case 'or':
      return [expression.left, expression.right]
    case 'isNull':
    case 'lookup':
      return [expression.of]
  }
}

/** Names of the fields that an expression reads, each once. */
export function fieldsOf(expression: Expression, names: Set<string> = new Set()): ReadonlySet<string> {
  if (expression.kind === 'field') names.add(expression.name)
  for (const operand of operandsOf(expression)) fieldsOf(operand, names)
  return names
}

/** The same expression over what a projection was made of. */
export function substituted(expression: Expression, projection: ReadonlyMap<string, Expression>): Expression {
  const within = (operand: Expression): Expression => substituted(operand, projection)
  switch (expression.kind) {
    case 'field':
      return projection.get(expression.name) ?? expression
    case 'literal':
      return expression
    case 'call':
    case 'coalesce':
      return { ...expression, operands: expression.operands.map(within) }
    case 'and':
    case 'or':
      return { ...expression, left: within(expression.left), right: within(expression.right) }
    case 'isNull':
    case 'lookup':
      return { ...expression, of: within(expression.of) }
  }
}

/** An expression for people, such as `eq(type, "view")`; equal exactly for equal expressions. */
export function expressionText(expression: Expression): string {
  const list = (operands: readonly Expression[]): string => operands.map(expressionText).join(', ')
  switch (expression.kind) {
    case 'field':
      return nameText(expression.name)
    case 'literal':
      return JSON.stringify(expression.value)
    case 'call':
      return `${expression.operation}(${list(expression.operands)})`
    case 'and':
    case 'or':
      return `${expression.kind}(${list([expression.left, expression.right])})`
    case 'isNull':
      return `${expression.negated ? 'isNotNull' : 'isNull'}(${expressionText(expression.of)})`
    case 'lookup':
      return `lookup(${expressionText(expression.of)}, ${expression.table.text})`
    case 'coalesce':
      return `coalesce(${list(expression.operands)})`
  }
}
