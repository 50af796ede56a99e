import type { KafkaApi } from '../kafka-protocol.ts'
import { AnswerReader, RequestWriter } from '../wire-format.ts'

/** What a producer asks of brokers, in the last versions before "flexible" headers. */
export const produceApis = {
  produce: { name: 'Produce', key: 0, version: 7 },
  findCoordinator: { name: 'FindCoordinator', key: 10, version: 2 },
  initProducerId: { name: 'InitProducerId', key: 22, version: 1 },
  addPartitionsToTransaction: { name: 'AddPartitionsToTxn', key: 24, version: 1 },
  endTransaction: { name: 'EndTxn', key: 26, version: 1 },
} as const satisfies Readonly<Record<string, KafkaApi>>

/** One producer, as the transaction coordinator knows it. */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly epoch: number
}

// ---- Produce ----

export interface PartitionRecords {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
}

export interface ProduceRequest {
  readonly transactionalId: string | null
  readonly acks: -1 | 1
  /** How long the leader may wait for its replicas. */
  readonly timeoutMs: number
  readonly batches: readonly PartitionRecords[]
}

export interface ProducedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
}

export function encodeProduceRequest({ transactionalId, acks, timeoutMs, batches }: ProduceRequest): Buffer {
  const size = batches.reduce((sum, { bytes, topic }) => sum + bytes.length + topic.length * 3 + 16, 64)
  const writer = new RequestWriter(size + (transactionalId?.length ?? 0) * 3).string(transactionalId)
  writer.int16(acks).int32(timeoutMs)
  return writer.array([...Map.groupBy(batches, ({ topic }) => topic)], ([topic, ofTopic]) => {
    writer.string(topic).array(ofTopic, ({ partition, bytes }) => writer.int32(partition).sizedBytes(bytes))
  }).bytes
}

export function decodeProduceAnswer(bytes: Buffer): ProducedPartition[] {
  const reader = new AnswerReader(bytes)
  return reader
    .array(() => {
      const topic = reader.string()
      return reader.array(() => {
        const produced = { topic, partition: reader.int32(), errorCode: reader.int16() }
        reader.skip(24) // Offset, time of the append, start of the log.
        return produced
      })
    })
    .flat()
}

// ---- Transactions ----

/** The coordinator of a transactional id, by node id. */
export function encodeFindTransactionCoordinator(transactionalId: string): Buffer {
  return new RequestWriter().string(transactionalId).int8(1).bytes
}

/** `transactionalId` null: for repeats alone, without transactions. */
export function encodeInitProducerId(transactionalId: string | null, transactionTimeoutMs: number): Buffer {
  return new RequestWriter().string(transactionalId).int32(transactionTimeoutMs).bytes
}

export function decodeInitProducerId(bytes: Buffer): ProducerIdentity & { readonly errorCode: number } {
  const reader = new AnswerReader(bytes)
  reader.int32() // Throttle time.
  const errorCode = reader.int16()
  return { errorCode, producerId: reader.id64(), epoch: reader.int16() }
}

export interface TransactionPartition {
  readonly topic: string
  readonly partition: number
}

export function encodeAddPartitions(
  transactionalId: string,
  { producerId, epoch }: ProducerIdentity,
  partitions: readonly TransactionPartition[],
): Buffer {
  const writer = new RequestWriter().string(transactionalId).id64(producerId).int16(epoch)
  return writer.array([...Map.groupBy(partitions, ({ topic }) => topic)], ([topic, ofTopic]) => {
    writer.string(topic).array(ofTopic, ({ partition }) => writer.int32(partition))
  }).bytes
}

/** The first error that is not "another partition of the same request had one". */
export function decodeAddPartitions(bytes: Buffer): number {
  const reader = new AnswerReader(bytes)
  reader.int32() // Throttle time.
  const codes = reader
    .array(() => {
      reader.string()
      return reader.array(() => {
        reader.int32()
        return reader.int16()
      })
    })
    .flat()
  const notAttempted = 55
  return codes.find((code) => code !== 0 && code !== notAttempted) ?? codes.find((code) => code !== 0) ?? 0
}

export function encodeEndTransaction(
  transactionalId: string,
  { producerId, epoch }: ProducerIdentity,
  outcome: 'commit' | 'abort',
): Buffer {
  return new RequestWriter()
    .string(transactionalId)
    .id64(producerId)
    .int16(epoch)
    .int8(outcome === 'commit' ? 1 : 0).bytes
}

export function decodeEndTransaction(bytes: Buffer): number {
  const reader = new AnswerReader(bytes)
  reader.int32() // Throttle time.
  return reader.int16()
}
