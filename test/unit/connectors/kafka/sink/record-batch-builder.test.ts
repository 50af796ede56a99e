import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kafkaRecordAt } from '../../../../../src/connectors/kafka/kafka-record.ts'
import { BatchHeader } from '../../../../../src/connectors/kafka/record-batch.ts'
import { RecordCursor } from '../../../../../src/connectors/kafka/record-cursor.ts'
import {
  type EncodedHeader,
  type EncodedRecord,
  noHeaders,
} from '../../../../../src/connectors/kafka/sink/encoded-record.ts'
import { RecordBatchBuilder, stampBatch } from '../../../../../src/connectors/kafka/sink/record-batch-builder.ts'
import { compressionNames, packingOf } from '../../../../../src/connectors/kafka/sink/record-packing.ts'

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)))
/** Nothing is read past the lengths: other bytes follow. */
function encodedRecord(
  key: Buffer | null,
  value: Buffer | null,
  timestamp: number,
  headers: readonly EncodedHeader[] = noHeaders,
): EncodedRecord {
  const bytes = Buffer.concat([key ?? Buffer.alloc(0), value ?? Buffer.alloc(0), Buffer.from('rest')])
  return { bytes, keyLength: key?.length ?? -1, valueLength: value?.length ?? -1, timestamp, headers }
}

const records = fc.array(
  fc.record({
    key: bytes,
    value: bytes,
    timestamp: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 2 ** 45 })),
    headers: fc.array(fc.record({ key: fc.string({ maxLength: 9 }), value: bytes }), { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 40 },
)

test('our cursor reads what the builder has written, in every compression', () => {
  fc.assert(
    fc.property(records, fc.constantFrom(...compressionNames), (written, compression) => {
      const builder = new RecordBatchBuilder(64)
      for (const { key, value, timestamp, headers } of written) {
        const encoded = headers.map((header) => ({ key: Buffer.from(header.key), value: header.value }))
        builder.append(encodedRecord(key, value, timestamp, encoded))
      }
      const { bytes, count } = builder.take(packingOf(compression).codec)
      stampBatch(bytes, { producerId: 7n, epoch: 3, sequence: 11, transactional: true })
      expect(count).toBe(written.length)
      expect(builder.count).toBe(0)
      expect(read(bytes)).toEqual(
        written.map((record, offset) => ({
          ...record,
          headers: record.headers.map((header) => ({ ...header })),
          offset,
        })),
      )
      const header = new BatchHeader()
      expect(header.read(bytes, 0, bytes.length)).toBeUndefined()
      expect(header).toMatchObject({ transactional: true, producerId: 7n, recordCount: count })
      expect(header.maxTimestamp).toBe(Math.max(...written.map(({ timestamp }) => timestamp)))
      expect([bytes.readInt16BE(51), bytes.readInt32BE(53)]).toEqual([3, 11])
    }),
    { numRuns: 150 },
  )
})

test('a batch that is stamped again carries only the new stamp', () => {
  const builder = new RecordBatchBuilder(64)
  builder.append(encodedRecord(null, Buffer.from('a'), 0))
  const { bytes } = builder.take(packingOf('gzip').codec)
  stampBatch(bytes, { producerId: 7n, epoch: 3, sequence: 11, transactional: true })
  stampBatch(bytes, undefined)
  const header = new BatchHeader()
  expect(header.read(bytes, 0, bytes.length)).toBeUndefined()
  expect(header).toMatchObject({ transactional: false, codec: 1 })
  expect(bytes.readBigInt64BE(43)).toBe(-1n)
})

function read(batch: Buffer): unknown[] {
  const cursor = new RecordCursor()
  cursor.load(
    { topic: 't', partition: 0, bytes: batch, start: 0, end: batch.length, aborted: [] } as never,
    0,
    Infinity,
  )
  const found: unknown[] = []
  for (let count = cursor.fill(16); count > 0; count = cursor.fill(16)) {
    for (let index = 0; index < count; index++) {
      const { key, value, timestamp, headers, offset } = kafkaRecordAt(cursor, index)
      found.push({
        key: key === null ? null : Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        timestamp,
        headers: headers.map((header) => ({
          key: header.key,
          value: header.value === null ? null : Buffer.from(header.value),
        })),
        offset,
      })
    }
  }
  return found
}
