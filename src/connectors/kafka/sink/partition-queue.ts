import { partitionKey } from '../kafka-client.ts'
import { contentLength, type EncodedRecord } from './encoded-record.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import type { RecordPacking } from './record-packing.ts'
import type { WriteInterval } from './write-interval.ts'

/** A batch on its way: the same bytes and numbers, however often it is sent. */
export interface SealedBatch {
  readonly interval: WriteInterval
  readonly bytes: Buffer
  readonly count: number
  /** What it took of the writer's budget. */
  readonly heldBytes: number
  sequence: number | undefined
  /** Monotonic milliseconds of the first try that failed. */
  failingSinceMs: number | undefined
  tries: number
}

/** Records of one partition: those that are gathered into a batch, and the batches that wait for their turn. */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly key: string
  readonly ready: SealedBatch[] = []
  /** Its first batch is on its way: one at a time, so that repeats keep the order and the numbers. */
  inFlight = false
  readonly #packing: RecordPacking
  readonly #batchBytes: number
  readonly #builder: RecordBatchBuilder
  #interval: WriteInterval | undefined

  constructor(topic: string, partition: number, options: { packing: RecordPacking; batchBytes: number }) {
    this.topic = topic
    this.partition = partition
    this.key = partitionKey({ topic, partition })
    this.#packing = options.packing
    this.#batchBytes = options.batchBytes
    this.#builder = new RecordBatchBuilder(Math.min(options.batchBytes, 32 * 1024))
  }

  get isOpen(): boolean {
    return this.#interval !== undefined
  }

  /** Gives the bytes that it takes of the writer's budget. */
  append(interval: WriteInterval, record: EncodedRecord): number {
    if (this.#interval !== interval || this.#isFullWith(record)) this.seal()
    if (this.#interval === undefined) {
      this.#interval = interval
      interval.begin()
    }
    const before = this.#builder.count === 0 ? 0 : this.#builder.byteLength
    this.#builder.append(record)
    return this.#builder.byteLength - before
  }

  /** The batch that is being gathered waits to be sent from now on. */
  seal(): boolean {
    const interval = this.#interval
    if (interval === undefined) return false
    const heldBytes = this.#builder.byteLength
    const { bytes, count } = this.#builder.take(this.#packing.codec)
    this.#interval = undefined
    this.ready.push({ interval, bytes, count, heldBytes, sequence: undefined, failingSinceMs: undefined, tries: 0 })
    return true
  }

  /** A single record that is larger makes a batch of its own. */
  #isFullWith(record: EncodedRecord): boolean {
    return this.#builder.count > 0 && this.#builder.byteLength + contentLength(record) > this.#batchBytes
  }
}
