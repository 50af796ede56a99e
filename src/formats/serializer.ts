import { ByteWriter } from './byte-writer.ts'
import type { DataType } from './data-type.ts'

/**
 * Values of one type to bytes that are kept, and back: state in checkpoints. One instance serves one thread and is
 * used for one value at a time.
 */
export interface Serializer<T> {
  /** 16 hexadecimal digits: equal exactly for types whose bytes are alike. */
  readonly fingerprint: string
  /** The Avro schema as JSON. */
  readonly schemaText: string
  /**
   * Appends the value's bytes.
   * @throws MillraceError MR_STATE_TYPE, naming the field, where the value does not fit the type, or (untyped) holds a
   * class instance or a function (R39)
   */
  encodeInto(writer: ByteWriter, value: T): void
  /** The value's bytes in a fresh buffer. */
  encode(value: T): Buffer
  /** The value of `bytes[start, end)`. Nothing in it aliases `bytes`. */
  decode(bytes: Uint8Array, start: number, end: number): T
}

export function serializerOf<T>(type: DataType<T>): Serializer<T> {
  throw new Error(`not built yet: ${type.kind}, ${ByteWriter.name}`)
}
