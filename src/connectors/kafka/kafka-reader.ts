import type { PollResult, SourceOutput, SourceReader, SourceRecord, SourceSplit } from '../../api/source.ts'
import { kafkaSplitOf, sourceSplitOf } from './kafka-split.ts'
import type { FetchedRegion, PartitionFetcher } from './partition-fetcher.ts'
import { PartitionReading } from './partition-reading.ts'
import { RecordCursor } from './record-cursor.ts'
import { type RecordEmitter, sourceRecordAt } from './record-emitters.ts'

/** Reads the partitions of one subtask. */
export class KafkaReader<T> implements SourceReader<T> {
  readonly #fetcher: PartitionFetcher
  readonly #emit: RecordEmitter<T>
  readonly #cursor = new RecordCursor()
  readonly #readings: PartitionReading[] = []
  /** The one that is being decoded. */
  #region: FetchedRegion | undefined
  /** Records `[next, filled)` of the cursor are still to be emitted: one of them could not be decoded yet. */
  #next = 0
  #filled = 0
  #noMoreSplits = false

  constructor(fetcher: PartitionFetcher, emit: RecordEmitter<T>) {
    this.#fetcher = fetcher
    this.#emit = emit
  }

  addSplits(splits: readonly SourceSplit[]): void {
    const added = splits.map((split) => {
      const { topic, partition, offset, end } = kafkaSplitOf(split)
      return new PartitionReading(split.id, { topic, partition, offset, end: end ?? Number.POSITIVE_INFINITY })
    })
    this.#readings.push(...added)
    this.#fetcher.add(added)
  }

  noMoreSplits(): void {
    this.#noMoreSplits = true
  }

  poll(output: SourceOutput<T>, maxRecords: number): PollResult {
    for (;;) {
      this.#region ??= this.#open(output)
      const region = this.#region
      if (region === undefined) return this.#nothingHere(output)
      if (this.#next === this.#filled) {
        this.#next = 0
        this.#filled = this.#cursor.fill(maxRecords)
      }
      region.reading.position = this.#cursor.position
      if (this.#filled > 0) return this.#emitFrom(this.#next, region.reading, output)
      this.#region = undefined
      this.#fetcher.release(region)
      this.#finishIfAtEnd(region.reading, output)
    }
  }

  snapshot(): readonly SourceSplit[] {
    return this.#readings.map(({ topic, partition, position, end }) =>
      sourceSplitOf({ topic, partition, offset: position, end: Number.isFinite(end) ? end : undefined }),
    )
  }

  currentPlace(): string {
    return this.#cursor.placeOf(this.#cursor.current)
  }

  currentRecord(): SourceRecord {
    return sourceRecordAt(this.#cursor, this.#cursor.current)
  }

  lag(): number {
    return this.#readings.reduce((sum, { lag }) => sum + lag, 0)
  }

  async close(): Promise<void> {
    this.#region = undefined
    this.#fetcher.close()
  }

  #emitFrom(from: number, reading: PartitionReading, output: SourceOutput<T>): PollResult {
    this.#next = this.#emit(this.#cursor, from, this.#filled, output)
    if (this.#next === this.#filled) return 'records'
    // A checkpoint that comes now must hold the record that waits.
    reading.position = this.#cursor.offsets[this.#next] as number
    return this.#next > from ? 'records' : 'blocked'
  }

  #open(output: SourceOutput<T>): FetchedRegion | undefined {
    const region = this.#fetcher.take()
    if (region === undefined) return undefined
    this.#cursor.load(region, region.reading.position, region.reading.end)
    output.useSplit(region.reading.splitId)
    return region
  }

  #nothingHere(output: SourceOutput<T>): PollResult {
    // Ends that no record leads to: of an empty range, or one that was compacted away.
    for (const reading of this.#readings) this.#finishIfAtEnd(reading, output)
    return this.#noMoreSplits && this.#readings.every(({ finished }) => finished) ? 'ended' : 'waiting'
  }

  #finishIfAtEnd(reading: PartitionReading, output: SourceOutput<T>): void {
    if (reading.finished || reading.position < reading.end) return
    reading.finished = true
    output.splitFinished(reading.splitId)
  }
}
