import type { SourceOutput, SourceRecord, UndecodedRecord } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import type { SourceSpec } from '../graph/operator-spec.ts'
import type { ColumnScan } from './columns/column-scan.ts'
import type { DeadLetterOutput, Undeliverable } from './dead-letter-output.ts'
import type { OperatorMetrics, Receiver } from './operator.ts'
import { jsonText } from './record-text.ts'
import { type StreamWatermarks, timestampsOf, type WatermarkPart } from './stream-watermarks.ts'

export interface ChainSourceOutputOptions {
  readonly spec: SourceSpec
  readonly operatorName: string
  /** The chain behind the source. */
  readonly receiver: Receiver
  readonly scan?: ColumnScan | undefined
  /** undefined: the source has no dead-letter output. */
  readonly deadLetters: DeadLetterOutput | undefined
  /** As the source holds it. */
  currentRecord(): SourceRecord | undefined
  readonly watermarks: StreamWatermarks
  readonly metrics: OperatorMetrics
}

/** Gives a reader's records their timestamps and passes them to the chain; tells each split's watermark generator. */
export class ChainSourceOutput implements SourceOutput<unknown> {
  readonly #options: ChainSourceOutputOptions
  readonly #receiver: Receiver
  readonly #timestampOf: ((value: unknown, recordTimestamp: number) => number) | undefined
  readonly collectValues?: NonNullable<SourceOutput<unknown>['collectValues']>
  #splitId: string | undefined
  #part: WatermarkPart | undefined
  records = 0
  /** Set while the chain has a record: an error that comes then belongs to that record. */
  emitting = false

  constructor(options: ChainSourceOutputOptions) {
    this.#options = options
    this.#receiver = options.receiver
    this.#timestampOf = timestampsOf(options.spec.watermarks, options.operatorName)
    const { scan } = options
    if (scan === undefined) return
    this.collectValues = (values, count, decodeAndCollect) => {
      this.#part?.beforeRecord()
      const { records, highestTimestamp } = scan.run(values, count, decodeAndCollect)
      this.records += records
      // The generator cares for the highest timestamp alone: the planner has made sure of it.
      if (records > 0) this.#part?.afterRecord(undefined, highestTimestamp)
    }
  }

  get splitId(): string | undefined {
    return this.#splitId
  }

  useSplit(splitId: string): void {
    if (splitId === this.#splitId) return
    this.#splitId = splitId
    this.#part = this.#options.watermarks.part(splitId)
  }

  collect(value: unknown, recordTimestamp: number): void {
    this.emitting = true
    if (this.#options.deadLetters !== undefined && !this.#hasTimestamp(value, recordTimestamp)) return
    const timestamp = this.#timestampOf === undefined ? recordTimestamp : this.#timestampOf(value, recordTimestamp)
    const part = this.#part
    this.records++
    part?.beforeRecord()
    this.#receiver.processElement(value, timestamp)
    part?.afterRecord(value, timestamp)
    this.emitting = false
  }

  deadLetter(record: UndecodedRecord): void {
    const { operatorName, deadLetters, metrics } = this.#options
    if (deadLetters === undefined) metrics.deadLetters++
    const error = new MillraceError(
      'MR_DESERIALIZATION',
      `source "${operatorName}" can not decode ${record.place}: ${record.error}`,
      { operator: operatorName },
    )
    const { timestamp, error: reason } = record
    this.#divert(error, { record: null, recordKey: null, timestamp, origin: record, reason })
  }

  /** Asks for the timestamp before anything has seen the record; false: that has made a dead letter of it. */
  #hasTimestamp(value: unknown, recordTimestamp: number): boolean {
    try {
      this.#timestampOf?.(value, recordTimestamp)
      return true
    } catch (error) {
      const origin = this.#options.currentRecord()
      this.#divert(error, { record: jsonText(value), recordKey: null, timestamp: recordTimestamp, origin })
      this.emitting = false
      return false
    }
  }

  #divert(error: unknown, undeliverable: Undeliverable): void {
    const { deadLetters, metrics } = this.#options
    if (deadLetters === undefined) throw error
    deadLetters.records = this.records + metrics.deadLetters + 1
    deadLetters.take(error, () => undeliverable)
  }

  splitFinished(splitId: string): void {
    this.#options.watermarks.removePart(splitId)
    if (splitId === this.#splitId) {
      this.#splitId = undefined
      this.#part = undefined
    }
  }
}
