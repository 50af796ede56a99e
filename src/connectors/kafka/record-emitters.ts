import type { SourceOutput } from '../../api/source.ts'
import { messageOf } from '../../common/errors.ts'
import type { Decoder } from '../../formats/format.ts'
import { type KafkaRecord, kafkaRecordAt, rangeOf } from './kafka-record.ts'
import type { RecordCursor } from './record-cursor.ts'

/** Decodes the `count` records of the cursor's last `fill` and collects them. One that can not be decoded is a dead letter. */
export type RecordEmitter<T> = (records: RecordCursor, count: number, output: SourceOutput<T>) => void

/**
 * Values by a format; records without a value (tombstones) are passed over. Where the decoder can give views, the
 * bytes of the records must never be used again.
 */
export function valueEmitter<T>(decoder: Decoder<T>): RecordEmitter<T> {
  return decoder.decodeView === undefined
    ? (records, count, output) => emitValues(decoder, { records, count, output })
    : (records, count, output) => emitViews(decoder, { records, count, output })
}

interface Batch<T> {
  readonly records: RecordCursor
  readonly count: number
  readonly output: SourceOutput<T>
}

// Two loops that differ in one call, so that neither decides anything for each record.

function emitValues<T>(decoder: Decoder<T>, { records, count, output }: Batch<T>): void {
  const { bytes, valueStarts, valueEnds, timestamps } = records
  for (let index = 0; index < count; index++) {
    const start = valueStarts[index] as number
    if (start < 0) continue
    records.current = index
    let value: T
    try {
      value = decoder.decode(bytes, start, valueEnds[index] as number)
    } catch (error) {
      deadLetter(records, output, error)
      continue
    }
    output.collect(value, timestamps[index] as number)
  }
}

function emitViews<T>(decoder: Decoder<T>, { records, count, output }: Batch<T>): void {
  const { bytes, valueStarts, valueEnds, timestamps } = records
  for (let index = 0; index < count; index++) {
    const start = valueStarts[index] as number
    if (start < 0) continue
    records.current = index
    let value: T
    try {
      value = (decoder.decodeView as Decoder<T>['decode'])(bytes, start, valueEnds[index] as number)
    } catch (error) {
      deadLetter(records, output, error)
      continue
    }
    output.collect(value, timestamps[index] as number)
  }
}

/** Whole records by a function of the user; the bytes of the records must never be used again. */
export function recordEmitter<T>(deserialize: (record: KafkaRecord) => T): RecordEmitter<T> {
  return (records, count, output) => {
    for (let index = 0; index < count; index++) {
      records.current = index
      let value: T
      try {
        value = deserialize(kafkaRecordAt(records, index))
      } catch (error) {
        deadLetter(records, output, error)
        continue
      }
      output.collect(value, records.timestamps[index] as number)
    }
  }
}

function deadLetter<T>(records: RecordCursor, output: SourceOutput<T>, error: unknown): void {
  const { bytes, current, keyStarts, keyEnds, valueStarts, valueEnds, timestamps } = records
  output.deadLetter({
    place: records.placeOf(current),
    error: messageOf(error),
    key: copyOf(rangeOf(bytes, keyStarts[current] as number, keyEnds[current] as number)),
    value: copyOf(rangeOf(bytes, valueStarts[current] as number, valueEnds[current] as number)),
    timestamp: timestamps[current] as number,
  })
}

function copyOf(bytes: Buffer | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes)
}
