import type { ByteWriter } from './byte-writer.ts'
import type { DataType } from './data-type.ts'

/**
 * How bytes become records. A format is shared; a decoder belongs to one reader (it may keep scratch space and learn
 * the layout of its input).
 */
export interface Format<T> {
  readonly name: string
  readonly type: DataType<T>
  createDecoder(): Decoder<T>
  createEncoder(): Encoder<T>
}

export interface Decoder<T> {
  /**
   * Decodes `bytes[start, end)`. The buffer is only valid during the call: nothing in the result may alias it.
   * @throws Error with a clear message where the bytes are no such value; NotYetDecodable where the same call has to be
   * repeated later
   */
  decode(bytes: Buffer, start: number, end: number): T
  /** The same without a copy: the result may alias `bytes`. Called only where the buffer is never used again. */
  decodeView?(bytes: Buffer, start: number, end: number): T
}

export interface Encoder<T> {
  /** Where it is there: to be awaited before the first `encode`, for what has to be fetched or registered first. */
  open?(): Promise<void>
  /** A fresh buffer. */
  encode(value: T): Buffer
  /** @internal Appends the same bytes to what the writer holds, or throws and appends nothing: no buffer for each value. */
  append?(value: T, writer: ByteWriter): void
}

/** Batches of values to bytes and back, between slots. One instance serves one channel direction. */
export interface BatchCodec {
  /** The bytes of `values[0, count)`; a view that is valid until the next call. */
  encode(values: readonly unknown[], count: number): Uint8Array
  /** `count` values; nothing in them aliases `bytes`. */
  decode(bytes: Uint8Array, count: number): unknown[]
}
