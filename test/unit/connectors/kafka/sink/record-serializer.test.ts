import { expect, test } from 'vitest'
import { recordSerializer } from '../../../../../src/connectors/kafka/sink/record-serializer.ts'
import { confluentAvro, int32, record } from '../../../../../src/formats/index.ts'
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
      value: Buffer.from([0, 0, 0, 0, 1, 10]),
      timestamp: 7,
    })
  } finally {
    await registry.stop()
  }
})
