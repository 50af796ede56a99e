import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../../../../src/common/errors.ts'
import { noTimestamp } from '../../../../src/common/timestamps.ts'
import { kafkaRecordAt } from '../../../../src/connectors/kafka/kafka-record.ts'
import { type AbortedTransaction, offsetAfterBatches } from '../../../../src/connectors/kafka/record-batch.ts'
import { RecordCursor, type RecordRegion } from '../../../../src/connectors/kafka/record-cursor.ts'
import { encodeBatch, encodeBatches, type TestBatch, type TestRecord, withChecksum } from './batch-encoder.ts'

interface ReadOptions {
  readonly position?: number
  readonly end?: number
  /** How many records each `fill` may give. */
  readonly steps?: readonly number[]
  readonly aborted?: readonly AbortedTransaction[]
}

function regionOf(bytes: Buffer, aborted?: readonly AbortedTransaction[]): RecordRegion {
  // Not at the start of its buffer, as in an answer.
  const shifted = Buffer.concat([Buffer.alloc(13, 0xff), bytes])
  return { topic: 'ads', partition: 3, bytes: shifted, start: 13, end: shifted.length, aborted }
}

/** All records of the region, with the position at the end. */
function readAll(bytes: Buffer, options: ReadOptions = {}): { records: TestRecord[]; position: number } {
  const cursor = new RecordCursor()
  cursor.load(regionOf(bytes, options.aborted), options.position ?? 0, options.end ?? Number.POSITIVE_INFINITY)
  const records: TestRecord[] = []
  const steps = options.steps ?? [512]
  for (let turn = 0; ; turn++) {
    const count = cursor.fill(steps[turn % steps.length] ?? 512)
    if (count === 0) return { records, position: cursor.position }
    for (let index = 0; index < count; index++) {
      const { offset, timestamp, key, value, headers } = kafkaRecordAt(cursor, index)
      records.push({ offset, timestamp, key, value, headers })
    }
    const last = records.at(-1)
    expect(cursor.position).toBeGreaterThan(last?.offset ?? -1)
  }
}

function record(offset: number, value = `value ${offset}`): TestRecord {
  return { offset, timestamp: 1000 + offset, key: null, value: Buffer.from(value), headers: [] }
}

function offsetsOf(records: readonly TestRecord[]): number[] {
  return records.map(({ offset }) => offset)
}

function errorOf(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

const bytesOrNull = fc.option(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  { freq: 5 },
)

const anyRecord = fc.record({
  gap: fc.integer({ min: 1, max: 400 }),
  timestamp: fc.oneof(fc.integer({ min: 0, max: 2 ** 45 }), fc.constant(1_700_000_000_000)),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 10 }), value: bytesOrNull }), {
    maxLength: 3,
  }),
})

const codecs = ['none', 'gzip', 'snappy', 'snappy-raw', 'lz4', 'zstd'] as const

/** Batches with rising offsets and gaps, and all records in them. */
const anyBatches = fc
  .tuple(
    fc.integer({ min: 0, max: 2 ** 52 }),
    fc.array(fc.tuple(fc.constantFrom(...codecs), fc.array(anyRecord, { minLength: 1, maxLength: 12 })), {
      maxLength: 5,
    }),
  )
  .map(([first, parts]) => {
    let offset = first
    const batches: TestBatch[] = parts.map(([codec, records]) => ({
      codec,
      records: records.map(({ gap, ...others }) => {
        offset += gap
        return { ...others, offset }
      }),
    }))
    return { batches, records: batches.flatMap(({ records }) => records), after: offset + 1 }
  })

