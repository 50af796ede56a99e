import { cursor, damaged, readCount, readLong, writeLong } from '../formats/avro-primitives.ts'
import { avroSchema, canonicalSchemaText, crc64Avro } from '../formats/avro-schema.ts'
import { ByteWriter } from '../formats/byte-writer.ts'
import type { DataType } from '../formats/data-type.ts'
import { type Serializer, serializerOf } from '../formats/serializer.ts'
import { Stamped, StampedList } from './time-to-live.ts'

const maxLongBytes = 10

/** `list`: the value is a list whose items have a time each. */
export type StampedShape = 'value' | 'list'

/** Values with a time to live: an Avro record of the time, or of a list's times, and the value as it is without one. */
export class StampedSerializer implements Serializer<Stamped<unknown> | StampedList<unknown>> {
  readonly fingerprint: string
  readonly schemaText: string
  readonly #value: Serializer<unknown>
  readonly #shape: StampedShape
  readonly #scratch = new ByteWriter(256)

  constructor(type: DataType<unknown>, shape: StampedShape) {
    this.#value = serializerOf(type)
    this.#shape = shape
    const time = shape === 'list' ? ({ type: 'array', items: 'long' } as const) : 'long'
    const value = avroSchema(type)
    const fields = [
      { name: 'lastAccessMs', type: time },
      { name: 'value', type: value },
    ]
    this.schemaText = JSON.stringify({ name: 'WithTimeToLive', type: 'record', fields })
    // An untyped value is told apart from plain bytes, as schemaFingerprint does.
    const text = type.kind === 'untyped' ? JSON.stringify(value) : canonicalSchemaText(value)
    const canonical = `{"name":"WithTimeToLive","type":"record","fields":[${canonicalSchemaText(time)},${text}]}`
    this.fingerprint = crc64Avro(Buffer.from(canonical)).toString(16).padStart(16, '0')
  }

  encodeInto(writer: ByteWriter, stored: Stamped<unknown> | StampedList<unknown>): void {
    const start = writer.position
    try {
      if (stored instanceof StampedList) {
        writeTimes(writer, stored.lastAccessMs)
        this.#value.encodeInto(writer, stored.items)
      } else {
        writer.ensure(maxLongBytes)
        writer.position = writeLong(writer.bytes, writer.position, stored.lastAccessMs)
        this.#value.encodeInto(writer, stored.value)
      }
    } catch (error) {
      writer.position = start
      throw error
    }
  }

  encode(stored: Stamped<unknown> | StampedList<unknown>): Buffer {
    this.#scratch.position = 0
    this.encodeInto(this.#scratch, stored)
    return this.#scratch.copy()
  }

  decode(bytes: Uint8Array, start: number, end: number): Stamped<unknown> | StampedList<unknown> {
    if (this.#shape === 'list') {
      const times = readTimes(bytes, start, end)
      const items = this.#value.decode(bytes, cursor.position, end)
      if (!Array.isArray(items) || items.length !== times.length) throw damaged()
      return new StampedList(times, items)
    }
    const time = readLong(bytes, start)
    if (cursor.position > end) throw damaged()
    return new Stamped(time, this.#value.decode(bytes, cursor.position, end))
  }
}

function writeTimes(writer: ByteWriter, times: readonly number[]): void {
  writer.ensure((times.length + 2) * maxLongBytes)
  let { position } = writer
  if (times.length > 0) position = writeLong(writer.bytes, position, times.length)
  for (const time of times) position = writeLong(writer.bytes, position, time)
  writer.position = writeLong(writer.bytes, position, 0)
}

function readTimes(bytes: Uint8Array, start: number, end: number): number[] {
  const times: number[] = []
  cursor.position = start
  for (;;) {
    const count = readCount(bytes, cursor.position, end)
    if (count === 0) return times
    for (let index = 0; index < count; index++) times.push(readLong(bytes, cursor.position))
  }
}
