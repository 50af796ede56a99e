import { expect, test } from 'vitest'
import { TopicPartitions } from '../../../../../src/connectors/kafka/sink/topic-partitions.ts'

const keyless = { bytes: Buffer.from('a value'), keyLength: -1 }

test('a key decides its partition as in Kafka; without one a partition stays until its batch is done', () => {
  const partitions = new TopicPartitions('orders', 4)
  partitions.count = 3
  // murmur2('foobar') is −790332482: 1357151166 without its sign bit.
  expect(partitions.partitionOf({ bytes: Buffer.from('foobar, and a value'), keyLength: 6 })).toBe(1_357_151_166 % 3)
  expect([partitions.partitionOf(keyless), partitions.partitionOf(keyless)]).toEqual([1, 1])
  partitions.moveOn(0)
  expect(partitions.partitionOf(keyless)).toBe(1)
  partitions.moveOn(1)
  expect(partitions.partitionOf(keyless)).toBe(2)
  partitions.moveOn(2)
  expect(partitions.partitionOf(keyless)).toBe(0)
})

test('partitions grow where they are known, and never shrink', () => {
  const partitions = new TopicPartitions('orders', 4)
  partitions.grow(2)
  expect(partitions.count).toBe(0)
  partitions.count = 2
  partitions.grow(5)
  partitions.grow(3)
  expect(partitions.count).toBe(5)
  expect(partitions.partitionOf(keyless)).toBe(4)
})
