import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { json } from '../../../src/formats/index.ts'
import { anyText, hostileNames } from './support/arbitrary-types.ts'
import { randomJson } from './support/random-json.ts'

function attempt(action: () => unknown): unknown {
  try {
    return { value: action() }
  } catch {
    return 'refused'
  }
}

/** The value and the order of its fields are JSON.parse's, whatever stands beside the range. */
function decodesAll(bodies: readonly Buffer[]): void {
  const decoder = json<unknown>().createDecoder()
  for (const [index, body] of bodies.entries()) {
    const wanted = attempt(() => JSON.parse(body.toString('utf8')))
    const [before, after] = [['', '{"', '1'][index % 3] as string, ['', '}', '1}', '"}'][index % 4] as string]
    const all = Buffer.concat([Buffer.from(before), body, Buffer.from(after)])
    const got = attempt(() => decoder.decode(all, before.length, before.length + body.length))
    try {
      assert.deepStrictEqual(got, wanted)
      assert.deepStrictEqual(JSON.stringify(got), JSON.stringify(wanted))
    } catch (error) {
      throw new Error(`record ${index}: ${JSON.stringify(body.toString('utf8'))}`, { cause: error })
    }
  }
}

for (const seed of [1, 2, 3]) {
  test(`records of many layouts, broken ones among them, are read as JSON.parse reads them (seed ${seed})`, () => {
    const next = randomJson(seed)
    decodesAll(Array.from({ length: 6000 }, () => next().bytes))
  })
}

const scalar = fc.oneof(anyText, fc.double(), fc.integer(), fc.constant(-0), fc.boolean(), fc.constant(null))
const names = fc.uniqueArray(fc.oneof(fc.constantFrom('a', 'b', 'value', '__proto__', ...hostileNames), anyText), {
  minLength: 1,
  maxLength: 5,
})
/** Records of one shape, as one producer writes them, with others among them. */
const stream = names.chain((fields) =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.tuple(...fields.map(() => scalar)).map((values) => textOf(fields, values)) },
      { weight: 1, arbitrary: fc.tuple(...fields.map(() => fc.jsonValue())).map((values) => textOf(fields, values)) },
      { weight: 1, arbitrary: fc.json() },
    ),
    { minLength: 5, maxLength: 30 },
  ),
)

function textOf(fields: readonly string[], values: readonly unknown[]): string {
  const texts = fields.map((field, index) => `${JSON.stringify(field)}:${numberText(values[index])}`)
  return `{${texts.join(',')}}`
}

const numberText = (value: unknown): string => (Object.is(value, -0) ? '-0' : (JSON.stringify(value) ?? 'null'))

test('records that are written alike are read as JSON.parse reads them', () => {
  const damage = fc.option(fc.tuple(fc.nat(200), fc.constantFrom('"', '\\', '}', ',', ' ', '0', '\n')), { freq: 12 })
  fc.assert(
    fc.property(stream, fc.array(damage, { minLength: 30, maxLength: 30 }), (texts, damages) => {
      decodesAll(
        texts.map((text, index) => {
          const damaged = damages[index]
          if (damaged === null || damaged === undefined) return Buffer.from(text)
          const at = damaged[0] % (text.length + 1)
          return Buffer.from(text.slice(0, at) + damaged[1] + text.slice(at))
        }),
      )
    }),
    { numRuns: 300 },
  )
})

test('a field that stands twice has its last value, and bytes that are no text are replaced', () => {
  decodesAll(Array.from({ length: 20 }, () => Buffer.from('{"a":1,"b":"x","a":2}')))
  decodesAll(Array.from({ length: 20 }, () => Buffer.from('{"a\xff":1,"b":"\xfe"}', 'latin1')))
  decodesAll(Array.from({ length: 20 }, () => Buffer.from('{"b":"\xfe","c":1}', 'latin1')))
})

test('where most records fit no layout scanning ends, and they are still read', () => {
  const decoder = json<unknown>().createDecoder()
  for (let index = 0; index < 6000; index++) {
    const record = index < 10 ? { a: index } : { a: [index], b: { c: index % 7 === 0 } }
    const body = Buffer.from(JSON.stringify(record))
    expect(decoder.decode(body, 0, body.length)).toEqual(record)
  }
})

test('nothing in a record aliases the buffer that it was read from', () => {
  const decoder = json<unknown>().createDecoder()
  const body = Buffer.from('{"text":"abcdefghijklmnopqrstuvwxyz","é":"ünïcode"}')
  for (let index = 0; index < 10; index++) {
    const copy = Buffer.from(body)
    const value = decoder.decode(copy, 0, copy.length)
    copy.fill(0)
    expect(value).toEqual({ text: 'abcdefghijklmnopqrstuvwxyz', é: 'ünïcode' })
  }
})
