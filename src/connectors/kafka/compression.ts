import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { uncompressSync } from 'snappy'

/** A batch that claims to unpack to more is damaged, or an attack. */
const maxUnpackedBytes = 1 << 30

/** Names of the compression codecs by their number in a record batch. */
export const codecNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/**
 * Unpacks the records of a batch.
 * @throws Error of the codec's library where the bytes are damaged, or the codec is none that Kafka has
 */
export function decompress(codec: number, packed: Buffer): Buffer {
  switch (codecNames[codec]) {
    case 'gzip':
      return gunzipSync(packed, { maxOutputLength: maxUnpackedBytes })
    case 'snappy':
      return decompressSnappy(packed)
    case 'lz4':
      return decompressFrameSync(packed)
    case 'zstd':
      return zstdDecompressSync(packed, { maxOutputLength: maxUnpackedBytes })
    default:
      throw new Error(`there is no compression codec ${codec}`)
  }
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
/** The magic and two version numbers of four bytes. */
const xerialHeaderLength = 16

/** Snappy as one raw block (librdkafka), or in the framing of snappy-java: blocks that each follow their length. */
function decompressSnappy(packed: Buffer): Buffer {
  if (packed.length < xerialHeaderLength || !packed.subarray(0, 8).equals(xerialMagic)) return decompressBlock(packed)
  const blocks: Buffer[] = []
  let at = xerialHeaderLength
  while (at < packed.length) {
    const size = packed.readInt32BE(at)
    at += 4
    if (size < 0 || at + size > packed.length) throw new Error(`a snappy block of ${size} bytes reaches past the end`)
    blocks.push(decompressBlock(packed.subarray(at, at + size)))
    at += size
  }
  const first = blocks[0]
  return first !== undefined && blocks.length === 1 ? first : Buffer.concat(blocks)
}

function decompressBlock(block: Buffer): Buffer {
  return uncompressSync(block, { asBuffer: true }) as Buffer
}
