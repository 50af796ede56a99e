import { describe, expect, test } from 'vitest'
import { defaultKafkaBrokers } from '../../../../src/config/kafka-defaults.ts'
import { FetchBuffers } from '../../../../src/connectors/kafka/fetch-buffers.ts'
import { FrameAssembler } from '../../../../src/connectors/kafka/frame-socket.ts'
import { KafkaSource, OffsetsInitializer } from '../../../../src/connectors/kafka/index.ts'
import { RequestDeadlines } from '../../../../src/connectors/kafka/request-deadlines.ts'
import { AnswerReader, RequestWriter, readInt64 } from '../../../../src/connectors/kafka/wire-format.ts'
import { bytes, string } from '../../../../src/formats/index.ts'

describe('options', () => {
  test('the description is plain data, with all defaults', () => {
    const { description } = KafkaSource.of({ topics: ['ads', 'ads'], value: string() })
    expect(JSON.parse(JSON.stringify(description))).toEqual(description)
    expect(description.connector).toBe('kafka')
    expect(description.options).toMatchObject({
      brokers: null,
      topics: ['ads'],
      groupId: null,
      start: { kind: 'earliest' },
      end: null,
      isolation: 'read_committed',
      discoveryIntervalMs: 300_000,
    })
  })

  test('an end makes the source bounded, and a bounded source does not look for partitions', () => {
    const source = KafkaSource.of({ topics: ['ads'], value: string(), endOffsets: 'latest' })
    expect(source.boundedness).toBe('bounded')
    expect(source.description.options).toMatchObject({ end: { kind: 'latest' }, discoveryIntervalMs: 0 })
    expect(KafkaSource.of({ topics: ['ads'], value: string() }).boundedness).toBe('continuous')
  })

  test('the type of the records is that of the format', () => {
    expect(KafkaSource.of({ topics: ['ads'], value: bytes() }).type).toEqual({ kind: 'bytes' })
    expect(KafkaSource.of({ topics: ['ads'], deserialize: ({ offset }) => offset }).type).toEqual({ kind: 'untyped' })
  })

  test('a pattern matches whole names', () => {
    const { description } = KafkaSource.of({ topicPattern: /ads-\d|views/gi, value: string() })
    expect(description.options).toMatchObject({ topics: { source: '^(?:ads-\\d|views)$', flags: 'i' } })
  })

  test.each([
    [{ topics: [] }, 'topics: it needs at least one'],
    [{ topics: 'ads' }, "topics: a list of strings is needed, such as ['orders']"],
    [{ topics: ['ads'], brokers: 'a:1,b:1' }, 'brokers: a list of strings is needed'],
    [{ topics: ['ads'], topicPattern: /a/ }, 'either topics or topicPattern'],
    [{ topics: ['ads'], brokers: [] }, 'brokers'],
    [{ topics: ['ads'], startingOffsets: 'committed' }, 'needs a groupId'],
    [{ topics: ['ads'], endOffsets: 'earliest' }, 'endOffsets: earliest is no end'],
    [{ topics: ['ads'], partitionDiscoveryInterval: 'soon' }, 'partitionDiscoveryInterval'],
    [{ topics: ['ads'], properties: { requestTimeout: 'x' } }, 'properties.requestTimeout'],
    [{ topics: ['ads'], properties: { maxPartitionFetchBytes: 0 } }, 'properties.maxPartitionFetchBytes'],
    [{ topics: ['ads'], properties: { fetchMaxBytes: 2 ** 31 } }, 'properties.fetchMaxBytes'],
    [{ topics: ['ads'], groupId: '' }, 'groupId'],
    [{ topics: ['ads'], deserialize: () => 1 }, 'either value or deserialize'],
  ])('%o is refused', (options, message) => {
    const wrong = { value: string(), ...options } as unknown as Parameters<typeof KafkaSource.of>[0]
    expect(() => KafkaSource.of(wrong)).toThrow(expect.objectContaining({ code: 'MR_CONFIGURATION' }))
    expect(() => KafkaSource.of(wrong)).toThrow(message)
  })

  test('offsets and times that are none are refused', () => {
    expect(() => OffsetsInitializer.timestamp(-1)).toThrow('no time')
    expect(() => OffsetsInitializer.offsets([{ topic: 'ads', partition: 0, offset: 0.5 }])).toThrow('no offset')
  })

  test('the brokers of the environment: our own variable, the usual one, this machine', () => {
    expect(defaultKafkaBrokers({ MILLRACE_KAFKA_BROKERS: 'a:1, b:2', KAFKA_BROKERS: 'c:3' })).toEqual(['a:1', 'b:2'])
    expect(defaultKafkaBrokers({ KAFKA_BROKERS: 'c:3' })).toEqual(['c:3'])
    expect(defaultKafkaBrokers({})).toEqual(['127.0.0.1:9092'])
  })
})

