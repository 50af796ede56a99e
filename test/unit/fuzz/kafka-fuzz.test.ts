import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FetchBuffers } from '../../../src/connectors/kafka/fetch-buffers.ts'
import { decodeFetchAnswer, type FetchAnswer } from '../../../src/connectors/kafka/fetch-protocol.ts'
import { FrameAssembler } from '../../../src/connectors/kafka/frame-socket.ts'
import {
  checkVersions,
  decodeFindCoordinatorAnswer,
  decodeListOffsetsAnswer,
  decodeMetadataAnswer,
} from '../../../src/connectors/kafka/kafka-protocol.ts'
import { kafkaRecordAt } from '../../../src/connectors/kafka/kafka-record.ts'
import { RecordCursor } from '../../../src/connectors/kafka/record-cursor.ts'
import { ScramClient } from '../../../src/connectors/kafka/scram.ts'
import { RequestWriter } from '../../../src/connectors/kafka/wire-format.ts'
import { encodeBatches, type TestBatch, type TestCodec, withChecksum } from '../connectors/kafka/batch-encoder.ts'
import { atOnce, damaged, damages, fuzzRuns, fuzzTimeoutMs, valueOrClearError } from './support.ts'

const field = fc.option(fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)))
const content = fc.record({
  gap: fc.nat(3),
  timestamp: fc.nat(2 ** 41),
  key: field,
  value: field,
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: field }), { maxLength: 2 }),
})
const codec = fc.constantFrom<TestCodec>('none', 'none', 'gzip', 'snappy', 'snappy-raw', 'lz4', 'zstd')
const batches: fc.Arbitrary<TestBatch[]> = fc
  .array(fc.record({ codec, contents: fc.array(content, { minLength: 1, maxLength: 8 }) }), {
    minLength: 1,
    maxLength: 3,
  })
  .map((list) => {
    let offset = 0
    return list.map(({ codec: name, contents }) => ({
      codec: name,
      records: contents.map(({ gap, ...record }) => {
        offset += gap + 1
        return { ...record, offset }
      }),
    }))
  })

interface Seen {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | undefined
  readonly value: string | undefined
}

/** All that the cursor gives before it ends, or tells of damage in a clear error. */
function seenIn(bytes: Buffer): readonly Seen[] {
  const cursor = new RecordCursor()
  const seen: Seen[] = []
  cursor.load({ topic: 'ads', partition: 3, bytes, start: 0, end: bytes.length, aborted: [] }, 0, Infinity)
  valueOrClearError(() => {
    for (let count = cursor.fill(7); count > 0; count = cursor.fill(7)) {
      for (let index = 0; index < count; index++) {
        const { offset, timestamp, key, value } = kafkaRecordAt(cursor, index)
        seen.push({ offset, timestamp, key: key?.toString('hex'), value: value?.toString('hex') })
      }
    }
  }, ['MR_KAFKA_CORRUPT'])
  return seen
}

function withoutOffset({ offset: _, ...rest }: Seen): Omit<Seen, 'offset'> {
  return rest
}

/** Where the bytes begin that a batch's checksum covers. */
const coveredFrom = 21
/** The base offset stands before what the checksum covers. */
const afterBaseOffset = 8

describe('record batches', () => {
  test(
    'damage of any kind leaves the records before it, then a clear error or the end, and never a wrong value',
    () => {
      fc.assert(
        fc.property(batches, damages, (list, damage) => {
          const sound = encodeBatches(list)
          const right = seenIn(sound)
          const seen = atOnce(() => seenIn(damaged(sound, damage, afterBaseOffset)))
          // No checksum covers base offsets: those after the first batch may be others, but they rise. So a batch that
          // is repeated behind another base offset is sound to everybody; what it holds was written all the same.
          if (damage.some(({ kind }) => kind === 'repeat')) {
            const written = right.map(withoutOffset)
            for (const record of seen) expect(written).toContainEqual(withoutOffset(record))
          } else {
            expect(seen.map(withoutOffset)).toEqual(right.slice(0, seen.length).map(withoutOffset))
          }
          for (const [index, { offset }] of seen.entries())
            expect(offset).toBeGreaterThan(seen[index - 1]?.offset ?? -1)
        }),
        fuzzRuns(150),
      )
    },
    fuzzTimeoutMs,
  )

  test(
    'damage under a right checksum, as a broken producer makes it, ends in records or a clear error',
    () => {
      fc.assert(
        fc.property(batches, damages, ([batch], damage) => {
          const bytes = damaged(encodeBatches(batch === undefined ? [] : [batch]), damage, coveredFrom)
          if (bytes.length >= coveredFrom) {
            bytes.writeInt32BE(bytes.length - 12, 8)
            withChecksum(bytes)
          }
          const seen = atOnce(() => seenIn(bytes))
          for (const [index, { offset }] of seen.entries())
            expect(offset).toBeGreaterThan(seen[index - 1]?.offset ?? -1)
        }),
        fuzzRuns(250),
      )
    },
    fuzzTimeoutMs,
  )

  test(
    'random bytes give no record',
    () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
          expect(atOnce(() => seenIn(Buffer.from(bytes)))).toEqual([])
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeoutMs,
  )
})

