import type { ByteWriter } from '../formats/byte-writer.ts'
import type { Serializer } from '../formats/serializer.ts'

/** Hands bytes on that were written by another serializer: state that was restored and that nobody has asked for. */
export class RawSerializer implements Serializer<Uint8Array> {
  readonly schemaText: string
  readonly fingerprint: string

  constructor(schemaText: string, fingerprint: string) {
    this.schemaText = schemaText
    this.fingerprint = fingerprint
  }

  encodeInto(writer: ByteWriter, value: Uint8Array): void {
    writer.writeBytes(value)
  }

  encode(value: Uint8Array): Buffer {
    return Buffer.from(value)
  }

  decode(bytes: Uint8Array, start: number, end: number): Uint8Array {
    return new Uint8Array(bytes.subarray(start, end))
  }
}
