import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteWriter } from '../../../src/formats/byte-writer.ts'
import type { DeclaredType } from '../../../src/formats/data-type.ts'
import { bytes, double, json, nullable, record, string } from '../../../src/formats/index.ts'
import { anyValueOf, recordType } from './support/arbitrary-types.ts'

function attempt<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}

test('what is appended equals what JSON.stringify gives of the declared fields', () => {
  fc.assert(
    fc.property(
      recordType.chain((type) =>
        fc.tuple(fc.constant(type), fc.array(fc.oneof(anyValueOf(type), fc.anything()), { maxLength: 4 })),
      ),
      ([type, values]) => {
        const encoder = json(type).createEncoder()
        const writer = new ByteWriter(1)
        let text = ''
        for (const value of values) {
          const reference = attempt(() => referenceText(type, value))
          if (reference === undefined) expect(() => encoder.append?.(value, writer)).toThrow()
          else encoder.append?.(value, writer)
          text += reference ?? ''
          expect(attempt(() => encoder.encode(value).toString())).toBe(reference)
        }
        expect(writer.bytes.toString('utf8', 0, writer.position)).toBe(text)
      },
    ),
    { numRuns: 300 },
  )
})

/** Fields of scalars are written by the fast writer; the slow one, which an added field of bytes brings, is what it must equal. */
function referenceText(type: DeclaredType<unknown>, value: unknown): string {
  if (type.kind !== 'record') throw new TypeError('no record')
  const fields = Object.fromEntries(type.fields.map((field) => [field.name, field.type]))
  const slow = json(record({ ...fields, zz: nullable(bytes()) }))
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
  const text = slow
    .createEncoder()
    .encode(
      (isPlain
        ? new Proxy(value, { get: (of, name) => (name === 'zz' ? null : Reflect.get(of, name)) })
        : value) as never,
    )
    .toString()
  return text.replace(/,"zz":null\}$/, '}')
}

test.each([0, -0, 9, 10, -1, -10, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 1e21, 5e-324, 0.1, -1.5, 2 ** 53 - 1])(
  'the number %d is written as JSON.stringify writes it',
  (number) => {
    const encoder = json(record({ n: double() })).createEncoder()
    expect(encoder.encode({ n: number }).toString()).toBe(JSON.stringify({ n: number }))
  },
)

test.each(['a"b', 'a\\b', '\n', '\u007f', 'é', '\ud800', '\u2028', 'x'.repeat(49), '"'.repeat(60)])(
  'the text %j is written as JSON.stringify writes it',
  (text) => {
    const encoder = json(record({ a: string(), b: nullable(string()) })).createEncoder()
    expect(encoder.encode({ a: text, b: text }).toString()).toBe(JSON.stringify({ a: text, b: text }))
  },
)
