import type { Expression, Projection } from './expression.ts'
import { type Operation, type OperationName, operationOf, type ValueKind } from './operations.ts'

/** Gives the value of an expression for a record; null where it has none. */
export type Evaluation = (record: Readonly<Record<string, unknown>>) => unknown

/**
 * The plain form of an expression: what runs on objects, declared or not. The text that `expression-text.ts` generates
 * is compared with it. Of undeclared records, whose values nobody has checked, a value of another kind is an error.
 */
export function evaluationOf(expression: Expression): Evaluation {
  switch (expression.kind) {
    case 'field': {
      const { name } = expression
      return (record) => record[name] ?? null
    }
    case 'literal': {
      const { value } = expression
      return () => value
    }
    case 'call':
      return callOf(expression)
    case 'and':
    case 'or':
      return logicOf(expression.kind === 'or', evaluationOf(expression.left), evaluationOf(expression.right))
    case 'isNull': {
      const of = evaluationOf(expression.of)
      const { negated } = expression
      return (record) => (of(record) === null) !== negated
    }
    case 'lookup': {
      const of = evaluationOf(expression.of)
      const { table } = expression
      return (record) => {
        const key = of(record)
        if (key !== null && typeof key !== 'string')
          throw new TypeError(`lookup takes a string, and got a ${typeof key}`)
        return table.get(key)
      }
    }
    case 'coalesce': {
      const operands = expression.operands.map(evaluationOf)
      return (record) => {
        for (const operand of operands) {
          const value = operand(record)
          if (value !== null) return value
        }
        return null
      }
    }
  }
}

/** Makes the record of a projection. */
export function projectionOf(projection: Projection): (record: unknown) => Record<string, unknown> {
  const parts = projection.map(({ name, expression }) => ({ name, evaluate: evaluationOf(expression) }))
  return (record) => {
    const projected: Record<string, unknown> = {}
    for (const { name, evaluate } of parts) projected[name] = evaluate(record as Readonly<Record<string, unknown>>)
    return projected
  }
}

/** Whether a record passes: null is no. */
export function predicateOf(expression: Expression): (record: unknown) => boolean {
  const evaluate = evaluationOf(expression)
  return (record) => evaluate(record as Readonly<Record<string, unknown>>) === true
}

function callOf({ operation, operands }: Expression & { readonly kind: 'call' }): Evaluation {
  const definition = operationOf(operation)
  const parts = operands.map(evaluationOf)
  return (record) => {
    const values: unknown[] = []
    let isNull = false
    for (const part of parts) {
      const value = part(record)
      isNull ||= value === null
      values.push(value)
    }
    if (isNull) return null
    checkKinds(operation, definition, values)
    return definition.evaluate(...(values as never[]))
  }
}

function checkKinds(operation: OperationName, { operands }: Operation, values: readonly unknown[]): void {
  values.forEach((value, index) => {
    const expected: ValueKind | string = operands === 'alike' ? typeof values[0] : (operands[index] ?? '')
    const kind: string = typeof value
    if (kind !== expected) throw new TypeError(`${operation} takes a ${expected}, and got a ${kind}`)
  })
}

function logicOf(isOr: boolean, left: Evaluation, right: Evaluation): Evaluation {
  // Kleene: `true or null` is true, `false and null` is false.
  return (record) => {
    const first = left(record)
    if (first === isOr) return isOr
    const second = right(record)
    if (second === isOr) return isOr
    return first === null || second === null ? null : !isOr
  }
}
