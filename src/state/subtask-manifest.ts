import { crc32c } from '@node-rs/crc32'
import { z } from 'zod'
import type { Committable } from '../api/sink.ts'
import { MillraceError } from '../common/errors.ts'
import type { BlobReference, BlobStore } from './blob-store.ts'

const count = z.number().int().min(0)

const blobReference = z.object({ name: z.string(), length: count, checksum: count })

/** A chunk within a blob, with what is needed to trust it (R5). */
const chunkReference = z.object({
  /** Index into `blobs`. */
  blob: count,
  offset: count,
  length: count,
  /** CRC-32C of the chunk. */
  checksum: count,
})

/**
 * In storage an array of numbers: a manifest names up to 16 pieces for each key group. A sixth number, 1, says that the
 * piece goes on where a full piece was cut off because of its size.
 */
const pieceReference = z
  .tuple([count, count, count, count, count])
  .rest(z.literal(1))
  .transform(([keyGroup, blob, offset, length, checksum, ...rest]) => {
    return { keyGroup, blob, offset, length, checksum, isContinuation: rest.length > 0 }
  })

const operatorManifest = z.object({
  uid: z.string(),
  /** JSON knows no infinities. */
  watermark: z.union([z.number(), z.literal('-Infinity'), z.literal('Infinity')]),
  keyedStates: z.array(z.object({ name: z.string(), pieces: z.array(pieceReference) })),
  operatorStates: z.array(
    chunkReference.extend({ name: z.string(), redistribution: z.enum(['even-split', 'union', 'broadcast']) }),
  ),
  committables: z.array(z.object({ checkpointId: count, committables: z.array(z.json()) })),
})

const subtaskManifest = z.object({
  formatVersion: z.literal(1),
  jobId: z.string(),
  vertexId: z.string(),
  attemptId: z.string(),
  subtaskIndex: count,
  parallelism: count,
  maxParallelism: count,
  checkpointId: count,
  /** Of which own manifest older pieces were taken; 0: of none. */
  base: count,
  /** Blobs that chunks lie in. */
  blobs: z.array(blobReference),
  operators: z.array(operatorManifest),
})

/**
 * What one subtask wrote into one checkpoint, itself a blob: every piece of every state that makes up its state at the
 * barrier, also those in older blobs (R4, R5). JSON in storage. The pieces of a key group are applied in their order.
 */
export type SubtaskManifest = z.infer<typeof subtaskManifest>
export type OperatorManifest = z.infer<typeof operatorManifest>
export type ChunkReference = z.infer<typeof chunkReference>
export type PieceReference = z.infer<typeof pieceReference>

/** What a sink prepared in one checkpoint and has not committed: PendingCommittables of the task layer. */
export interface PendingList {
  readonly checkpointId: number
  readonly committables: readonly Committable[]
}

export function watermarkOf(operator: OperatorManifest): number {
  return Number(operator.watermark)
}

export function storedWatermark(watermark: number): OperatorManifest['watermark'] {
  if (watermark === Number.NEGATIVE_INFINITY) return '-Infinity'
  return watermark === Number.POSITIVE_INFINITY ? 'Infinity' : watermark
}

export function encodeManifest(manifest: SubtaskManifest): Buffer {
  const operators = manifest.operators.map((operator) => ({
    ...operator,
    keyedStates: operator.keyedStates.map(({ name, pieces }) => ({ name, pieces: pieces.map(storedPiece) })),
  }))
  return Buffer.from(JSON.stringify({ ...manifest, operators }), 'utf8')
}

function storedPiece(piece: PieceReference): z.input<typeof pieceReference> {
  const { keyGroup, blob, offset, length, checksum, isContinuation } = piece
  return isContinuation ? [keyGroup, blob, offset, length, checksum, 1] : [keyGroup, blob, offset, length, checksum]
}

export function blobReferenceOf(name: string, bytes: Uint8Array): BlobReference {
  return { name, length: bytes.length, checksum: crc32c(bytes) }
}

/** @throws MillraceError MR_CHECKPOINT_DAMAGED naming the blob where it is missing or damaged */
export async function readManifest(blobStore: BlobStore, reference: BlobReference): Promise<SubtaskManifest> {
  const bytes = await blobStore.get(reference.name)
  if (bytes.length !== reference.length || crc32c(bytes) !== reference.checksum) {
    throw damaged(reference.name, 'wrong checksum')
  }
  const result = subtaskManifest.safeParse(jsonOf(bytes))
  if (!result.success) throw damaged(reference.name, z.prettifyError(result.error))
  return result.data
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

function damaged(name: string, what: string): MillraceError {
  return new MillraceError('MR_CHECKPOINT_DAMAGED', `The manifest ${name} is damaged: ${what}.`)
}
