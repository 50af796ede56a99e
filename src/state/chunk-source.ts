import { crc32c } from '@node-rs/crc32'
import { MillraceError } from '../common/errors.ts'
import type { BlobStore } from './blob-store.ts'
import type { ChunkPlace } from './manifest-builder.ts'

/** Chunks nearer to each other than this are read together. */
const maxGapBytes = 64 * 1024
const maxReadBytes = 8 * 1024 * 1024

/**
 * The bytes of a chunk.
 * @throws MillraceError MR_CHECKPOINT_DAMAGED naming the blob where it is missing or the checksum is wrong
 */
export async function readChunkBytes(blobStore: BlobStore, place: ChunkPlace): Promise<Buffer> {
  return verified(await blobStore.getRange(place.blobName, place.offset, place.length), place)
}

/** Many chunks, in the order of `places`, with few reads. Throws as `readChunkBytes`. */
export async function readChunks(blobStore: BlobStore, places: readonly ChunkPlace[]): Promise<readonly Buffer[]> {
  const chunks = new Map<ChunkPlace, Buffer>()
  for (const run of runsOf(places)) {
    const start = run.places[0]?.offset ?? 0
    const bytes = await blobStore.getRange(run.blobName, start, run.end - start)
    for (const place of run.places) {
      const from = place.offset - start
      // A copy, so that one chunk that is kept does not keep the whole read.
      chunks.set(place, verified(Buffer.from(bytes.subarray(from, from + place.length)), place))
    }
  }
  return places.map((place) => chunks.get(place) as Buffer)
}

interface Run {
  readonly blobName: string
  readonly places: ChunkPlace[]
  end: number
}

function runsOf(places: readonly ChunkPlace[]): readonly Run[] {
  const runs: Run[] = []
  const sorted = [...places].sort((left, right) => compare(left.blobName, right.blobName) || left.offset - right.offset)
  for (const place of sorted) {
    const run = runs.at(-1)
    const end = place.offset + place.length
    const joins =
      run?.blobName === place.blobName &&
      place.offset - run.end <= maxGapBytes &&
      end - (run.places[0]?.offset ?? 0) <= maxReadBytes
    if (run !== undefined && joins) {
      run.places.push(place)
      run.end = Math.max(run.end, end)
    } else {
      runs.push({ blobName: place.blobName, places: [place], end })
    }
  }
  return runs
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

function verified(bytes: Buffer, place: ChunkPlace): Buffer {
  if (crc32c(bytes) === place.checksum) return bytes
  throw new MillraceError(
    'MR_CHECKPOINT_DAMAGED',
    `The blob ${place.blobName} is damaged: wrong checksum at ${place.offset} to ${place.offset + place.length}.`,
  )
}
