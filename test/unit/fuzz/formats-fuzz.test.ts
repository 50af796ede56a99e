import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { batchCodecOf } from '../../../src/formats/batch-codec.ts'
import { problemOf } from '../../../src/formats/check-value.ts'
import type { DataType, DeclaredType } from '../../../src/formats/data-type.ts'
import { int32, json, record, string, untyped } from '../../../src/formats/index.ts'
import { pickDeclared } from '../../../src/formats/pick-declared.ts'
import { serializerOf } from '../../../src/formats/serializer.ts'
import { decodeFrame, encodeFrame } from '../../../src/task/frame.ts'
import { RecordBatch } from '../../../src/task/record-batch.ts'
import { anyValueOf, declaredType, recordType } from '../formats/support/arbitrary-types.ts'
import { atOnce, damaged, damages, fuzzRuns, fuzzTimeoutMs, valueOrClearError } from './support.ts'

function fits(type: DataType<unknown>, value: unknown): void {
  expect(problemOf(type, value, '')).toBe(undefined)
}

describe('Avro of declared types', () => {
  test(
    'damaged bytes are a clear error or a value of the type, at once',
    () => {
      const input = declaredType.chain((type) => fc.tuple(fc.constant(type), anyValueOf(type), damages))
      fc.assert(
        fc.property(input, ([type, value, list]) => {
          const serializer = serializerOf(type)
          const bytes = damaged(serializer.encode(value), list)
          const read = atOnce(() => valueOrClearError(() => serializer.decode(bytes, 0, bytes.length), []))
          if (read !== undefined) fits(type, read.value)
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeoutMs,
  )

  test(
    'random bytes are a clear error or a value of the type, at once',
    () => {
      fc.assert(
        fc.property(declaredType, fc.uint8Array({ maxLength: 100 }), (type, bytes) => {
          const serializer = serializerOf(type)
          const read = atOnce(() => valueOrClearError(() => serializer.decode(bytes, 0, bytes.length), []))
          if (read !== undefined) fits(type, read.value)
        }),
        fuzzRuns(200),
      )
    },
    fuzzTimeoutMs,
  )
})

describe('untyped values', () => {
  test(
    'damaged and random bytes are a clear error or a value, at once',
    () => {
      const serializer = serializerOf<unknown>(untyped())
      const input = fc.oneof(
        fc.tuple(fc.jsonValue(), damages).map(([value, list]) => damaged(serializer.encode(value), list)),
        fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      )
      fc.assert(
        fc.property(input, (bytes) => {
          atOnce(() => valueOrClearError(() => serializer.decode(bytes, 0, bytes.length), []))
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeoutMs,
  )
})

// Batches stay in memory and have no checksum: another number of a column can not be told from the right one.
describe('batches', () => {
  const input = fc
    .oneof(
      { weight: 4, arbitrary: declaredType as fc.Arbitrary<DataType<unknown>> },
      { weight: 1, arbitrary: fc.constant(untyped()) },
    )
    .chain((type) => fc.tuple(fc.constant(type), fc.array(anyValueOf(type), { maxLength: 10 }), damages))

  test(
    'damaged bytes are a clear error or as many values, at once',
    () => {
      fc.assert(
        fc.property(input, ([type, values, list]) => {
          const bytes = damaged(batchCodecOf(type).encode(values, values.length), list)
          const read = atOnce(() => valueOrClearError(() => batchCodecOf(type).decode(bytes, values.length), []))
          if (read === undefined) return
          expect(read.value).toHaveLength(values.length)
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeoutMs,
  )

  test(
    'damaged frames are a clear error or batches, at once',
    () => {
      const type = record({ name: string(), count: int32() })
      const value = anyValueOf(type)
      fc.assert(
        fc.property(fc.array(value, { maxLength: 10 }), fc.boolean(), damages, (values, hashed, list) => {
          const batch = RecordBatch.ofCapacity(hashed)
          batch.values = [...values]
          batch.count = values.length
          const frame = new Uint8Array(encodeFrame(1, batch, batchCodecOf(type), undefined))
          const used = frame.subarray(0, 24 + values.length * 12 + 400)
          const bytes = damaged(used, list)
          const buffer = Uint8Array.from(Buffer.concat([bytes, frame.subarray(bytes.length)])).buffer
          const read = RecordBatch.ofCapacity(hashed)
          const done = atOnce(() =>
            valueOrClearError(() => decodeFrame(buffer, batchCodecOf(type), read), ['MR_INTERNAL']),
          )
          if (done === undefined) return
          expect(read.values).toHaveLength(read.count)
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeoutMs,
  )
})

describe('the field scanner', () => {
  /** What JSON.parse and picking make of it; undefined where they refuse it. */
  function reference(type: DeclaredType<unknown>, body: Buffer): unknown {
    try {
      return pickDeclared(type, JSON.parse(body.toString('utf8')), '')
    } catch {
      return undefined
    }
  }

  function expectAsReference(type: DeclaredType<unknown>, body: Buffer): void {
    const wanted = reference(type, body)
    const all = Buffer.concat([Buffer.from('{"'), body, Buffer.from('"}1')])
    const decoder = json(type).createDecoder()
    const read = atOnce(() =>
      valueOrClearError(() => decoder.decode(all, 2, 2 + body.length), ['MR_DESERIALIZATION', 'MR_STATE_TYPE']),
    )
    assert.deepStrictEqual(read?.value, wanted)
  }

  test(
    'damaged JSON of any declared record is read as JSON.parse reads it, or refused',
    () => {
      const input = recordType.chain((type) => fc.tuple(fc.constant(type), anyValueOf(type), damages))
      fc.assert(
        fc.property(input, ([type, value, list]) => {
          expectAsReference(type, damaged(Buffer.from(toJson(type, value)), list))
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeoutMs,
  )

  test(
    'any JSON and any bytes are read as JSON.parse reads them, or refused',
    () => {
      const body = fc.oneof(
        fc.json().map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
        fc
          .nat(20_000)
          .map((depth) => Buffer.from(`{"other":${'['.repeat(depth)}${']'.repeat(depth)},"name":"x","count":1}`)),
        fc.nat(20_000).map((depth) => Buffer.from(`{"name":${'{"a":'.repeat(depth)}`)),
      )
      fc.assert(
        fc.property(
          fc.oneof(recordType, fc.constant(record({ name: string(), count: int32() }))),
          body,
          expectAsReference,
        ),
        fuzzRuns(200),
      )
    },
    fuzzTimeoutMs,
  )

  function toJson(type: DeclaredType<unknown>, value: unknown): string {
    try {
      return json(type).createEncoder().encode(value).toString()
    } catch {
      return '{}' // Numbers that JSON has not.
    }
  }
})