describe('answers', () => {
  const decoders: readonly ((bytes: Buffer) => unknown)[] = [
    decodeFetchAnswer,
    decodeMetadataAnswer,
    decodeListOffsetsAnswer,
    decodeFindCoordinatorAnswer,
    checkVersions,
  ]

  test(
    'random and damaged answers are read or refused, at once',
    () => {
      const answers = fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc
          .tuple(fc.constantFrom(fetchAnswer(), metadataAnswer()), damages)
          .map(([bytes, list]) => damaged(bytes, list)),
      )
      fc.assert(
        fc.property(answers, fc.constantFrom(...decoders), (bytes, decode) => {
          atOnce(() => valueOrClearError(() => decode(Buffer.from(bytes)), ['MR_KAFKA']))
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeoutMs,
  )

  test(
    'the records of a damaged fetch answer lie within it',
    () => {
      fc.assert(
        fc.property(damages, (list) => {
          const bytes = damaged(fetchAnswer(), list)
          const answer = valueOrClearError<FetchAnswer>(() => decodeFetchAnswer(bytes), ['MR_KAFKA'])
          for (const { start, end } of answer?.value.partitions ?? []) {
            expect(start).toBeGreaterThanOrEqual(0)
            expect(end).toBeGreaterThanOrEqual(start)
            expect(end).toBeLessThanOrEqual(bytes.length)
          }
        }),
        fuzzRuns(200),
      )
    },
    fuzzTimeoutMs,
  )
})

function fetchAnswer(): Buffer {
  const writer = new RequestWriter().int32(0).int16(0).int32(0)
  return writer.array([0, 1], (partition) => {
    writer.string(`topic-${partition}`).array([1, 2, 3], (number) => {
      writer.int32(number).int16(0).int64(100).int64(90).int64(0)
      writer.array([1, 2], (id) => writer.int64(id).int64(id * 10))
      writer.int32(-1).sizedBytes(Buffer.alloc(20, number))
    })
  }).bytes
}

function metadataAnswer(): Buffer {
  const writer = new RequestWriter().int32(0)
  writer.array([1, 2, 3], (node) => writer.int32(node).string('localhost').int32(9092).string(null))
  writer.string('cluster').int32(1)
  return writer.array(['ads', 'views'], (topic) => {
    writer
      .int16(0)
      .string(topic)
      .int8(0)
      .array([0, 1], (partition) => {
        writer.int16(0).int32(partition).int32(1).int32(0).int32(0)
      })
  }).bytes
}

describe('frames', () => {
  const limit = 100_000

  test(
    'frames that come in any pieces come whole, and a damaged stream is an error or other frames, at once',
    () => {
      const frame = fc.uint8Array({ minLength: 4, maxLength: 300 })
      const input = fc.record({
        frames: fc.array(frame, { maxLength: 6 }),
        pieces: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 10 }),
        damage: fc.option(damages),
      })
      fc.assert(
        fc.property(input, ({ frames, pieces, damage }) => {
          const stream = Buffer.concat(frames.map((bytes) => new RequestWriter().sizedBytes(bytes).bytes.subarray()))
          const bytes = damage === null ? stream : damaged(stream, damage)
          const found = atOnce(() => framesOf(bytes, pieces))
          if (damage === null) expect(found).toEqual(frames.map((each) => Buffer.from(each)))
        }),
        fuzzRuns(200),
      )
    },
    fuzzTimeoutMs,
  )

  function framesOf(stream: Buffer, pieces: readonly number[]): readonly Buffer[] {
    const assembler = new FrameAssembler(new FetchBuffers({ reuse: true }), () => limit)
    const found: Buffer[] = []
    for (let at = 0, piece = 0; at < stream.length; piece++) {
      const target = assembler.target()
      expect(target.length).toBeGreaterThan(0)
      expect(target.length).toBeLessThanOrEqual(limit)
      const count = Math.min(pieces[piece % pieces.length] ?? 1, target.length, stream.length - at)
      target.set(stream.subarray(at, at + count))
      at += count
      const frame = assembler.advance(count)
      if (frame instanceof Error) return found
      if (frame !== undefined) found.push(frame)
    }
    return found
  }
})

test(
  'SCRAM: whatever the server says, the log-in fails by a clear error',
  async () => {
    const message = fc.oneof(
      fc.string({ maxLength: 80 }),
      fc
        .tuple(fc.constant('r=nonce123,s=c2FsdA==,i=4096'), damages)
        .map(([text, list]) => damaged(Buffer.from(text), list).toString('latin1')),
    )
    await fc.assert(
      fc.asyncProperty(message, message, async (first, final) => {
        const client = new ScramClient('sha256', { username: 'ann', password: 'secret' }, 'nonce')
        await expect(client.finalMessage(first).then(() => client.checkServerFinal(final))).rejects.toThrow(/^SCRAM: /)
      }),
      fuzzRuns(40),
    )
  },
  fuzzTimeoutMs,
)
