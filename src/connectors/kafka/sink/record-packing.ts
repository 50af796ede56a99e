import { gzipSync, zstdCompressSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { codecNames } from '../compression.ts'

/** How record batches are compressed. */
export type KafkaCompression = (typeof codecNames)[number]

export interface RecordPacking {
  /** undefined: records stay as they are. */
  readonly codec: { readonly number: number; pack(records: Buffer): Buffer } | undefined
}

export const compressionNames: readonly KafkaCompression[] = codecNames

export function packingOf(compression: KafkaCompression): RecordPacking {
  const number = codecNames.indexOf(compression)
  switch (compression) {
    case 'none':
      return { codec: undefined }
    case 'gzip':
      return { codec: { number, pack: (records) => gzipSync(records) } }
    case 'snappy':
      return { codec: { number, pack: packSnappy } }
    case 'lz4':
      return { codec: { number, pack: (records) => compressFrameSync(records) } }
    case 'zstd':
      return { codec: { number, pack: (records) => zstdCompressSync(records) } }
  }
}

/** The framing of snappy-java, which every client of Kafka reads: magic, version 1, compatible with 1. */
const snappyHeader = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
const snappyBlockLength = 32 * 1024

function packSnappy(records: Buffer): Buffer {
  const parts: Buffer[] = [snappyHeader]
  for (let at = 0; at < records.length; at += snappyBlockLength) {
    const block = compressSync(records.subarray(at, at + snappyBlockLength))
    const size = Buffer.allocUnsafe(4)
    size.writeInt32BE(block.length)
    parts.push(size, block)
  }
  return Buffer.concat(parts)
}
