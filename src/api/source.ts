import type { JsonValue } from '../common/json.ts'
import type { Clock } from '../common/ports.ts'
import type { DataType } from '../formats/data-type.ts'
import type { Format } from '../formats/format.ts'

/**
 * A part of a source that is read in order: a Kafka partition, a range of a sequence. Plain data: it stands in
 * checkpoint records and travels to the subtask that reads it.
 */
export interface SourceSplit {
  /** Unique within the source, stable over restarts. */
  readonly id: string
  /** Where to read on, and whatever else the connector's reader needs. */
  readonly position: JsonValue
}

/**
 * What the JobMaster needs to find the splits of a source. Plain data, since no user code runs in a leader (R27);
 * `connector` names the enumerator that understands `options`.
 */
export interface SourceDescription {
  readonly connector: string
  readonly options: JsonValue
}

/** A source of records. Connectors implement it; jobs pass it to `env.fromSource`. */
export interface Source<T> {
  /** `bounded`: the input ends, and the job with it. */
  readonly boundedness: 'bounded' | 'continuous'
  readonly description: SourceDescription
  /** The type of the records; untyped where nothing was declared. */
  readonly type: DataType<T>
  /**
   * The format of values whose bytes the reader can hand out where they lie, by `collectValues` of its output. Left out:
   * it only collects decoded values.
   */
  readonly valueFormat?: Format<T>
  /** Sources that can only be read by one subtask say 1. */
  readonly maxParallelism?: number
  createReader(context: SourceReaderContext): SourceReader<T>
}

export interface SourceReaderContext {
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly operatorName: string
  readonly clock: Clock
  /** To be called when `poll` may have something again after it said `waiting`. Safe to call at any time. */
  wake(): void
  /** Fails the subtask. */
  fail(error: unknown): void
}

/**
 * `records`: something was emitted, more may follow at once. `waiting`: nothing is here now; `wake` will be called.
 * `blocked`: records are here that can not be emitted yet, such as those whose schema is being fetched; `wake` will be
 * called, and idle time does not run (R19). `ended`: every split is at its end and no more will come.
 */
export type PollResult = 'records' | 'waiting' | 'blocked' | 'ended'

/** Reads the splits of one subtask. One thread calls it; nothing in it may block. */
export interface SourceReader<T> {
  addSplits(splits: readonly SourceSplit[]): void
  /** No split will be added any more: with all splits at their end the reader has ended. */
  noMoreSplits(): void
  /** Emits up to `maxRecords` records, synchronously. Not called while the task is backpressured: then do not fetch ahead without limit. */
  poll(output: SourceOutput<T>, maxRecords: number): PollResult
  /** The splits with the positions after the last emitted record, finished ones included. Called between polls. */
  snapshot(): readonly SourceSplit[]
  /** Place of the record that is being emitted, such as topic, partition and offset: asked for when the chain behind `collect` has thrown. */
  currentPlace?(): string
  /** The same record as its source holds it, for dead letters; the bytes are copies. */
  currentRecord?(): SourceRecord
  /** Records between the positions and the ends of the splits, as far as known; for people only. */
  lag?(): number
  close(): Promise<void>
}

/** Where the bytes of values lie: value i is `bytes[valueStarts[i], valueEnds[i])`; a start of −1 is no value, and passed over. */
export interface ValueRanges {
  readonly bytes: Buffer
  readonly valueStarts: Int32Array
  readonly valueEnds: Int32Array
  /** The records' own, such as Kafka's. */
  readonly timestamps: Float64Array
}

/** Where a reader puts its records. */
export interface SourceOutput<T> {
  /** Records collected from now on belong to this split: watermarks are kept for each split (R19). */
  useSplit(splitId: string): void
  /** `timestamp`: the record's own, such as Kafka's; `noTimestamp` where there is none. */
  collect(value: T, timestamp: number): void
  /**
   * Instead of `collect`, where it is there and the source has a `valueFormat`: takes values that are not decoded yet.
   * `decodeAndCollect(i)` is called for those that it leaves to the reader. The ranges are valid during the call.
   */
  collectValues?(values: ValueRanges, count: number, decodeAndCollect: (index: number) => void): void
  /** A record that can not be decoded. Fails the task unless the source has a dead-letter output; `describe` names its place. */
  deadLetter(record: UndecodedRecord): void
  /** The split is at its end and holds back no watermark any more. */
  splitFinished(splitId: string): void
}

/** A record as its source holds it. */
export interface SourceRecord {
  /** Human-readable place: topic, partition and offset. */
  readonly place: string
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
}

/** A record that could not be decoded, and why. */
export interface UndecodedRecord extends SourceRecord {
  readonly error: string
}

export { noTimestamp } from '../common/timestamps.ts'

/** Finds the splits of one source. Runs beside the JobMaster; the only code of a connector that does. */
export interface SplitEnumerator {
  /**
   * Splits for a first start, with positions as numbers (R18). The caller stores them before deployment.
   * @throws MillraceError MR_KAFKA_TOPIC and the like, which fail the job with one clear message
   */
  start(parallelism: number): Promise<readonly SourceSplit[]>
  /** Splits for a restart from `known` (the checkpoint's): checked, with those that appeared since, at their earliest position (R18). */
  restore(known: readonly SourceSplit[], parallelism: number): Promise<readonly SourceSplit[]>
  /** How often to look for new splits while the job runs; undefined: never. */
  readonly discoveryIntervalMs?: number
  /** Splits that are not in `knownIds`. */
  discover(knownIds: ReadonlySet<string>): Promise<readonly SourceSplit[]>
  /** A checkpoint with these positions has completed: for people's tools only, such as committing group offsets. Errors are warnings. */
  checkpointCompleted(splits: readonly SourceSplit[]): Promise<void>
  close(): Promise<void>
}

/** Makes the enumerator of a description; the command line and the testing cluster inject one that knows all connectors. */
export type EnumeratorOf = (description: SourceDescription, context: EnumeratorContext) => SplitEnumerator

export interface EnumeratorContext {
  readonly operatorName: string
  readonly clock: Clock
  /** Something a person should see, such as a foreign member in the consumer group (R19). */
  warn(message: string): void
}