describe('reading record batches', () => {
  test('every record comes out as it went in, whatever the codec and the size of the steps', () => {
    fc.assert(
      fc.property(
        anyBatches,
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        ({ batches, records, after }, steps) => {
          const bytes = encodeBatches(batches)
          const read = readAll(bytes, { steps })
          expect(read.records).toEqual(records)
          if (records.length > 0) expect(read.position).toBe(after)
          expect(offsetAfterBatches(bytes, 0, bytes.length, 0)).toBe(read.position)
        },
      ),
    )
  })

  test('reading on from any position gives exactly the records from there up to the end offset', () => {
    fc.assert(
      fc.property(anyBatches, fc.nat(), fc.nat(), ({ batches, records, after }, from, length) => {
        const first = records[0]?.offset ?? 0
        const position = first + (from % (after - first + 1))
        const end = position + (length % (after - position + 2))
        const read = readAll(encodeBatches(batches), { position, end, steps: [3] })
        expect(read.records).toEqual(records.filter(({ offset }) => offset >= position && offset < end))
      }),
    )
  })

  test('a position that is reached is past control batches and gaps', () => {
    const bytes = encodeBatches([
      { records: [record(10), record(11)], transactionOf: 5n },
      { records: [], baseOffset: 12, lastOffset: 12, transactionOf: 5n, control: 'commit' },
      { records: [record(14)], baseOffset: 13, lastOffset: 20 },
      { records: [], baseOffset: 21, lastOffset: 25 },
    ])
    const read = readAll(bytes, { position: 10, aborted: [] })
    expect(offsetsOf(read.records)).toEqual([10, 11, 14])
    expect(read.position).toBe(26)
    expect(readAll(bytes, { position: 10, end: 24 }).position).toBe(24)
    expect(readAll(bytes, { position: 10, end: 13 }).position).toBe(13)
  })

  test('a batch beyond the end offset means that the end is reached', () => {
    const read = readAll(encodeBatch({ records: [record(50)] }), { position: 10, end: 40 })
    expect(read).toEqual({ records: [], position: 40 })
  })

  test('a batch that is cut at the end of the answer is left for the next one', () => {
    const [first, second] = [encodeBatch({ records: [record(0)] }), encodeBatch({ records: [record(1)] })]
    for (let cut = 1; cut < second.length; cut++) {
      const read = readAll(Buffer.concat([first, second.subarray(0, cut)]))
      expect(offsetsOf(read.records)).toEqual([0])
      expect(read.position).toBe(1)
    }
  })

  test('records of a topic with log append time have the time of their batch', () => {
    const { records } = readAll(encodeBatch({ records: [record(0), record(1)], logAppendTime: 5000 }))
    expect(records.map(({ timestamp }) => timestamp)).toEqual([5000, 5000])
  })

  test('offsets and times are exact up to the last one that a number holds', () => {
    const offset = Number.MAX_SAFE_INTEGER - 5
    const timestamp = Number.MAX_SAFE_INTEGER
    const records = [0, 1, 3].map((index) => ({ ...record(offset + index), timestamp: timestamp - index * 2 ** 40 }))
    const read = readAll(encodeBatch({ records, codec: 'zstd' }), { position: offset + 1 })
    expect(offsetsOf(read.records)).toEqual([offset + 1, offset + 3])
    expect(read.records.map((one) => one.timestamp)).toEqual([timestamp - 2 ** 40, timestamp - 3 * 2 ** 40])
    expect(read.position).toBe(offset + 4)
  })

  test('a time before the epoch is none: Kafka has only -1, which says that there is none', () => {
    const records = [5, -1, -1000].map((timestamp, index) => ({ ...record(index), timestamp }))
    expect(readAll(encodeBatch({ records })).records.map(({ timestamp }) => timestamp)).toEqual([
      5,
      noTimestamp,
      noTimestamp,
    ])
  })

  test('headers that are damaged are an error of the record, and never read past it', () => {
    const cursor = new RecordCursor()
    const headers = [{ key: 'h', value: Buffer.from('x') }]
    const bytes = encodeBatch({ records: [{ ...record(0, 'v'), headers }, record(1)] })
    for (const count of [0x04, 0x7f, 0xff]) {
      const damaged = Buffer.from(bytes)
      damaged[damaged.indexOf(Buffer.from([2, 2, 104])) as number] = count
      cursor.load(regionOf(withChecksum(damaged)), 0, Number.POSITIVE_INFINITY)
      expect(cursor.fill(2)).toBe(2)
      expect(String(errorOf(() => kafkaRecordAt(cursor, 0).headers))).toContain('header')
    }
  })

  test('records without a timestamp say so', () => {
    const { records } = readAll(encodeBatch({ records: [{ ...record(0), timestamp: -1 }] }))
    expect(records.map(({ timestamp }) => timestamp)).toEqual([noTimestamp])
  })

  test('timestamps that go back within a batch are right', () => {
    const times = [1_700_000_000_000, 1_600_000_000_000, 1_700_000_000_001, 0]
    const { records } = readAll(
      encodeBatch({ records: times.map((timestamp, offset) => ({ ...record(offset), timestamp })) }),
    )
    expect(records.map(({ timestamp }) => timestamp)).toEqual(times)
  })
})

