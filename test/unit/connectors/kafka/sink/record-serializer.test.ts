import { expect, test } from 'vitest'
import { type EncodedRecord, keptRecord } from '../../../../../src/connectors/kafka/sink/encoded-record.ts'
import type { KafkaSinkRecord } from '../../../../../src/connectors/kafka/sink/kafka-sink-options.ts'
import { recordSerializer } from '../../../../../src/connectors/kafka/sink/record-serializer.ts'
import { confluentAvro, int32, json, nullable, record, string } from '../../../../../src/formats/index.ts'
import { SchemaRegistryServer } from '../../../../support/schema-registry.ts'

test('a schema is registered before the first record is written', async () => {
  const registry = await SchemaRegistryServer.start()
  try {
    const value = confluentAvro({ url: registry.url, topic: 'out', type: record({ n: int32() }) })
    const serializer = recordSerializer({ topic: 'out', value })
    await serializer.open()
    expect(registry.versionsOf('out-value')).toBe(1)
    expect(serializer.serialize({ n: 5 }, 7, () => 0)).toMatchObject({
      topic: 'out',
      keyLength: -1,
      valueLength: 6,
      timestamp: 7,
    })
    expect(serializer.serialize({ n: 5 }, 7, () => 0).bytes.subarray(0, 6)).toEqual(Buffer.from([0, 0, 0, 0, 1, 10]))
  } finally {
    await registry.stop()
  }
})

/** Key and value as they would be written now. */
function contentOf({ bytes, keyLength, valueLength }: EncodedRecord): readonly (string | null)[] {
  const start = Math.max(keyLength, 0)
  return [
    keyLength < 0 ? null : bytes.toString('utf8', 0, keyLength),
    valueLength < 0 ? null : bytes.toString('utf8', start, start + valueLength),
  ]
}

test('key and value are written one behind the other, whatever their lengths and letters', () => {
  const declared = recordSerializer({
    topic: 'out',
    key: ({ key }) => key,
    value: json(record({ key: nullable(string()), n: int32() })),
  })
  const { serialize } = recordSerializer<KafkaSinkRecord>({ serialize: (whole) => whole })
  for (const key of ['', 'u1', 'é', 'a'.repeat(41), 'ü𝒳'.repeat(3000), null, 'x']) {
    expect(contentOf(declared.serialize({ key, n: -5 }, 7, () => 0))).toEqual([key, JSON.stringify({ key, n: -5 })])
    for (const value of ['', 'text', 'é'.repeat(5000), null]) {
      expect(contentOf(serialize({ topic: 'out', key, value }, 7, () => 0))).toEqual([key, value])
    }
  }
})

test('a kept record stays what it was, and a partitioner may keep the key', () => {
  const keys: (Uint8Array | null)[] = []
  const { serialize } = recordSerializer<string>({
    topic: 'out',
    key: (text) => text,
    value: string(),
    partitioner: ({ key }) => keys.push(key),
  })
  const first = serialize('one', 7, () => 0)
  const kept = keptRecord(first)
  first.choosePartition?.(1)
  serialize('two', 7, () => 0)
  expect(contentOf(kept)).toEqual(['one', 'one'])
  expect(keys).toEqual([Buffer.from('one')])
})
