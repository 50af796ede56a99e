import type { SourceOutput, SourceRecord } from '../../api/source.ts'
import { messageOf } from '../../common/errors.ts'
import type { Decoder } from '../../formats/format.ts'
import { NotYetDecodable } from '../../formats/not-yet-decodable.ts'
import { type KafkaRecord, kafkaRecordAt, rangeOf } from './kafka-record.ts'
import type { RecordCursor } from './record-cursor.ts'

/**
 * Decodes records `[from, count)` of the cursor's last `fill` and collects them. One that can not be decoded is a dead
 * letter. Returns where it stopped: at `count`, or at a record that can not be decoded yet.
 */
export type RecordEmitter<T> = (records: RecordCursor, from: number, count: number, output: SourceOutput<T>) => number

/** Told what a record that can not be decoded yet waits for. */
export type WaitFor = (ready: Promise<void>) => void

/**
 * Values by a format; records without a value (tombstones) are passed over. Where the decoder can give views, the
 * bytes of the records must never be used again.
 */
export function valueEmitter<T>(decoder: Decoder<T>, waitFor: WaitFor): RecordEmitter<T> {
  return decoder.decodeView === undefined
    ? (records, from, count, output) => emitValues(decoder, { records, from, count, output, waitFor })
    : (records, from, count, output) => emitViews(decoder, { records, from, count, output, waitFor })
}

interface Batch<T> {
  readonly records: RecordCursor
  readonly from: number
  readonly count: number
  readonly output: SourceOutput<T>
  readonly waitFor: WaitFor
}

// Two loops that differ in one call, so that neither decides anything for each record.

function emitValues<T>(decoder: Decoder<T>, { records, from, count, output, waitFor }: Batch<T>): number {
  if (output.collectValues !== undefined) {
    // What is scanned is JSON, which can always be decoded at once, or never.
    output.collectValues(records, count, (index) => emitValue(decoder, records, { index, output }))
    return count
  }
  const { bytes, valueStarts, valueEnds, timestamps } = records
  for (let index = from; index < count; index++) {
    const start = valueStarts[index] as number
    if (start < 0) continue
    records.current = index
    let value: T
    try {
      value = decoder.decode(bytes, start, valueEnds[index] as number)
    } catch (error) {
      if (isNotYet(error, waitFor)) return index
      deadLetter(records, output, error)
      continue
    }
    output.collect(value, timestamps[index] as number)
  }
  return count
}

/** One that was left to the decoder. */
function emitValue<T>(
  decoder: Decoder<T>,
  records: RecordCursor,
  { index, output }: { readonly index: number; readonly output: SourceOutput<T> },
): void {
  records.current = index
  let value: T
  try {
    value = decoder.decode(records.bytes, records.valueStarts[index] as number, records.valueEnds[index] as number)
  } catch (error) {
    deadLetter(records, output, error)
    return
  }
  output.collect(value, records.timestamps[index] as number)
}

function emitViews<T>(decoder: Decoder<T>, { records, from, count, output, waitFor }: Batch<T>): number {
  const { bytes, valueStarts, valueEnds, timestamps } = records
  for (let index = from; index < count; index++) {
    const start = valueStarts[index] as number
    if (start < 0) continue
    records.current = index
    let value: T
    try {
      value = (decoder.decodeView as Decoder<T>['decode'])(bytes, start, valueEnds[index] as number)
    } catch (error) {
      if (isNotYet(error, waitFor)) return index
      deadLetter(records, output, error)
      continue
    }
    output.collect(value, timestamps[index] as number)
  }
  return count
}

/** Whole records by a function of the user; the bytes of the records must never be used again. */
export function recordEmitter<T>(deserialize: (record: KafkaRecord) => T, waitFor: WaitFor): RecordEmitter<T> {
  return (records, from, count, output) => {
    for (let index = from; index < count; index++) {
      records.current = index
      let value: T
      try {
        value = deserialize(kafkaRecordAt(records, index))
      } catch (error) {
        if (isNotYet(error, waitFor)) return index
        deadLetter(records, output, error)
        continue
      }
      output.collect(value, records.timestamps[index] as number)
    }
    return count
  }
}

function isNotYet(error: unknown, waitFor: WaitFor): boolean {
  if (!(error instanceof NotYetDecodable)) return false
  waitFor(error.ready)
  return true
}

function deadLetter<T>(records: RecordCursor, output: SourceOutput<T>, error: unknown): void {
  output.deadLetter({ ...sourceRecordAt(records, records.current), error: messageOf(error) })
}

/** A record with copies of its bytes: those of the cursor may be used again. */
export function sourceRecordAt(records: RecordCursor, index: number): SourceRecord {
  const { bytes, keyStarts, keyEnds, valueStarts, valueEnds, timestamps, offsets, topic, partition } = records
  return {
    place: records.placeOf(index),
    topic,
    partition,
    offset: offsets[index] as number,
    key: copyOf(rangeOf(bytes, keyStarts[index] as number, keyEnds[index] as number)),
    value: copyOf(rangeOf(bytes, valueStarts[index] as number, valueEnds[index] as number)),
    timestamp: timestamps[index] as number,
  }
}

function copyOf(bytes: Buffer | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes)
}
