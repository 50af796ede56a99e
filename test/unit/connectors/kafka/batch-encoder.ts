import { gzipSync, zstdCompressSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'

export interface TestHeader {
  readonly key: string
  readonly value: Buffer | null
}

export interface TestRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: readonly TestHeader[]
}

export type TestCodec = 'none' | 'gzip' | 'snappy' | 'snappy-raw' | 'lz4' | 'zstd'

export interface TestBatch {
  readonly records: readonly TestRecord[]
  readonly codec?: TestCodec
  /** Where compaction has removed records, or the batch has none. */
  readonly baseOffset?: number
  readonly lastOffset?: number
  readonly logAppendTime?: number
  readonly transactionOf?: bigint
  readonly control?: 'abort' | 'commit'
  readonly magic?: number
}

const codecNumbers = { none: 0, gzip: 1, snappy: 2, 'snappy-raw': 2, lz4: 3, zstd: 4 } as const

/** Batches one after the other, as in the answer to a fetch. */
export function encodeBatches(batches: readonly TestBatch[]): Buffer {
  return Buffer.concat(batches.map(encodeBatch))
}

export function encodeBatch(batch: TestBatch): Buffer {
  const base = batch.baseOffset ?? batch.records[0]?.offset ?? 0
  const last = batch.lastOffset ?? batch.records.at(-1)?.offset ?? base
  const baseTimestamp = batch.records[0]?.timestamp ?? -1
  const timestamps = batch.records.map(({ timestamp }) => timestamp)
  const records = batch.control === undefined ? batch.records : [controlRecord(base, batch.control)]
  const plain = Buffer.concat(records.map((record) => encodeRecord(record, base, baseTimestamp)))
  const packed = compress(batch.codec ?? 'none', plain)
  const bytes = Buffer.alloc(61 + packed.length)
  const attributes =
    codecNumbers[batch.codec ?? 'none'] |
    (batch.logAppendTime === undefined ? 0 : 8) |
    (batch.transactionOf === undefined ? 0 : 16) |
    (batch.control === undefined ? 0 : 32)
  bytes.writeBigInt64BE(BigInt(base), 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(7, 12)
  bytes.writeInt8(batch.magic ?? 2, 16)
  bytes.writeInt16BE(attributes, 21)
  bytes.writeInt32BE(last - base, 23)
  bytes.writeBigInt64BE(BigInt(baseTimestamp), 27)
  bytes.writeBigInt64BE(BigInt(batch.logAppendTime ?? Math.max(-1, ...timestamps)), 35)
  bytes.writeBigInt64BE(batch.transactionOf ?? -1n, 43)
  bytes.writeInt32BE(records.length, 57)
  packed.copy(bytes, 61)
  return withChecksum(bytes)
}

/** Makes the checksum right again, for damage that it must not hide. */
export function withChecksum(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

function controlRecord(offset: number, kind: 'abort' | 'commit'): TestRecord {
  const key = Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1])
  return { offset, timestamp: -1, key, value: Buffer.alloc(6) }
}

function encodeRecord(record: TestRecord, baseOffset: number, baseTimestamp: number): Buffer {
  const headers = record.headers ?? []
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(record.timestamp - baseTimestamp),
    varint(record.offset - baseOffset),
    sized(record.key),
    sized(record.value),
    varint(headers.length),
    ...headers.flatMap(({ key, value }) => [sized(Buffer.from(key)), sized(value)]),
  ])
  return Buffer.concat([varint(body.length), body])
}

function sized(bytes: Buffer | null): Buffer {
  return bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes])
}

/** Zigzag, any size. */
export function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value >= 0 ? BigInt(value) * 2n : BigInt(-value) * 2n - 1n
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

function compress(codec: TestCodec, plain: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return plain
    case 'gzip':
      return gzipSync(plain)
    case 'snappy':
      return xerial(plain)
    case 'snappy-raw':
      return compressSync(plain)
    case 'lz4':
      return compressFrameSync(plain)
    case 'zstd':
      return zstdCompressSync(plain)
  }
}

/** The framing of snappy-java, in small blocks. */
function xerial(plain: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])]
  for (let at = 0; at < plain.length; at += 100) {
    const block = compressSync(plain.subarray(at, at + 100))
    const size = Buffer.alloc(4)
    size.writeInt32BE(block.length)
    parts.push(size, block)
  }
  return Buffer.concat(parts)
}
