import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { uncompressSync } from 'snappy'

/** A batch that unpacks to more is damaged, or an attack: producers send a few megabytes at most. */
export const maxUnpackedBytes = 256 << 20

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
      return decompressLz4(packed)
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
  let length = 0
  let at = xerialHeaderLength
  while (at < packed.length) {
    const size = packed.length - at < 4 ? -1 : packed.readInt32BE(at)
    at += 4
    if (size < 0 || at + size > packed.length) throw new Error(`a snappy block of ${size} bytes reaches past the end`)
    const block = decompressBlock(packed.subarray(at, at + size))
    length += block.length
    checkUnpacked(length)
    blocks.push(block)
    at += size
  }
  const first = blocks[0]
  return first !== undefined && blocks.length === 1 ? first : Buffer.concat(blocks)
}

/** A block begins with the length that it unpacks to, which the library takes memory for before it looks further. */
function decompressBlock(block: Buffer): Buffer {
  let length = 0
  for (let index = 0, scale = 1; ; index++, scale *= 128) {
    const byte = block[index]
    if (byte === undefined || index === 5) throw new Error('a snappy block does not tell its length')
    length += (byte & 127) * scale
    if (byte < 128) break
  }
  checkUnpacked(length)
  // Three bytes of a block copy 64 at most.
  if (length > block.length * 64) throw new Error(`a snappy block of ${block.length} bytes can not hold ${length}`)
  return uncompressSync(block, { asBuffer: true }) as Buffer
}

const lz4Magic = 0x184d2204
/** By the number in the frame's descriptor: 64 KB to 4 MB. */
const lz4BlockBytes: Readonly<Record<number, number>> = { 4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22 }
/** A byte of an LZ4 block stands for 255 at most. */
const lz4Ratio = 255

/**
 * The library has no limit of its own: what the frame's blocks can unpack to at most is added up before. It also passes
 * over a missing end, and over what follows the frame: Kafka writes one frame, which is all of a batch's records.
 */
function decompressLz4(packed: Buffer): Buffer {
  const { end, unpackedAtMost } = lz4FrameBound(packed)
  checkUnpacked(unpackedAtMost)
  if (end !== packed.length) throw new Error(`${packed.length - end} bytes follow the LZ4 frame`)
  return decompressFrameSync(packed)
}

function lz4FrameBound(packed: Buffer): { end: number; unpackedAtMost: number } {
  const need = (at: number, size: number): number => {
    if (at + size > packed.length) throw new Error('an LZ4 frame ends early')
    return at
  }
  if (packed.readUInt32LE(need(0, 7)) !== lz4Magic) throw new Error('it is no LZ4 frame')
  const flags = packed[4] as number
  const blockBytes = lz4BlockBytes[((packed[5] as number) >> 4) & 7]
  if (flags >> 6 !== 1 || blockBytes === undefined) throw new Error('an LZ4 frame of an unknown kind')
  const checksum = (flags & 16) === 0 ? 0 : 4
  let at = 7 + ((flags & 8) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4)
  let unpackedAtMost = 0
  for (;;) {
    const head = packed.readUInt32LE(need(at, 4))
    at += 4
    if (head === 0) break
    const size = head & 0x7fffffff
    need(at, size + checksum)
    unpackedAtMost += head >>> 31 === 1 ? size : Math.min(blockBytes, size * lz4Ratio)
    at += size + checksum
  }
  const contentChecksum = (flags & 4) === 0 ? 0 : 4
  return { end: need(at, contentChecksum) + contentChecksum, unpackedAtMost }
}

function checkUnpacked(length: number): void {
  if (length > maxUnpackedBytes) throw new Error(`it would unpack to more than ${maxUnpackedBytes} bytes`)
}
