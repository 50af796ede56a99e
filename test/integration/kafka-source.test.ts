import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type KafkaRecord, KafkaSource, OffsetsInitializer } from '../../src/connectors/kafka/index.ts'
import { bytes, string } from '../../src/formats/index.ts'
import { readToEnd, SourceRun, startSplits, withEnumerator } from './support/source-run.ts'
import { compressions, numbers, sorted, TestTopics } from './support/topics.ts'

const brokers = inject('kafkaBootstrap').split(',')
const topics = new TestTopics({ brokers })

beforeAll(() => topics.open())
afterAll(() => topics.close())

function texts(topic: string) {
  return KafkaSource.of({ brokers, topics: [topic], value: string(), endOffsets: 'latest' })
}

describe('records', () => {
  test('key, value, headers, timestamp, topic, partition and offset reach the deserializer', async () => {
    const topic = await topics.create({ partitions: 2 })
    const producer = await topics.producer()
    const messages = [
      { key: 'a', value: 'one', partition: 1, timestamp: '1700000000001', headers: { h: ['x', 'y'], other: 'z' } },
      { key: null, value: 'two', partition: 1, timestamp: '1700000000000' },
      { key: 'c', value: null, partition: 1, timestamp: '1700000000002' },
    ]
    await producer.send({ topic, messages })
    const source = KafkaSource.of({
      brokers,
      topics: [topic],
      endOffsets: 'latest',
      deserialize: (record: KafkaRecord) => ({
        place: [record.topic, record.partition, record.offset],
        key: record.key?.toString() ?? null,
        value: record.value?.toString() ?? null,
        timestamp: record.timestamp,
        headers: record.headers.map(({ key, value }) => [key, value?.toString()]),
      }),
    })
    const run = await readToEnd(source)
    expect(run.values).toEqual([
      {
        place: [topic, 1, 0],
        key: 'a',
        value: 'one',
        timestamp: 1_700_000_000_001,
        headers: [
          ['h', 'x'],
          ['h', 'y'],
          ['other', 'z'],
        ],
      },
      { place: [topic, 1, 1], key: null, value: 'two', timestamp: 1_700_000_000_000, headers: [] },
      { place: [topic, 1, 2], key: 'c', value: null, timestamp: 1_700_000_000_002, headers: [] },
    ])
    expect(run.records.map(({ timestamp }) => timestamp)).toEqual([
      1_700_000_000_001, 1_700_000_000_000, 1_700_000_000_002,
    ])
    expect(run.finishedSplits.toSorted()).toEqual([`${topic}-0`, `${topic}-1`])
  })

  test.each([
    ['gzip', compressions.GZIP],
    ['snappy', compressions.Snappy],
    ['lz4', compressions.LZ4],
    ['zstd', compressions.ZSTD],
    ['no compression', compressions.None],
  ])('values compressed by %s are read, also where the broker packs them again', async (name, compression) => {
    const config = compression === compressions.None ? {} : { 'compression.type': name }
    const topic = await topics.create({ config })
    await topics.fill(topic, { count: 1000, compression })
    await topics.fill(topic, { first: 1000, count: 1000 })
    expect((await readToEnd(texts(topic))).values).toEqual(numbers(0, 2000))
  })

  test('values of bytes stay what they are after more has been fetched', async () => {
    const topic = await topics.create()
    await topics.fill(topic, { count: 20_000 })
    const small = { maxPartitionFetchBytes: 70_000 }
    const options = { brokers, topics: [topic], endOffsets: 'latest', properties: small } as const
    const run = await readToEnd(KafkaSource.of({ ...options, value: bytes() }))
    expect(run.values.map((value) => Buffer.from(value).toString())).toEqual(numbers(0, 20_000))
    const copied = await readToEnd(KafkaSource.of({ ...options, value: string() }))
    expect(copied.values).toEqual(numbers(0, 20_000))
  })

  test('records without a value are passed over by a format', async () => {
    const topic = await topics.create()
    const producer = await topics.producer()
    await producer.send({ topic, messages: [{ value: '1' }, { key: 'k', value: null }, { value: '2' }] })
    expect((await readToEnd(texts(topic))).values).toEqual(['1', '2'])
  })

  test('a record that can not be decoded is a dead letter with its place, and reading goes on', async () => {
    const topic = await topics.create()
    const producer = await topics.producer()
    const timestamp = '1700000000005'
    await producer.send({ topic, messages: ['1', '{', '3'].map((value) => ({ key: 'k', value, timestamp })) })
    const source = KafkaSource.of({
      brokers,
      topics: [topic],
      endOffsets: 'latest',
      deserialize: ({ value }): unknown => JSON.parse(String(value)),
    })
    const run = await readToEnd(source)
    expect(run.values).toEqual([1, 3])
    expect(run.deadLetters).toEqual([
      {
        place: `topic ${topic}, partition 0, offset 1`,
        topic,
        partition: 0,
        offset: 1,
        error: expect.stringContaining('JSON'),
        key: new Uint8Array(Buffer.from('k')),
        value: new Uint8Array(Buffer.from('{')),
        timestamp: 1_700_000_000_005,
      },
    ])
  })
})

