import type { RecordType } from '../formats/data-type.ts'
import { quoted } from '../formats/generated-text.ts'
import { checkExpression, isNullable, valueKindOf } from './check-expression.ts'
import type { Expression } from './expression.ts'
import { operationOf, operations } from './operations.ts'

/** JavaScript for a value. */
export interface ValueScript {
  readonly text: string
  readonly nullable: boolean
}

/** Where the fields of an expression are found in generated text. */
export interface ScriptScope {
  readonly record: RecordType<unknown>
  field(name: string): ValueScript
  /** The bytes of a string field, where it is there as bytes. */
  bytesOf(name: string): BytesScript | undefined
  /** The name of a value that generated text is to have in its scope. */
  constant(value: unknown): string
  /** A fresh variable, declared outside of the text. */
  temporary(): string
}

export interface BytesScript {
  readonly start: string
  readonly end: string
  readonly nullable: boolean
}

/** What generated text calls: to be in its scope. */
export const expressionScope = {
  operations,
  numberOfBytes,
  and3: (left: boolean | null, right: boolean | null): boolean | null => {
    if (left === false || right === false) return false
    return left === null || right === null ? null : true
  },
  or3: (left: boolean | null, right: boolean | null): boolean | null => {
    if (left === true || right === true) return true
    return left === null || right === null ? null : false
  },
}

/**
 * The text of an expression whose types have been checked. It gives what `evaluationOf` gives; only names of fields,
 * through `quoted`, and literals come into it from outside.
 */
export function expressionScript(expression: Expression, scope: ScriptScope): ValueScript {
  switch (expression.kind) {
    case 'field':
      return scope.field(expression.name)
    case 'literal':
      return { text: literalText(expression.value), nullable: false }
    case 'call':
      return callScript(expression, scope)
    case 'and':
    case 'or': {
      const left = expressionScript(expression.left, scope)
      const right = expressionScript(expression.right, scope)
      const isOr = expression.kind === 'or'
      if (left.nullable || right.nullable) {
        return { text: `${isOr ? 'or3' : 'and3'}(${left.text},${right.text})`, nullable: true }
      }
      return { text: `(${left.text}${isOr ? '||' : '&&'}${right.text})`, nullable: false }
    }
    case 'isNull': {
      const of = expressionScript(expression.of, scope)
      const text = of.nullable ? `(${of.text}${expression.negated ? '!==' : '==='}null)` : String(expression.negated)
      return { text, nullable: false }
    }
    case 'lookup':
      return lookupScript(expression, scope)
    case 'coalesce':
      return coalesceScript(expression.operands.map((operand) => expressionScript(operand, scope)))
  }
}

/** A field is looked up by its bytes: no string is made. */
function lookupScript({ of, table }: Expression & { readonly kind: 'lookup' }, scope: ScriptScope): ValueScript {
  const name = scope.constant(table)
  const bytes = of.kind === 'field' ? scope.bytesOf(of.name) : undefined
  if (bytes === undefined) return { text: `${name}.get(${expressionScript(of, scope).text})`, nullable: true }
  const { start, end } = bytes
  const value = `${name}.getBytes(b,${start},${end})`
  return { text: bytes.nullable ? `(${start}<0?null:${value})` : value, nullable: true }
}

/** The text of tests of which all have to be true. */
export function conditionScript(expression: Expression, scope: ScriptScope): string {
  // Of Kleene's `and` the result is true exactly where both sides are, so that nulls inside of it need no third value.
  if (expression.kind === 'and') {
    return `${conditionScript(expression.left, scope)}&&${conditionScript(expression.right, scope)}`
  }
  const { text, nullable } = expressionScript(expression, scope)
  return nullable ? `${text}===true` : text
}

/** A number or text of JavaScript; a negative number in brackets, so that no operator joins it. */
function literalText(value: string | number | boolean): string {
  if (typeof value === 'string') return quoted(value)
  return typeof value === 'number' ? `(${Object.is(value, -0) ? '-0' : String(value)})` : String(value)
}

