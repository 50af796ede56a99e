import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { describe, expect, test } from 'vitest'
import { codecNames, decompress, maxUnpackedBytes } from '../../../../src/connectors/kafka/compression.ts'
import { varint } from './batch-encoder.ts'

const numberOf = (name: (typeof codecNames)[number]): number => codecNames.indexOf(name)
const snappyCodec = numberOf('snappy')
const lz4Codec = numberOf('lz4')
const packers = {
  gzip: gzipSync,
  snappy: (plain: Buffer) => compressSync(plain),
  lz4: (plain: Buffer) => compressFrameSync(plain),
  zstd: zstdCompressSync,
} as const

/** An unsigned varint, as snappy has it. */
function length(value: number): Buffer {
  return varint(value % 2 === 0 ? value / 2 : -(value + 1) / 2)
}

describe('unpacking', () => {
  test('what was packed comes back, also where it repeats without end', () => {
    const plain = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(40_000)).map(([unit, times]) => {
        return Uint8Array.from(
          { length: Math.min(unit.length * times, 300_000) },
          (_, at) => unit[at % unit.length] ?? 0,
        )
      }),
    )
    fc.assert(
      fc.property(fc.constantFrom('gzip', 'snappy', 'lz4', 'zstd'), plain, (name, bytes) => {
        expect(decompress(numberOf(name), packers[name](Buffer.from(bytes))).equals(bytes)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('a few bytes that would unpack to gigabytes are refused before memory is taken', () => {
    const zeros = Buffer.alloc(maxUnpackedBytes + 1)
    const before = process.memoryUsage.rss()
    const bombs: Readonly<Record<string, Buffer>> = {
      gzip: gzipSync(zeros, { level: 1 }),
      zstd: zstdCompressSync(zeros),
      lz4: lz4Bomb(),
      snappy: Buffer.concat([length(0xffff_ffff), Buffer.alloc(100, 0xfe)]),
    }
    for (const [name, packed] of Object.entries(bombs)) {
      const codec = numberOf(name as 'gzip')
      expect(() => decompress(codec, packed), name).toThrow(/more than|larger than|too large/i)
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(2 * maxUnpackedBytes)
  })

  test('a snappy block can not hold more than 64 bytes for each of its own', () => {
    const lying = Buffer.concat([length(200_000_000), Buffer.alloc(100, 0xfe)])
    expect(() => decompress(snappyCodec, lying)).toThrow('can not hold 200000000')
    expect(() => decompress(snappyCodec, Buffer.from([0xff, 0xff]))).toThrow('does not tell its length')
    expect(() => decompress(snappyCodec, Buffer.alloc(0))).toThrow('does not tell its length')
  })

  test('an LZ4 frame without its end, with more behind it, or of another kind is refused', () => {
    const frame = compressFrameSync(Buffer.alloc(100_000, 1))
    for (let cut = 1; cut < frame.length; cut++) {
      expect(() => decompress(lz4Codec, frame.subarray(0, frame.length - cut))).toThrow()
    }
    expect(() => decompress(lz4Codec, Buffer.alloc(0))).toThrow('ends early')
    expect(() => decompress(lz4Codec, Buffer.concat([frame, frame]))).toThrow('bytes follow the LZ4 frame')
    expect(() => decompress(lz4Codec, Buffer.alloc(50))).toThrow('no LZ4 frame')
  })
})

/** As many blocks of 255 times their size as the limit does not allow. */
function lz4Bomb(): Buffer {
  const header = compressFrameSync(Buffer.alloc(4 << 20)).subarray(0, 7)
  const block = Buffer.alloc(4 + 16_500)
  block.writeUInt32LE(16_500)
  const blocks = Array.from({ length: maxUnpackedBytes / (4 << 20) + 1 }, () => block)
  return Buffer.concat([header, ...blocks, Buffer.alloc(4)])
}
