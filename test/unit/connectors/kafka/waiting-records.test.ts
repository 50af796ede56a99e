import { afterEach, beforeEach, expect, test } from 'vitest'
import { KafkaSource } from '../../../../src/connectors/kafka/index.ts'
import { confluentAvro, type Format, int32, record } from '../../../../src/formats/index.ts'
import { SourceRun } from '../../../integration/support/source-run.ts'
import { SchemaRegistryServer } from '../../../support/schema-registry.ts'
import { encodeBatch } from './batch-encoder.ts'
import { FakeBroker } from './fake-broker.ts'

interface Numbered {
  readonly n: number
}

const numbered = record({ n: int32() })
const count = 10
let registry: SchemaRegistryServer
let broker: FakeBroker
const runs: SourceRun<Numbered>[] = []

beforeEach(async () => {
  registry = await SchemaRegistryServer.start()
})

afterEach(async () => {
  await Promise.all(runs.splice(0).map((run) => run.reader.close()))
  await Promise.all([registry.stop(), broker.stop()])
})

/** Ten records, the first four of schema 1, then `later`. */
async function read(format: Format<Numbered>, later: readonly number[] = [2]): Promise<SourceRun<Numbered>> {
  const records = Array.from({ length: count }, (_, offset) => {
    const id = offset < 4 ? 1 : (later[offset % later.length] as number)
    return { offset, timestamp: 0, key: null, value: Buffer.from([0, 0, 0, 0, id, offset * 2]) }
  })
  broker = await FakeBroker.start({
    leaders: () => [1],
    nodes: () => new Map([[1, broker.port]]),
    fetch: () => ({ partition: () => ({ records: encodeBatch({ records }), highWatermark: count }) }),
  })
  const source = KafkaSource.of({ brokers: [broker.address], topics: ['ads'], value: format })
  const run = new SourceRun(source, [{ id: 'ads-0', position: { topic: 'ads', partition: 0, offset: 0, end: count } }])
  runs.push(run)
  return run
}

function schema(name: string) {
  return { type: 'record', name, fields: [{ name: 'n', type: 'int' }] }
}

function position(run: SourceRun<Numbered>): unknown {
  return run.reader.snapshot().map(({ position: at }) => (at as { readonly offset: unknown }).offset)[0]
}

test('records wait for their schemas; a checkpoint in between begins with the first that waits', async () => {
  registry.add('ads-value', schema('A'))
  registry.add('ads-value', schema('B'))
  const release = registry.hold()
  const run = await read(confluentAvro({ url: registry.url, type: numbered }))
  await run.until(() => registry.requests.length === 1)
  expect(run.values).toEqual([])
  expect(position(run)).toBe(0)
  release()
  await run.until(() => run.records.length > 0)
  expect(run.values.map(({ n }) => n)).toEqual([0, 1, 2, 3])
  expect(position(run)).toBe(4)
  await run.toEnd()
  expect(run.values.map(({ n }) => n)).toEqual(Array.from({ length: count }, (_, n) => n))
  expect(registry.requests).toEqual(['GET /schemas/ids/1', 'GET /schemas/ids/2'])
  expect(position(run)).toBe(count)
})

test('a schema that there is not makes dead letters of its records alone', async () => {
  registry.add('ads-value', schema('A'))
  const run = await read(confluentAvro({ url: registry.url, type: numbered }), [9, 1])
  await run.toEnd()
  expect(run.values.map(({ n }) => n)).toEqual([0, 1, 2, 3, 5, 7, 9])
  expect(run.deadLetters.map(({ place }) => place)).toEqual([4, 6, 8].map((n) => `topic ads, partition 0, offset ${n}`))
  expect(run.deadLetters[0]?.error).toContain('the registry has no such schema')
})

test('a registry that does not answer fails the task, and loses nothing', async () => {
  registry.add('ads-value', schema('A'))
  registry.outages = [500]
  const run = await read(confluentAvro({ url: registry.url, type: numbered, retries: 0 }))
  await expect(run.toEnd()).rejects.toMatchObject({ code: 'MR_SCHEMA_REGISTRY' })
  expect(position(run)).toBe(0)
})
