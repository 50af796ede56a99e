import type { DeadLetter, SourceOutput } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import type { SourceSpec } from '../graph/operator-spec.ts'
import type { OperatorMetrics, Receiver } from './operator.ts'
import { type StreamWatermarks, timestampsOf, type WatermarkPart } from './stream-watermarks.ts'

export interface ChainSourceOutputOptions {
  readonly spec: SourceSpec
  readonly operatorName: string
  /** The chain behind the source. */
  readonly receiver: Receiver
  /** undefined where nothing reads them, or the source has no dead-letter output. */
  readonly deadLetters: Receiver | undefined
  readonly watermarks: StreamWatermarks
  readonly metrics: OperatorMetrics
}

/** Gives a reader's records their timestamps and passes them to the chain; tells each split's watermark generator. */
export class ChainSourceOutput implements SourceOutput<unknown> {
  readonly #options: ChainSourceOutputOptions
  readonly #receiver: Receiver
  readonly #timestampOf: ((value: unknown, recordTimestamp: number) => number) | undefined
  #splitId: string | undefined
  #part: WatermarkPart | undefined
  records = 0
  /** Set while the chain has a record: an error that comes then belongs to that record. */
  emitting = false

  constructor(options: ChainSourceOutputOptions) {
    this.#options = options
    this.#receiver = options.receiver
    this.#timestampOf = timestampsOf(options.spec.watermarks, options.operatorName)
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
    const timestamp = this.#timestampOf === undefined ? recordTimestamp : this.#timestampOf(value, recordTimestamp)
    const part = this.#part
    this.records++
    part?.beforeRecord()
    this.#receiver.processElement(value, timestamp)
    part?.afterRecord(value, timestamp)
    this.emitting = false
  }

  deadLetter(record: DeadLetter): void {
    const { spec, operatorName, deadLetters, metrics } = this.#options
    metrics.deadLetters++
    if (spec.deadLetterTag === undefined) {
      throw new MillraceError(
        'MR_DESERIALIZATION',
        `source "${operatorName}" can not decode ${record.place}: ${record.error}`,
        { operator: operatorName },
      )
    }
    deadLetters?.processElement(record, record.timestamp)
  }

  splitFinished(splitId: string): void {
    this.#options.watermarks.removePart(splitId)
    if (splitId === this.#splitId) {
      this.#splitId = undefined
      this.#part = undefined
    }
  }
}