describe('transactions', () => {
  const log = encodeBatches([
    { records: [record(0), record(1)], transactionOf: 7n },
    { records: [record(2)], transactionOf: 8n },
    { records: [record(3)], codec: 'zstd' },
    { records: [record(4)], transactionOf: 7n, codec: 'gzip' },
    { records: [], baseOffset: 5, lastOffset: 5, transactionOf: 7n, control: 'abort' },
    { records: [record(6)], transactionOf: 7n },
    { records: [], baseOffset: 7, lastOffset: 7, transactionOf: 8n, control: 'commit' },
    { records: [], baseOffset: 8, lastOffset: 8, transactionOf: 7n, control: 'commit' },
  ])

  test('records of aborted transactions are left out up to their abort marker', () => {
    const { records, position } = readAll(log, { aborted: [{ producerId: 7n, firstOffset: 0 }], steps: [1] })
    expect(offsetsOf(records)).toEqual([2, 3, 6])
    expect(position).toBe(9)
  })

  test('uncommitted reading gives them all', () => {
    expect(offsetsOf(readAll(log).records)).toEqual([0, 1, 2, 3, 4, 6])
  })

  test('a second aborted transaction of a producer is left out as well', () => {
    const both = Buffer.concat([
      log.subarray(0, offsetOf(log, 6)),
      encodeBatch({ records: [record(6)], transactionOf: 7n }),
      encodeBatch({ records: [], baseOffset: 7, transactionOf: 7n, control: 'abort' }),
      encodeBatch({ records: [record(8)], transactionOf: 7n }),
    ])
    const aborted = [
      { producerId: 7n, firstOffset: 6 },
      { producerId: 7n, firstOffset: 0 },
    ]
    expect(offsetsOf(readAll(both, { aborted }).records)).toEqual([2, 3, 8])
  })
})

/** Where in the bytes the batch with this base offset begins. */
function offsetOf(bytes: Buffer, baseOffset: number): number {
  let at = 0
  while (Number(bytes.readBigInt64BE(at)) !== baseOffset) at += 12 + bytes.readInt32BE(at + 8)
  return at
}

describe('damaged bytes', () => {
  test('a wrong checksum names topic, partition and offset', () => {
    const bytes = encodeBatches([{ records: [record(7)] }, { records: [record(8)] }])
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 3) ^ 1, bytes.length - 3)
    const error = errorOf(() => readAll(bytes, { position: 7 }))
    expect(error).toMatchObject({ code: 'MR_KAFKA_CORRUPT' })
    expect(String(error)).toMatch(/topic ads, partition 3, offset 8: .*checksum/)
  })

  test('bytes that are no whole batch are an error, not an endless fetch', () => {
    const batch = encodeBatch({ records: [record(0)] })
    expect(errorOf(() => readAll(batch.subarray(0, batch.length - 1)))).toMatchObject({ code: 'MR_KAFKA_CORRUPT' })
    expect(errorOf(() => readAll(batch.subarray(0, 20)))).toMatchObject({ code: 'MR_KAFKA_CORRUPT' })
  })

  test('record formats of before Kafka 0.11 are refused', () => {
    const error = errorOf(() => readAll(encodeBatch({ records: [record(0)], magic: 1 })))
    expect(String(error)).toMatch(/format 1 are not supported/)
  })

  test('batches whose offsets go back are an error', () => {
    const bytes = encodeBatches([{ records: [record(7), record(8)] }, { records: [record(8)] }])
    const error = errorOf(() => readAll(bytes))
    expect(String(error)).toMatch(/topic ads, partition 3, offset 9: .*offset 8 after 8/)
  })

  test('a flipped bit is found wherever a checksum covers it', () => {
    fc.assert(
      fc.property(anyBatches, fc.nat(), fc.integer({ min: 0, max: 7 }), ({ batches }, where, bit) => {
        const [batch] = batches
        fc.pre(batch !== undefined)
        const bytes = encodeBatch(batch as TestBatch)
        const at = 21 + (where % (bytes.length - 21))
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at)
        expect(errorOf(() => readAll(bytes))).toMatchObject({ code: 'MR_KAFKA_CORRUPT' })
      }),
    )
  })

  test('damage that the checksum does not show ends in records or in one clear error, and never in a read past the batch', () => {
    fc.assert(
      fc.property(
        anyBatches,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
        ({ batches }, changes) => {
          const [batch] = batches
          fc.pre(batch !== undefined)
          const bytes = encodeBatch(batch as TestBatch)
          for (const [where, byte] of changes) bytes.writeUInt8(byte, 21 + (where % (bytes.length - 21)))
          expectRecordsOrError(withChecksum(bytes))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('random bytes end in one clear error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (bytes) => expectRecordsOrError(Buffer.from(bytes))),
      { numRuns: 500 },
    )
  })
})

function expectRecordsOrError(bytes: Buffer): void {
  const cursor = new RecordCursor()
  cursor.load(regionOf(bytes), 0, Number.POSITIVE_INFINITY)
  let last = -1
  try {
    for (let count = cursor.fill(5); count > 0; count = cursor.fill(5)) {
      for (let index = 0; index < count; index++) {
        const offset = cursor.offsets[index] as number
        expect(offset).toBeGreaterThan(last)
        last = offset
        expect(cursor.valueEnds[index]).toBeLessThanOrEqual(cursor.bytes.length)
        expect(cursor.recordEnds[index]).toBeLessThanOrEqual(cursor.bytes.length)
      }
    }
  } catch (error) {
    if (!isMillraceError(error)) throw error
    expect(error.code).toBe('MR_KAFKA_CORRUPT')
    expect(error.message).toMatch(/^topic ads, partition 3, offset \d+: /)
  }
}
