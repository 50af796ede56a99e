import fc from 'fast-check'
import type { DataType, DeclaredType } from '../../../../src/formats/data-type.ts'
import {
  array,
  boolean,
  bytes,
  double,
  int32,
  long,
  map,
  nullable,
  record,
  set,
  string,
} from '../../../../src/formats/index.ts'

/**
 * Field names that would be code, structure or prototype, were they not quoted.
 *
 * A name that is one backslash is left out: after an object with such a key, JSON.parse of V8 13.6 (Node 24) reads every
 * key of one escaped character in that place as a backslash: JSON.parse('{"a":1,"\\\\":1}') makes a later
 * JSON.parse('{"a":1,"\\n":1}') give that key.
 */
export const hostileNames = [
  '',
  'a b',
  '"',
  "'",
  '`',
  'a\\',
  '\n',
  '\u2028',
  '$' + '{process.exit(1)}',
  '"];throw 1;["',
  '*/throw 1/*',
  '//',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'return',
  '0',
  '1e3',
  'é',
  '𝒳',
  'user-id',
  '@timestamp',
  'v',
  'b',
  'p',
  'x0',
]

const wellFormed = fc.string({ unit: 'binary', maxLength: 30 }).map((text) => text.toWellFormed())
export const anyText = fc.oneof(fc.string({ maxLength: 30 }), wellFormed, fc.constant('é'.repeat(40)), fc.constant(''))

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'userId', 'value', 'ts', 'page', ...hostileNames),
  fc.string({ maxLength: 6 }).filter((text) => text !== '__proto__' && text !== '\\'),
)

const scalar: fc.Arbitrary<DeclaredType<unknown>> = fc.constantFrom<DeclaredType<unknown>>(
  string(),
  int32(),
  long(),
  double(),
  boolean(),
  bytes(),
)

const keyType = fc.constantFrom(string(), int32(), long(), double(), boolean())

const trees = fc.letrec<{ type: DeclaredType<unknown>; record: DeclaredType<unknown> }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    scalar,
    tie('record'),
    tie('type').map((type) => array(type)),
    fc.tuple(keyType, tie('type')).map(([key, value]) => map(key, value)),
    keyType.map((type) => set(type)),
    tie('type').map((type) => (type.kind === 'nullable' ? type : nullable(type))),
  ),
  record: fc
    .array(fc.tuple(name, tie('type')), { minLength: 1, maxLength: 6 })
    .map((fields) => record(Object.fromEntries(fields))),
}))
export const declaredType = trees.type
export const recordType = trees.record

/** Values of a type, numbers as `Object.is` tells them apart, without −0 in integers. */
export function anyValueOf(type: DataType<unknown>): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'string':
      return anyText
    case 'int32':
      return fc.integer()
    case 'long':
      return fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(2 ** 53 - 1, 1 - 2 ** 53, 0, -1, 63, 64, -64))
    case 'double':
      return fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-0, 0))
    case 'boolean':
      return fc.boolean()
    case 'bytes':
      return fc.uint8Array({ maxLength: 20 })
    case 'array':
      return fc.array(anyValueOf(type.items), { maxLength: 5 })
    case 'map':
      return fc
        .array(fc.tuple(anyValueOf(type.key), anyValueOf(type.value)), { maxLength: 5 })
        .map((entries) => new Map(entries))
    case 'set':
      return fc.array(anyValueOf(type.items), { maxLength: 5 }).map((items) => new Set(items))
    case 'nullable':
      return fc.option(anyValueOf(type.of))
    case 'record':
      return fc
        .tuple(...type.fields.map((field) => anyValueOf(field.type)))
        .map((values) => Object.fromEntries(type.fields.map((field, index) => [field.name, values[index]])))
    case 'untyped':
      return fc.jsonValue()
  }
}

export const typeAndValue = declaredType.chain((type) => anyValueOf(type).map((value) => ({ type, value })))