describe('positions', () => {
  test('a reader restored from a snapshot in the middle goes on with the next record of each partition', async () => {
    const topic = await topics.create({ partitions: 3 })
    await topics.fill(topic, { count: 5000, partitions: 3 })
    await topics.fill(topic, { first: 5000, count: 5000, partitions: 3, compression: compressions.GZIP })
    const source = KafkaSource.of({
      brokers,
      topics: [topic],
      endOffsets: 'latest',
      value: string(),
      properties: { maxPartitionFetchBytes: 20_000 },
    })
    const seen: string[] = []
    let splits = await startSplits(source)
    for (let attempt = 1; ; attempt++) {
      const run = new SourceRun(source, splits)
      run.reader.noMoreSplits()
      await run.until(() => run.records.length >= 777, { maxRecords: 100 })
      splits = run.reader.snapshot()
      seen.push(...run.values)
      await run.reader.close()
      if (run.ended) break
      expect(attempt).toBeLessThan(20)
      splits = await withEnumerator(source, (enumerator) => enumerator.restore(splits, 1))
    }
    expect(sorted(seen)).toEqual(numbers(0, 10_000))
  })

  test('lag is what is left to read', async () => {
    const topic = await topics.create()
    await topics.fill(topic, { count: 1000 })
    const source = KafkaSource.of({ brokers, topics: [topic], value: string() })
    const run = new SourceRun(source, await startSplits(source))
    await run.until(() => run.records.length === 100, { maxRecords: 100 })
    expect(run.reader.lag?.()).toBe(900)
    expect(run.reader.currentPlace?.()).toBe(`topic ${topic}, partition 0, offset 99`)
    await run.until(() => run.records.length === 1000)
    expect(run.reader.lag?.()).toBe(0)
    await topics.fill(topic, { first: 1000, count: 10 })
    await run.until(() => run.records.length === 1010)
    await run.reader.close()
    expect(run.values).toEqual(numbers(0, 1010))
  })

  test('starting and end offsets: timestamps, explicit ones, latest', async () => {
    const topic = await topics.create({ partitions: 2 })
    const producer = await topics.producer()
    const messages = numbers(0, 10).map((value) => ({
      value,
      partition: 0,
      timestamp: String(1000 * (Number(value) + 1)),
    }))
    await producer.send({ topic, messages })
    const base = { brokers, topics: [topic], value: string() }
    const read = async (options: Partial<Parameters<typeof KafkaSource.of<string>>[0]>) =>
      (await readToEnd(KafkaSource.of({ ...base, ...options } as Parameters<typeof KafkaSource.of<string>>[0]))).values
    const [start, end] = [OffsetsInitializer.timestamp(3500), OffsetsInitializer.timestamp(7000)]
    expect(await read({ startingOffsets: start, endOffsets: end })).toEqual(numbers(3, 3))
    expect(await read({ startingOffsets: OffsetsInitializer.timestamp(50_000), endOffsets: 'latest' })).toEqual([])
    expect(await read({ startingOffsets: 'latest', endOffsets: 'latest' })).toEqual([])
    const explicit = (offset: number, otherwise: 'earliest' | 'latest') =>
      OffsetsInitializer.offsets([{ topic, partition: 0, offset }], otherwise)
    expect(await read({ startingOffsets: explicit(4, 'earliest'), endOffsets: explicit(6, 'latest') })).toEqual([
      '4',
      '5',
    ])
    await expect(read({ endOffsets: explicit(11, 'latest') })).rejects.toMatchObject({
      code: 'MR_KAFKA_OFFSET',
      message: `endOffsets: topic ${topic}, partition 0: offset 11 lies beyond the end of the log, which is 10`,
    })
    await expect(read({ startingOffsets: explicit(11, 'latest'), endOffsets: 'latest' })).rejects.toMatchObject({
      code: 'MR_KAFKA_OFFSET',
      message: expect.stringContaining('offset 11 is outside of the log, which has 0 to 10'),
    })
  })

  test('R18: a position that was deleted from the log fails the restore and a running reader, naming it', async () => {
    const topic = await topics.create()
    await topics.fill(topic, { count: 100 })
    const source = KafkaSource.of({ brokers, topics: [topic], value: string() })
    const splits = await startSplits(source)
    await topics.admin.fetchTopicOffsets(topic) // Else kafkajs does not know the leader.
    await topics.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '50' }] })
    await expect(withEnumerator(source, (enumerator) => enumerator.restore(splits, 1))).rejects.toMatchObject({
      code: 'MR_KAFKA_OFFSET',
      message: `the checkpoint: topic ${topic}, partition 0: offset 0 is outside of the log, which has 50 to 100`,
    })
    const run = new SourceRun(source, splits)
    await expect(run.until(() => false)).rejects.toMatchObject({
      code: 'MR_KAFKA_OFFSET',
      message: expect.stringContaining(`topic ${topic}, partition 0: offset 0 is outside of the log`),
    })
    await run.reader.close()
  })
})

