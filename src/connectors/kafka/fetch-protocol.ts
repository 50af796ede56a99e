import { type IsolationLevel, isolationNumber } from './kafka-protocol.ts'
import type { AbortedTransaction } from './record-batch.ts'
import { AnswerReader, RequestWriter } from './wire-format.ts'

export interface FetchLimits {
  /** How long the broker may wait for a first record. */
  readonly maxWaitMs: number
  /** Of one partition in one answer; a larger record batch comes whole all the same. */
  readonly maxPartitionBytes: number
  /** Of one answer. */
  readonly maxBytes: number
}

export interface FetchTarget {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** -1 with some errors. */
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly aborted: readonly AbortedTransaction[]
  /** Where the record batches stand in the answer. */
  readonly start: number
  readonly end: number
}

export interface FetchAnswer {
  readonly bytes: Buffer
  /** The broker asks for a pause: the client is above its quota. */
  readonly throttleMs: number
  readonly errorCode: number
  readonly partitions: readonly FetchedPartition[]
}

/** The targets are served in order until the answer is full: the caller rotates them. */
export function encodeFetchRequest(
  targets: readonly FetchTarget[],
  limits: FetchLimits,
  isolation: IsolationLevel,
): Buffer {
  const writer = new RequestWriter()
    .int32(-1) // No replica.
    .int32(limits.maxWaitMs)
    .int32(1) // An answer as soon as there is a byte.
    .int32(limits.maxBytes)
    .int8(isolationNumber(isolation))
    .int32(0) // No fetch session.
    .int32(-1)
  const byTopic = [...Map.groupBy(targets, ({ topic }) => topic)]
  writer.array(byTopic, ([topic, partitions]) => {
    writer.string(topic).array(partitions, ({ partition, offset }) => {
      writer.int32(partition).int32(-1).int64(offset).int64(-1).int32(limits.maxPartitionBytes)
    })
  })
  return writer.int32(0).string('').bytes // No partitions to forget, no rack.
}

export function decodeFetchAnswer(bytes: Buffer): FetchAnswer {
  const reader = new AnswerReader(bytes)
  const throttleMs = reader.int32()
  const errorCode = reader.int16()
  reader.int32() // Session.
  const partitions = reader
    .array(() => {
      const topic = reader.string()
      return reader.array(() => readPartition(reader, topic))
    })
    .flat()
  return { bytes, throttleMs, errorCode, partitions }
}

function readPartition(reader: AnswerReader, topic: string): FetchedPartition {
  const head = {
    topic,
    partition: reader.int32(),
    errorCode: reader.int16(),
    highWatermark: reader.int64(),
    lastStableOffset: reader.int64(),
  }
  reader.int64() // Start of the log.
  const aborted = reader.array(() => ({ producerId: reader.id64(), firstOffset: reader.int64() }))
  reader.int32() // Preferred replica: only with a rack.
  const size = Math.max(0, reader.int32())
  const start = reader.skip(size)
  return { ...head, aborted, start, end: start + size }
}
