import type { Key } from '../api/functions.ts'
import { batchCodecOf } from '../formats/batch-codec.ts'
import type { DataType } from '../formats/data-type.ts'
import type { BatchCodec } from '../formats/format.ts'

/** What was combined of the records of one key before they were sent (R34); all of them lie within [start, end). */
export class WindowPartial {
  readonly key: Key
  /** It travels beside the values of a hash edge, not with this one: 0 at a receiver in another slot. */
  readonly keyHash: number
  start: number
  /** Of a slice; of a session the last record's timestamp + gap. */
  end: number
  /** Records in it. */
  count = 1
  /** The accumulator, the receiver's alone. */
  contents: unknown

  constructor(parts: Omit<WindowPartial, 'count'>) {
    this.key = parts.key
    this.keyHash = parts.keyHash
    this.start = parts.start
    this.end = parts.end
    this.contents = parts.contents
  }
}

const headerBytes = 8
/** start, end and count. */
const numbersOfPartial = 3

/**
 * Batches of partials between slots. Keys are as untyped values, accumulators as their declared type.
 *
 * | bytes     | what                                              |
 * |-----------|---------------------------------------------------|
 * | 0         | uint32: bytes of the keys                         |
 * | 8         | float64: start, end and count of each partial     |
 * | behind it | the keys, up to a multiple of 8                   |
 * | behind it | the accumulators, as the codec of their type does |
 */
export function windowPartialCodec(accumulatorType: DataType<unknown>): BatchCodec {
  const keys = batchCodecOf({ kind: 'untyped' })
  const contents = batchCodecOf(accumulatorType)
  let buffer = Buffer.allocUnsafeSlow(1 << 14)
  const ensure = (length: number): void => {
    if (buffer.length >= length) return
    const larger = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(length)))
    larger.set(buffer)
    buffer = larger
  }
  return {
    encode(values, count) {
      const partials = (values.length === count ? values : values.slice(0, count)) as readonly WindowPartial[]
      const keyBytes = keys.encode(
        partials.map(({ key }) => key),
        count,
      )
      const keysAt = headerBytes + count * numbersOfPartial * 8
      const contentsAt = (keysAt + keyBytes.length + 7) & ~7
      ensure(contentsAt)
      buffer.writeUInt32LE(keyBytes.length, 0)
      writeNumbers(new Float64Array(buffer.buffer, headerBytes, count * numbersOfPartial), partials)
      buffer.set(keyBytes, keysAt)
      const contentBytes = contents.encode(
        partials.map((partial) => partial.contents),
        count,
      )
      ensure(contentsAt + contentBytes.length)
      buffer.set(contentBytes, contentsAt)
      return buffer.subarray(0, contentsAt + contentBytes.length)
    },
    decode(bytes, count) {
      const aligned = (bytes.byteOffset & 7) === 0 ? bytes : new Uint8Array(bytes)
      const { buffer: memory, byteOffset, length } = aligned
      const keysLength = new DataView(memory, byteOffset).getUint32(0, true)
      const numbers = new Float64Array(memory, byteOffset + headerBytes, count * numbersOfPartial)
      const keysAt = headerBytes + numbers.byteLength
      const contentsAt = (keysAt + keysLength + 7) & ~7
      const decodedKeys = keys.decode(aligned.subarray(keysAt, keysAt + keysLength), count)
      const decodedContents = contents.decode(aligned.subarray(contentsAt, length), count)
      return decodedKeys.map((key, index) => {
        const at = index * numbersOfPartial
        const partial = new WindowPartial({
          key: key as Key,
          keyHash: 0,
          start: numbers[at] as number,
          end: numbers[at + 1] as number,
          contents: decodedContents[index],
        })
        partial.count = numbers[at + 2] as number
        return partial
      })
    },
  }
}

function writeNumbers(numbers: Float64Array, partials: readonly WindowPartial[]): void {
  let at = 0
  for (const { start, end, count } of partials) {
    numbers[at++] = start
    numbers[at++] = end
    numbers[at++] = count
  }
}
