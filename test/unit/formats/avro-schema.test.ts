import avsc from 'avsc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { avroSchema, canonicalSchemaText, crc64Avro, schemaFingerprint } from '../../../src/formats/avro-schema.ts'
import {
  array,
  boolean,
  bytes,
  double,
  int32,
  long,
  nullable,
  record,
  string,
  untyped,
} from '../../../src/formats/index.ts'
import { typeText } from '../../../src/formats/type-text.ts'
import { declaredType } from './support/arbitrary-types.ts'

test('the published CRC-64-AVRO fingerprints come out', () => {
  expect(crc64Avro(Buffer.from('"null"')).toString(16)).toBe('63dd24e7cc258f8a')
  expect(schemaFingerprint(int32())).toBe('7275d51a3f395c8f')
  expect(schemaFingerprint(long())).toBe('d054e14493f41db7')
  expect(schemaFingerprint(string())).toBe('8f014872634503c7')
  expect(schemaFingerprint(bytes())).toBe('4fc016dac3201965')
  expect(schemaFingerprint(boolean())).toBe('9f42fc78a4d4f764')
  expect(schemaFingerprint(double())).toBe('8e7535c032ab957e')
})

test('a record, its arrays and its nullable fields become an Avro schema', () => {
  const type = record(
    { userId: string(), n: nullable(int32()), lines: array(record({ sku: string() })) },
    { name: 'Order' },
  )
  expect(avroSchema(type)).toEqual({
    name: 'Order',
    type: 'record',
    fields: [
      { name: 'userId', type: 'string' },
      { name: 'n', type: ['null', 'int'] },
      {
        name: 'lines',
        type: {
          type: 'array',
          items: { name: 'Order_lines', type: 'record', fields: [{ name: 'sku', type: 'string' }] },
        },
      },
    ],
  })
})

test('a record type that is used twice is written once, and another one of its name gets a number', () => {
  const point = record({ x: int32() }, { name: 'Point' })
  const other = record({ y: int32() }, { name: 'Point' })
  const schema = canonicalSchemaText(avroSchema(record({ a: point, b: point, c: other })))
  expect(schema).toBe(
    '{"name":"Record","type":"record","fields":[{"name":"a","type":{"name":"Point","type":"record","fields":[{"name":"x","type":"int"}]}},' +
      '{"name":"b","type":"Point"},{"name":"c","type":{"name":"Point_2","type":"record","fields":[{"name":"y","type":"int"}]}}]}',
  )
})

test('avsc accepts the schema of every type and has the same canonical form', () => {
  fc.assert(
    fc.property(declaredType, (type) => {
      const schema = avroSchema(type)
      const parsed = avsc.Type.forSchema(schema as avsc.Schema)
      expect(JSON.parse(canonicalSchemaText(schema))).toEqual(JSON.parse(JSON.stringify(parsed.schema())))
    }),
    { numRuns: 300 },
  )
})

test('an untyped value has another fingerprint than bytes, and equal texts mean equal fingerprints', () => {
  expect(schemaFingerprint(untyped())).not.toBe(schemaFingerprint(bytes()))
  fc.assert(
    fc.property(declaredType, declaredType, (a, b) => {
      if (typeText(a) === typeText(b)) expect(schemaFingerprint(a)).toBe(schemaFingerprint(b))
    }),
  )
})

test('a type as text names all of it', () => {
  expect(typeText(record({ userId: string(), 'a-b': nullable(array(double())) }, { name: 'Event' }))).toBe(
    'record Event { userId: string, "a-b": nullable<array<double>> }',
  )
  expect(typeText(untyped())).toBe('untyped')
})

test('names and shapes that can not be are refused where the type is declared', () => {
  expect(() => record({})).toThrow('has no fields')
  expect(() => record({ a: string() }, { name: 'a-b' })).toThrow('can not be the name of a record type')
  expect(() => record({ ['__proto__']: string() })).toThrow('__proto__')
  expect(() => record({ '\ud800': string() })).toThrow('is no valid text')
  expect(() => nullable(nullable(string()) as never)).toThrow('says nothing more')
})

test('types are plain data to structuredClone', () => {
  const type = record({ a: string(), b: nullable(bytes()) })
  expect(typeText(structuredClone(type))).toBe(typeText(type))
})
