import { createHash } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { writeBytes, writeLong, writeString } from './avro-primitives.ts'
import { ByteWriter } from './byte-writer.ts'

/** A block is closed when its records take this many bytes. */
const blockLength = 64 * 1024
const magic = Buffer.from('Obj\x01', 'latin1')

/**
 * Writes an object container file (Avro 1.12 specification, "Object Container Files"): the schema, then blocks of
 * records. What is written is taken piece by piece.
 */
export class AvroContainerWriter {
  readonly #write: (writer: ByteWriter, value: unknown) => void
  readonly #codec: 'null' | 'deflate'
  readonly #sync: Buffer
  readonly #block = new ByteWriter(blockLength)
  readonly #output = new ByteWriter(blockLength)
  #count = 0

  /** @param mark makes the synchronisation marker; any text that differs between files */
  constructor(
    schema: { readonly text: string; readonly write: (writer: ByteWriter, value: unknown) => void },
    codec: 'null' | 'deflate',
    mark: string,
  ) {
    this.#write = schema.write
    this.#codec = codec
    this.#sync = createHash('md5').update(schema.text).update(mark).digest()
    this.#writeHeader(schema.text)
  }

  /** Bytes that wait to be taken, the open block included. */
  get pendingLength(): number {
    return this.#output.position + this.#block.position
  }

  write(value: unknown): void {
    const before = this.#block.position
    try {
      this.#write(this.#block, value)
    } catch (error) {
      this.#block.position = before
      throw error
    }
    this.#count++
    if (this.#block.position >= blockLength) this.#closeBlock()
  }

  /** The blocks that are closed; the open one stays, so that blocks are not smaller than they have to be. */
  take(): Buffer {
    const bytes = this.#output.copy()
    this.#output.position = 0
    return bytes
  }

  end(): void {
    this.#closeBlock()
  }

  #writeHeader(schemaText: string): void {
    const output = this.#output
    output.writeBytes(magic)
    this.#writeLong(2)
    for (const [key, value] of [
      ['avro.schema', schemaText],
      ['avro.codec', this.#codec],
    ] as const) {
      output.position = writeString(output, output.position, key)
      output.position = writeBytes(output, output.position, Buffer.from(value))
    }
    this.#writeLong(0)
    output.writeBytes(this.#sync)
  }

  #closeBlock(): void {
    if (this.#count === 0) return
    const records = this.#block.bytes.subarray(0, this.#block.position)
    const body = this.#codec === 'deflate' ? deflateRawSync(records) : records
    this.#writeLong(this.#count)
    this.#output.position = writeBytes(this.#output, this.#output.position, body)
    this.#output.writeBytes(this.#sync)
    this.#block.position = 0
    this.#count = 0
  }

  #writeLong(value: number): void {
    this.#output.ensure(10)
    this.#output.position = writeLong(this.#output.bytes, this.#output.position, value)
  }
}
