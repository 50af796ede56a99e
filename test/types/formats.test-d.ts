import { expectTypeOf, test } from 'vitest'
import {
  array,
  boolean,
  bytes,
  type DataType,
  double,
  type Format,
  int32,
  json,
  long,
  nullable,
  type RecordType,
  record,
  string,
  type TypeOf,
  untyped,
} from '../../src/formats/index.ts'

test('a record declaration gives the TypeScript type', () => {
  const userEvent = record({ userId: string(), value: int32() })
  expectTypeOf(userEvent).toEqualTypeOf<RecordType<{ userId: string; value: number }>>()
  expectTypeOf<TypeOf<typeof userEvent>>().toEqualTypeOf<{ userId: string; value: number }>()
})

test('all kinds nest', () => {
  const order = record({
    id: long(),
    paid: boolean(),
    total: nullable(double()),
    raw: bytes(),
    lines: array(record({ sku: string(), tags: array(string()) })),
    address: nullable(record({ city: string() })),
  })
  expectTypeOf<TypeOf<typeof order>>().toEqualTypeOf<{
    id: number
    paid: boolean
    total: number | null
    raw: Uint8Array
    lines: { sku: string; tags: string[] }[]
    address: { city: string } | null
  }>()
  expectTypeOf(order).toExtend<DataType<{ id: number }>>()
})

test('string and bytes are formats as well', () => {
  expectTypeOf(string()).toExtend<Format<string>>()
  expectTypeOf(bytes()).toExtend<Format<Uint8Array>>()
  expectTypeOf<TypeOf<ReturnType<typeof string>>>().toEqualTypeOf<string>()
})

test('an untyped type carries what it is given, and data types are told apart', () => {
  expectTypeOf<TypeOf<ReturnType<typeof untyped<{ a: Date }>>>>().toEqualTypeOf<{ a: Date }>()
  expectTypeOf<DataType<string>>().not.toExtend<DataType<number>>()
  const of = <T>(type: DataType<T>): T => ({ type }) as unknown as T
  expectTypeOf(of(record({ a: string() }))).toEqualTypeOf<{ a: string }>()
  expectTypeOf(of(untyped<{ a: 1 }>())).toEqualTypeOf<{ a: 1 }>()
  expectTypeOf(of(nullable(string()))).toEqualTypeOf<string | null>()
})

test('json is a format of what is declared, or of what it is said to be', () => {
  expectTypeOf(json(record({ userId: string(), value: int32() }))).toEqualTypeOf<
    Format<{ userId: string; value: number }>
  >()
  expectTypeOf(json<{ a: number }>()).toEqualTypeOf<Format<{ a: number }>>()
})
