import { col, type Expression, isMillraceError, lit } from 'millrace'
import { boolean, double, int32, long, nullable, record, string } from 'millrace/formats'
import { describe, expect, test } from 'vitest'
import { checkExpression } from '../../../src/columns/check-expression.ts'
import { evaluationOf } from '../../../src/columns/evaluate.ts'
import { expressionScope } from '../../../src/columns/expression-script.ts'
import { LookupTable } from '../../../src/columns/lookup-table.ts'
import { compareText, operations } from '../../../src/columns/operations.ts'
import { typeText } from '../../../src/formats/type-text.ts'

const type = record({ s: string(), i: int32(), l: long(), d: double(), b: boolean(), n: nullable(int32()) })
const value = { s: 'Aé', i: 7, l: -3, d: 0.5, b: true, n: null }

const evaluate = (expression: Expression<string, unknown, string>): unknown => evaluationOf(expression.data)(value)
const typeOf = (expression: Expression<string, unknown, string>): string => {
  const checked = checkExpression(expression.data, type)
  return 'problem' in checked ? checked.problem : typeText(checked.type)
}

test.each([
  [col('i').plus(1), 8, 'double'],
  [col('i').minus(col('l')), 10, 'double'],
  [col('i').times(2147483647), 15032385529, 'double'],
  [col('i').dividedBy(2), 3.5, 'nullable<double>'],
  [col('i').dividedBy(0), null, 'nullable<double>'],
  [col('l').modulo(2), -1, 'nullable<double>'],
  [col('i').plus(col('n')), null, 'nullable<double>'],
  [col('n').coalesce(4), 4, 'int32'],
  [col('n').coalesce(col('d')), 0.5, 'double'],
  [col('n').isNull(), true, 'boolean'],
  [col('n').isNotNull(), false, 'boolean'],
  [col('n').eq(1), null, 'nullable<boolean>'],
  [col('n').eq(1).or(col('b')), true, 'nullable<boolean>'],
  [col('n').eq(1).and(col('b')), null, 'nullable<boolean>'],
  [col('n').eq(1).and(col('b').not()), false, 'nullable<boolean>'],
  [col('i').between(7, 8), true, 'boolean'],
  [col('s').isIn('x', 'Aé'), true, 'boolean'],
  [col('s').lower(), 'aé', 'string'],
  [col('s').upper().concat('!'), 'AÉ!', 'string'],
  [col('s').length(), 2, 'int32'],
  [col('s').substring(1), 'é', 'string'],
  [col('s').startsWith('A'), true, 'boolean'],
  [col('s').endsWith('A'), false, 'boolean'],
  [col('s').contains(''), true, 'boolean'],
  [col('d').floor(), 0, 'double'],
  [col('d').round(), 1, 'double'],
  [col('l').abs(), 3, 'double'],
  [col('s').lt('B'), true, 'boolean'],
  [lit(2 ** 40), 2 ** 40, 'long'],
  [col('s').lookup({ Aé: 'x' }), 'x', 'nullable<string>'],
  [col('s').lookup(new Map([['b', 1]])), null, 'nullable<int32>'],
  [col('s').lookup({ Aé: 0.5 }).coalesce(2), 0.5, 'double'],
  [col('s').toNumber(), null, 'nullable<double>'],
  [lit('-12.50').toNumber(), -12.5, 'nullable<double>'],
  [lit('-0').toNumber(), 0, 'nullable<double>'],
  [lit(' 1').toNumber(), null, 'nullable<double>'],
])('%# an expression has a value and a type', (expression, expected, expectedType) => {
  expect(evaluate(expression)).toBe(expected)
  expect(typeOf(expression)).toBe(expectedType)
})

test.each([
  [col('x'), "there is no field 'x'; the record has 's', 'i', 'l', 'd', 'b', 'n'"],
  [col('s').plus(1), "plus takes a number, but field 's' is string"],
  [col('i').plus(lit('1')), 'plus takes a number, but operand 2 is string'],
  [col('s').eq(1), "eq compares values of one kind, but field 's' is string and operand 2 is int32"],
  [col('b').lt(true), "lt compares numbers or strings, but field 'b' is boolean"],
  [col('i').lookup({ a: 1 }), 'lookup takes a string, not int32'],
  [col('n').coalesce('x'), 'coalesce takes values of one type, not int32 and string'],
])('%# what does not fit together is named', (expression, problem) => {
  expect(typeOf(expression)).toBe(problem)
})

describe('strings are ordered by code points', () => {
  test.each([
    ['a', 'b'],
    ['a', 'aa'],
    ['\uffff', '\u{10000}'],
    ['\ue000', '\u{1f600}'],
  ])('%j is below %j', (low, high) => {
    expect(compareText(low, high)).toBeLessThan(0)
    expect(compareText(high, low)).toBeGreaterThan(0)
    expect(compareText(low, low)).toBe(0)
    expect(Buffer.compare(Buffer.from(low), Buffer.from(high))).toBe(-1)
  })
})

test('a value of another kind in an undeclared record is an error that names the operation', () => {
  expect(() => evaluationOf(col('s').plus(1).data)({ s: 'x' })).toThrow('plus takes a number, and got a string')
})

test.each([null, undefined, Number.NaN, {}])('%j is no operand', (operand) => {
  try {
    col('i').eq(operand as never)
    expect.unreachable()
  } catch (error) {
    expect(isMillraceError(error) && error.code).toBe('MR_JOB_DEFINITION')
  }
})

test('a table has values of one kind', () => {
  expect(() => col('s').lookup({ a: 1, b: 'x' } as never)).toThrow('a table has strings or finite numbers')
  expect(() => col('s').lookup({ a: Number.NaN })).toThrow('a table has strings or finite numbers')
  expect(evaluate(col('s').lookup({}))).toBe(null)
  expect(evaluate(col('s').lookup({ constructor: 'x' }))).toBe(null)
})

test('a table finds by bytes what it finds by text', () => {
  const keys = [
    '',
    'a',
    'ab',
    'abc',
    'é',
    '日本',
    '\u{1f600}',
    ...Array.from({ length: 500 }, (_, index) => `key ${index}`),
  ]
  for (const more of [[], ['\ufffd']]) {
    const table = new LookupTable(new Map([...keys, ...more].map((key) => [key, `${key}!`])))
    for (const key of [...keys, 'b', 'key', 'key 500', '\ufffd']) {
      const bytes = Buffer.from(`x${key}x`)
      expect(table.getBytes(bytes, 1, bytes.length - 1)).toBe(table.get(key))
    }
  }
})

test('a number is read from bytes as from text', () => {
  const texts = [
    '',
    '0',
    '007',
    '-1',
    '1.5',
    '1e3',
    '123456789012345',
    '1234567890123456789',
    ' 1',
    '1 ',
    'x',
    '1x',
    '+1',
    '.5',
    '²',
    'Infinity',
  ]
  for (const text of texts) {
    const bytes = Buffer.from(`9${text}9`)
    const expected = operations.toNumber.evaluate(text)
    expect(expressionScope.numberOfBytes(bytes, 1, bytes.length - 1), text).toBe(expected)
  }
})
