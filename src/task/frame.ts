import { MillraceError } from '../common/errors.ts'
import type { BatchCodec } from '../formats/format.ts'
import type { RecordBatch } from './record-batch.ts'

/**
 * Batches between slots: one transferred ArrayBuffer each. The buffer goes back to its sender as the credit (R33), to be
 * filled again, so its length says nothing about the batch.
 *
 * | bytes        | what                                                   |
 * |--------------|--------------------------------------------------------|
 * | 0            | int32: 0 a batch, 1 a returned credit                  |
 * | 4            | int32: number of the channel, as its sender counts     |
 * | 8            | int32: records                                         |
 * | 12           | int32: 1 where there are key hashes                    |
 * | 16           | int32: bytes of the payload                            |
 * | 20           | int32: bytes of the buffer that belong to the frame    |
 * | 24           | float64: a timestamp for each record                   |
 * | behind it    | int32: a key hash for each record, on hash edges       |
 * | behind it, at a multiple of 8 | the values, as the edge's BatchCodec writes them |
 *
 * Numbers are in the machine's byte order: TaskManagers of the other order are refused (network/handshake.ts).
 */
const headerBytes = 24
const headerInts = 6
/** New buffers have at least this many bytes, so that one serves batches of different size. */
const smallestBuffer = 16 * 1024
/** A larger buffer is not sent back: the credit returns without it. */
export const largestPooledBuffer = 1024 * 1024

const data = 0
const credit = 1

/** Writes a batch into `free`, or into a new buffer where that is too small. */
export function encodeFrame(
  channelNumber: number,
  batch: RecordBatch,
  codec: BatchCodec,
  free: ArrayBuffer | undefined,
): ArrayBuffer {
  const { count, timestamps, keyHashes } = batch
  const payload = codec.encode(batch.values, count)
  const payloadAt = payloadOffset(count, keyHashes !== undefined)
  const needed = payloadAt + payload.length
  const buffer = free !== undefined && free.byteLength >= needed ? free : new ArrayBuffer(bufferLength(needed))
  const header = new Int32Array(buffer, 0, headerInts)
  header[0] = data
  header[1] = channelNumber
  header[2] = count
  header[3] = keyHashes === undefined ? 0 : 1
  header[4] = payload.length
  header[5] = needed
  new Float64Array(buffer, headerBytes, count).set(
    count === timestamps.length ? timestamps : timestamps.subarray(0, count),
  )
  if (keyHashes !== undefined) {
    new Int32Array(buffer, headerBytes + count * 8, count).set(
      count === keyHashes.length ? keyHashes : keyHashes.subarray(0, count),
    )
  }
  new Uint8Array(buffer, payloadAt, payload.length).set(payload)
  return buffer
}

/**
 * Reads a frame into `batch`. Timestamps and hashes are views on the buffer: valid until it is given back; the values are not (R7).
 * @throws MillraceError MR_INTERNAL, RangeError of the codec, where the frame is none
 */
export function decodeFrame(buffer: ArrayBuffer, codec: BatchCodec, batch: RecordBatch): void {
  const { count, hashed, payloadAt, payloadBytes } = readHeader(buffer)
  const hashesAt = headerBytes + count * 8
  batch.count = count
  batch.timestamps = new Float64Array(buffer, headerBytes, count)
  batch.keyHashes = hashed ? new Int32Array(buffer, hashesAt, count) : undefined
  batch.values = codec.decode(new Uint8Array(buffer, payloadAt, payloadBytes), count)
}

interface FrameHeader {
  readonly count: number
  readonly hashed: boolean
  readonly payloadAt: number
  readonly payloadBytes: number
}

function readHeader(buffer: ArrayBuffer): FrameHeader {
  if (buffer.byteLength < headerBytes) throw noFrame(buffer)
  const header = new Int32Array(buffer, 0, headerInts)
  const count = header[2] as number
  const hashed = header[3] === 1
  const payloadBytes = header[4] as number
  const payloadAt = payloadOffset(count, hashed)
  if (count < 0 || payloadBytes < 0 || payloadAt + payloadBytes > buffer.byteLength) throw noFrame(buffer)
  return { count, hashed, payloadAt, payloadBytes }
}

function noFrame(buffer: ArrayBuffer): MillraceError {
  return new MillraceError('MR_INTERNAL', `what came between two slots is no frame (${buffer.byteLength} bytes)`)
}

/** The header of a batch of columns, which is a frame from its beginning on (columns/column-batch.ts). */
export function writeColumnHeader(buffer: ArrayBuffer, channelNumber: number, rows: ColumnRows): void {
  const header = new Int32Array(buffer, 0, headerInts)
  header[0] = data
  header[1] = channelNumber
  header[2] = rows.count
  header[5] = rows.bytes
}

/** How much of a buffer of columns is in use. */
export interface ColumnRows {
  readonly count: number
  readonly bytes: number
}

export function columnCount(buffer: ArrayBuffer): number {
  return new Int32Array(buffer, 0, headerInts)[2] as number
}

/** Bytes of the buffer that belong to the frame; those behind it are of earlier ones. */
export function frameBytes(buffer: ArrayBuffer): number {
  return new Int32Array(buffer, 0, headerInts)[5] as number
}

/**
 * Whether bytes that another process has sent can be handed to a slot as a frame of data: with a header, and not as the
 * credit for one. Whatever else is wrong with them shows where they are read.
 */
export function isDataFrame(buffer: ArrayBuffer, bytes: number): boolean {
  return bytes >= headerBytes && !isCredit(buffer)
}

/** The credit for a frame that another process has read, with the buffer that it was sent from. */
export function creditFor(channelNumber: number, buffer: ArrayBuffer): ArrayBuffer {
  new Int32Array(buffer, 0, 2)[1] = channelNumber
  return asCredit(buffer)
}

/** Turns a frame that has been read into the credit for it. */
export function asCredit(buffer: ArrayBuffer): ArrayBuffer {
  new Int32Array(buffer, 0, 1)[0] = credit
  return buffer
}

export function isCredit(buffer: ArrayBuffer): boolean {
  return new Int32Array(buffer, 0, 1)[0] === credit
}

export function channelNumberOf(buffer: ArrayBuffer): number {
  return new Int32Array(buffer, 0, 2)[1] as number
}

/** Codecs read their columns in place where these are aligned. */
function payloadOffset(count: number, hashed: boolean): number {
  const end = headerBytes + count * 8 + (hashed ? count * 4 : 0)
  return Math.ceil(end / 8) * 8
}

function bufferLength(needed: number): number {
  if (needed <= smallestBuffer) return smallestBuffer
  return needed > largestPooledBuffer ? needed : 2 ** Math.ceil(Math.log2(needed))
}