function callScript(call: Expression & { readonly kind: 'call' }, scope: ScriptScope): ValueScript {
  const fromBytes = bytesScript(call, scope) ?? numberScript(call, scope)
  if (fromBytes !== undefined) return fromBytes
  const definition = operationOf(call.operation)
  const operands = call.operands.map((operand) => expressionScript(operand, scope))
  const tests: string[] = []
  const values = operands.map(({ text, nullable }) => {
    if (!nullable) return text
    const temporary = scope.temporary()
    tests.push(`(${temporary}=${text})===null`)
    return temporary
  })
  const value = definition.text?.(...values) ?? comparisonText(call, values, scope)
  if (tests.length === 0) return { text: value, nullable: definition.mayBeNull === true }
  return { text: `(${tests.join('||')}?null:${value})`, nullable: true }
}

const orders = { lt: '<', le: '<=', gt: '>', ge: '>=' } as const

function comparisonText(
  { operation, operands }: Expression & { readonly kind: 'call' },
  values: readonly string[],
  scope: ScriptScope,
): string {
  const checked = checkExpression(operands[0] as Expression, scope.record)
  const isNumber = 'type' in checked && valueKindOf(checked.type) === 'number'
  if (isNumber && operation in orders) return `(${values.join(orders[operation as keyof typeof orders])})`
  return `operations.${operation}.evaluate(${values.join(',')})`
}

function coalesceScript(operands: readonly ValueScript[]): ValueScript {
  const needed = operands.findIndex(({ nullable }) => !nullable)
  const taken = needed < 0 ? operands : operands.slice(0, needed + 1)
  return { text: `(${taken.map(({ text }) => text).join('??')})`, nullable: needed < 0 }
}

/** A field compared with a text is compared as bytes: no string is made. */
function bytesScript(
  { operation, operands }: Expression & { readonly kind: 'call' },
  scope: ScriptScope,
): ValueScript | undefined {
  const [field, literal] = operands
  if (field?.kind !== 'field' || literal?.kind !== 'literal' || typeof literal.value !== 'string') return undefined
  if (operation !== 'eq' && operation !== 'ne' && operation !== 'startsWith') return undefined
  // U+FFFD stands for bytes that are no text, too.
  if (!literal.value.isWellFormed() || literal.value.includes('\ufffd')) return undefined
  const bytes = scope.bytesOf(field.name)
  if (bytes === undefined) return undefined
  const wanted = Buffer.from(literal.value, 'utf8')
  const length = `${bytes.end}-${bytes.start}`
  const tests = [operation === 'startsWith' ? `${length}>=${wanted.length}` : `${length}===${wanted.length}`]
  for (let index = 0; index < wanted.length; index++) tests.push(`b[${bytes.start}+${index}]===${wanted[index]}`)
  const text = `${operation === 'ne' ? '!' : ''}(${tests.join('&&')})`
  return bytes.nullable ? { text: `(${bytes.start}<0?null:${text})`, nullable: true } : { text, nullable: false }
}

/** A field made to a number from its bytes. */
function numberScript(
  { operation, operands: [field] }: Expression & { readonly kind: 'call' },
  scope: ScriptScope,
): ValueScript | undefined {
  if (operation !== 'toNumber' || field?.kind !== 'field') return undefined
  const bytes = scope.bytesOf(field.name)
  if (bytes === undefined) return undefined
  const text = `numberOfBytes(b,${bytes.start},${bytes.end})`
  return { text: bytes.nullable ? `(${bytes.start}<0?null:${text})` : text, nullable: true }
}

/** Digits alone are read at once: up to 15 of them are exact. */
function numberOfBytes(bytes: Buffer, start: number, end: number): number | null {
  const length = end - start
  let number = 0
  let index = length > 0 && length <= 15 ? start : end
  for (; index < end; index++) {
    const digit = (bytes[index] as number) - 48
    if (digit < 0 || digit > 9) break
    number = number * 10 + digit
  }
  const isRead = index === end && length > 0 && length <= 15
  return isRead ? number : operations.toNumber.evaluate(bytes.toString('utf8', start, end))
}

/** Whether the type of an expression allows null. */
export function isNullableExpression(expression: Expression, record: RecordType<unknown>): boolean {
  const checked = checkExpression(expression, record)
  return 'type' in checked && isNullable(checked.type)
}

/** Values that come into the scope of generated text, by their names. */
export class ScriptConstants {
  readonly values: Record<string, unknown> = {}
  readonly #names = new Map<unknown, string>()

  nameOf(value: unknown): string {
    const known = this.#names.get(value)
    if (known !== undefined) return known
    const name = `constant${this.#names.size}`
    this.#names.set(value, name)
    this.values[name] = value
    return name
  }
}
