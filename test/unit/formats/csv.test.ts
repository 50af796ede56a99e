import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  array,
  boolean,
  bytes,
  csv,
  double,
  int32,
  long,
  nullable,
  record,
  string,
} from '../../../src/formats/index.ts'

const order = record({
  id: string(),
  count: int32(),
  total: nullable(double()),
  note: nullable(string()),
  paid: boolean(),
  at: long(),
  raw: bytes(),
})

function decode<T>(
  format: { createDecoder(): { decode(bytes: Buffer, start: number, end: number): T } },
  text: string,
): T {
  const body = Buffer.from(text)
  return format.createDecoder().decode(Buffer.concat([Buffer.from('"a,'), body, Buffer.from(',"')]), 3, 3 + body.length)
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 10 }),
  fc.string({ unit: fc.constantFrom('"', ',', ';', '\n', '\r', "'", ' ', 'a', '\\'), maxLength: 8 }),
)
const value = fc.record({
  id: text,
  count: fc.integer(),
  total: fc.option(fc.double()),
  note: fc.option(text),
  paid: fc.boolean(),
  at: fc.maxSafeInteger(),
  raw: fc.uint8Array({ maxLength: 6 }).map((array) => new Uint8Array(array)),
})

test.each([{}, { delimiter: ';' }, { quote: "'" }, { delimiter: '\t', nullText: '\\N' }, { nullText: 'null' }])(
  'any record comes back, and csv-parse reads the same fields (%o)',
  (options) => {
    const format = csv(order, options)
    const encoder = format.createEncoder()
    fc.assert(
      fc.property(value, (given) => {
        const line = encoder.encode(given).toString()
        expect(decode(format, line)).toEqual(given)
        const { delimiter = ',', quote = '"' } = options as { delimiter?: string; quote?: string }
        const [cells] = parse(line, { delimiter, quote, escape: quote }) as string[][]
        expect(cells).toHaveLength(7)
        expect(cells?.[0]).toBe(given.id)
      }),
      { numRuns: 300 },
    )
  },
)

test('any text gives a record or a clear error', () => {
  const format = csv(record({ a: string(), b: nullable(string()) }))
  fc.assert(
    fc.property(text, (line) => {
      try {
        const { a, b } = decode(format, line)
        expect(typeof a).toBe('string')
        expect(b === null || typeof b === 'string').toBe(true)
      } catch (error) {
        expect(error).toMatchObject({ code: 'MR_DESERIALIZATION' })
      }
    }),
    { numRuns: 1000 },
  )
})

test('null and empty text are told apart by quotes', () => {
  const format = csv(record({ a: nullable(string()), b: nullable(string()) }))
  expect(format.line({ a: null, b: '' })).toBe(',""')
  expect(decode(format, ',""')).toEqual({ a: null, b: '' })
})

test('a line end after the record is passed over', () => {
  const format = csv(record({ a: string(), b: int32() }))
  expect(decode(format, 'x,1\r\n')).toEqual({ a: 'x', b: 1 })
  expect(decode(format, '"x",1\n')).toEqual({ a: 'x', b: 1 })
})

test.each([
  ['x', 'not CSV of this type: 1 fields instead of 2'],
  ['x,1,2', 'not CSV of this type: 3 fields instead of 2'],
  ['x,1.5', 'b: expected int32, got string "1.5"'],
  ['x,', 'b: expected int32, got string ""'],
  ['x, 1', 'b: expected int32, got string " 1"'],
  ['x,2147483648', 'b: expected int32, got string "2147483648"'],
  ['"x,1', 'not CSV: Quote Not Closed'],
  ['x,1\ny,2', 'not CSV: 2 lines instead of one'],
])('%j is refused', (line, message) => {
  expect(() => decode(csv(record({ a: string(), b: int32() })), line)).toThrow(message)
})

test('what has no place in a line is refused, and options that can not be', () => {
  expect(() => csv(record({ a: array(string()) }))).toThrow('csv(): field a is of kind array')
  expect(() => csv(order, { delimiter: '||' })).toThrow('delimiter "||" is no single character')
  expect(() => csv(order, { quote: ',' })).toThrow('quote "," can not be used')
  expect(() => csv(order, { nullText: 'a,b' })).toThrow('nullText "a,b" would have to be quoted')
  expect(() => csv(order).line({ id: 1 } as never)).toThrow('id: expected string, got 1')
})

test('the header names the fields', () => {
  expect(csv(record({ a: string(), 'b,c': string() })).header).toBe('a,"b,c"')
})