describe('wire format', () => {
  test.each([0, 1, -1, -2, 2 ** 31, -(2 ** 31), 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1)])(
    'the 64-bit integer %d is written and read exactly',
    (value) => {
      const { bytes: written } = new RequestWriter().int64(value)
      expect(written.readBigInt64BE(0)).toBe(BigInt(value))
      expect(readInt64(written, 0)).toBe(value)
    },
  )

  test('an answer that ends too early is an error of Kafka', () => {
    const short = expect.objectContaining({ code: 'MR_KAFKA' })
    expect(() => new AnswerReader(Buffer.alloc(3)).int32()).toThrow(short)
    expect(() => new AnswerReader(Buffer.from([0, 9, 65])).string()).toThrow(short)
    expect(() => new AnswerReader(Buffer.from([0x7f, 0xff, 0xff, 0xff])).array(() => 1)).toThrow(short)
  })
})

describe('frames', () => {
  test('bytes that come in any pieces are put together to frames, without their size', () => {
    const stream = Buffer.concat([5, 4, 300].map((size) => Buffer.concat([sizeOf(size), Buffer.alloc(size, size)])))
    for (const piece of [1, 2, 3, 7, 1000]) {
      const frames = new FrameAssembler(new FetchBuffers({ reuse: false }), () => 1000)
      const found: Buffer[] = []
      for (let at = 0; at < stream.length; ) {
        const target = frames.target()
        const count = Math.min(piece, target.length, stream.length - at)
        target.set(stream.subarray(at, at + count))
        at += count
        const frame = frames.advance(count)
        if (Buffer.isBuffer(frame)) found.push(frame)
      }
      expect(found).toEqual([5, 4, 300].map((size) => Buffer.alloc(size, size)))
    }
  })

  test('a size that no answer has is an error', () => {
    const frames = new FrameAssembler(new FetchBuffers({ reuse: false }), () => 1000)
    frames.target().set(Buffer.from('HTTP'))
    expect(frames.advance(4)).toBeInstanceOf(Error)
  })

  test('a buffer that was given back is used again, unless views may point into it', () => {
    const buffers = new FetchBuffers({ reuse: true })
    const first = buffers.take(100_000)
    buffers.release(first.subarray(8))
    expect(buffers.take(120_000).buffer).toBe(first.buffer)
    expect(buffers.take(100_000).buffer).not.toBe(first.buffer)
    const never = new FetchBuffers({ reuse: false })
    const kept = never.take(100_000)
    never.release(kept)
    expect(never.take(100_000).buffer).not.toBe(kept.buffer)
  })
})

function sizeOf(size: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(size)
  return bytes
}

test('R26: a request times out by turns of the event loop, not by the time that passed while the thread was busy', async () => {
  const actions: (() => void)[] = []
  const deadlines = new RequestDeadlines({
    now: () => 0,
    monotonicMs: () => 0,
    schedule: (_, action) => {
      actions.push(action)
      return { cancel: () => actions.splice(actions.indexOf(action), 1) }
    },
  })
  const turn = () => actions.shift()?.()
  let expired = false
  const answer = Promise.withResolvers<string>()
  const guarded = deadlines.guard(answer.promise, 500, () => {
    expired = true
    answer.reject(new Error('too late'))
  })
  turn()
  turn()
  expect(expired).toBe(false)
  turn()
  expect(expired).toBe(true)
  await expect(guarded).rejects.toThrow('too late')
  expect(actions).toEqual([])
  await expect(deadlines.guard(Promise.resolve('in time'), 500, () => undefined)).resolves.toBe('in time')
  expect(actions).toEqual([])
})