describe('enumerator', () => {
  test('a pattern finds topics by their whole name, and discovery finds those that appear, from their first record', async () => {
    const first = await topics.create({ name: 'found' })
    const prefix = first.slice(0, -1)
    const source = KafkaSource.of({
      brokers,
      topicPattern: new RegExp(`${prefix}.`),
      value: string(),
      startingOffsets: 'latest',
      partitionDiscoveryInterval: '1s',
    })
    const second = `${prefix}X`
    const idsOf = (splits: readonly { id: string }[]) => splits.map(({ id }) => id)
    await withEnumerator(source, async (enumerator) => {
      expect(enumerator.discoveryIntervalMs).toBe(1000)
      const splits = await enumerator.start(1)
      expect(idsOf(splits)).toEqual([`${first}-0`])
      await topics.admin.createTopics({
        topics: [{ topic: second, numPartitions: 2 }, { topic: `${second}Y` }],
        waitForLeaders: true,
      })
      await topics.fill(second, { count: 4, partitions: 2 })
      const added = await enumerator.discover(new Set(idsOf(splits)))
      expect(idsOf(added)).toEqual([`${second}-0`, `${second}-1`])
      const run = new SourceRun(source, [...splits, ...added])
      await run.until(() => run.records.length === 4)
      expect(sorted(run.values)).toEqual(numbers(0, 4))
      await run.reader.close()
      // R18: on a restore, what the checkpoint does not know starts at earliest too.
      const restored = await enumerator.restore(splits, 1)
      expect(restored).toEqual([...splits, ...added])
    })
  })

  test('a topic that does not exist fails with its name within seconds', async () => {
    const begun = Date.now()
    await expect(startSplits(texts('no-such-topic'))).rejects.toMatchObject({
      code: 'MR_KAFKA_TOPIC',
      message: `topic no-such-topic does not exist on ${brokers.join(', ')}: create it, or correct its name`,
    })
    expect(Date.now() - begun).toBeLessThan(5000)
  })

  test('brokers that can not be reached fail with their addresses within seconds', async () => {
    const begun = Date.now()
    const source = KafkaSource.of({ brokers: ['127.0.0.1:1', 'localhost:2'], topics: ['ads'], value: string() })
    await expect(startSplits(source)).rejects.toMatchObject({
      code: 'MR_KAFKA_UNREACHABLE',
      message: expect.stringMatching(/127\.0\.0\.1:1, localhost:2: .*ECONNREFUSED/),
    })
    expect(Date.now() - begun).toBeLessThan(6000)
  })

  test('a bootstrap list with one broker that is away works', async () => {
    const topic = await topics.create()
    await topics.fill(topic, { count: 10 })
    const source = KafkaSource.of({
      brokers: ['127.0.0.1:1', ...brokers],
      topics: [topic],
      value: string(),
      endOffsets: 'latest',
    })
    expect((await readToEnd(source)).values).toEqual(numbers(0, 10))
  })

  test('group offsets are committed after a checkpoint, and a later job can start from them', async () => {
    const topic = await topics.create({ partitions: 2 })
    await topics.fill(topic, { count: 20, partitions: 2 })
    const options = { brokers, topics: [topic], groupId: `g-${topic}`, value: string() } as const
    const source = KafkaSource.of(options)
    const [zero, one] = await startSplits(source)
    await expect(
      startSplits(KafkaSource.of({ ...options, startingOffsets: OffsetsInitializer.committedOffsets() })),
    ).rejects.toMatchObject({ code: 'MR_KAFKA_OFFSET', message: expect.stringContaining(options.groupId) })
    const warnings: string[] = []
    await withEnumerator(
      source,
      async (enumerator) => {
        const at = (split: typeof zero, offset: number) => ({
          id: split?.id ?? '',
          position: { ...(split?.position as { topic: string; partition: number }), offset },
        })
        await enumerator.checkpointCompleted([at(zero, 4), at(one, 6)])
        await enumerator.checkpointCompleted([at(zero, 5)])
      },
      warnings,
    )
    expect(warnings).toEqual([])
    const committed = await topics.admin.fetchOffsets({ groupId: options.groupId, topics: [topic] })
    expect(committed[0]?.partitions.map(({ offset }) => offset)).toEqual(['5', '6'])
    const later = KafkaSource.of({ ...options, startingOffsets: 'committed', endOffsets: 'latest' })
    // Even numbers are in partition 0, from offset 5 on, odd ones in partition 1, from offset 6 on.
    expect(sorted((await readToEnd(later)).values)).toEqual(['10', '12', '13', '14', '15', '16', '17', '18', '19'])
  })

  test('R19: a foreign member of the group blocks only the commit, with one warning', async () => {
    const topic = await topics.create()
    await topics.fill(topic, { count: 3 })
    const groupId = `g-${topic}`
    const consumer = topics.kafka.consumer({ groupId })
    await consumer.connect()
    await consumer.subscribe({ topic })
    const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve))
    await consumer.run({ eachMessage: async () => undefined })
    await joined
    const source = KafkaSource.of({ brokers, topics: [topic], groupId, value: string() })
    const warnings: string[] = []
    await withEnumerator(
      source,
      async (enumerator) => {
        const splits = await enumerator.start(1)
        await enumerator.checkpointCompleted(splits)
        await enumerator.checkpointCompleted(splits)
      },
      warnings,
    )
    await consumer.disconnect()
    expect(warnings).toEqual([expect.stringContaining(`group ${groupId}, since other consumers are members of it`)])
  })
})
