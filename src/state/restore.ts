import { MillraceError } from '../common/errors.ts'
import type { KeyGroupRange } from '../common/key-groups.ts'
import type { BlobStore } from './blob-store.ts'
import { Chunk } from './chunk-reader.ts'
import { readChunkBytes, readChunks } from './chunk-source.ts'
import type { KeyedStateBackend } from './keyed-state-backend.ts'
import type { ChunkPlace } from './manifest-builder.ts'
import type { OperatorStateBackend, Redistribution, RestoredList } from './operator-state-backend.ts'
import {
  type ChunkReference,
  type OperatorManifest,
  type PendingList,
  type SubtaskManifest,
  watermarkOf,
} from './subtask-manifest.ts'

export { readManifest } from './subtask-manifest.ts'

/** One old subtask's manifest, read. */
export interface OldManifest {
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly manifest: SubtaskManifest
  /** All that it lists is committed: the part of a finished subtask, carried from record to record (R12). */
  readonly settled?: boolean
}

export interface RestoreOperatorOptions {
  readonly blobStore: BlobStore
  readonly operatorUid: string
  readonly operatorName: string
  readonly checkpointId: number
  /** Of all old subtasks (RestoreFrom.manifests, each through readManifest). */
  readonly manifests: readonly OldManifest[]
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  readonly ownManifestIsBase: boolean
  /** The checkpoint's lists are committed already: none is given (R17). */
  readonly committed: boolean
  readonly keyedState: KeyedStateBackend | undefined
  readonly operatorState: OperatorStateBackend
}

export interface RestoredOperator {
  /** To be committed before anything is processed (R16). Those of an old subtask go to exactly one new one. */
  readonly committables: readonly PendingList[]
  /** The minimum over the manifests that concern this subtask (R33); −Infinity: nothing is known of the operator. */
  readonly watermark: number
}

/** An operator's part of an old subtask. */
interface OldPart {
  readonly subtaskIndex: number
  readonly manifest: SubtaskManifest
  readonly settled: boolean
  readonly operator: OperatorManifest
}

/**
 * Fills the (empty) backends of one operator, for its key groups and its share of the lists.
 * @throws MillraceError MR_STATE_INCOMPATIBLE for another max parallelism (R37), MR_CHECKPOINT_DAMAGED naming the blob.
 * Another type shows when the state is asked for.
 */
export async function restoreOperator(options: RestoreOperatorOptions): Promise<RestoredOperator> {
  const parts = partsOf(options)
  const isRescaled = parts.some(({ manifest }) => manifest.parallelism !== options.parallelism)
  const own = parts.filter(({ subtaskIndex }) => subtaskIndex === options.subtaskIndex)
  if (options.keyedState !== undefined) await restoreKeyedState(options, options.keyedState, parts)
  options.operatorState.restore(await restoredLists(options, isRescaled ? parts : own, parts))
  return {
    committables: options.committed ? [] : committablesFor(options, parts),
    // Without keys the watermark is that of what the subtask read, and before it another parallelism may deal records
    // out otherwise: an ended subtask of old may get some (R33).
    watermark: lowestWatermark(isRescaled || options.keyedState === undefined ? parts : own),
  }
}

/** By old subtask index. */
function partsOf({ manifests, operatorUid, operatorName, maxParallelism }: RestoreOperatorOptions): readonly OldPart[] {
  const parts: OldPart[] = []
  for (const { subtaskIndex, manifest, settled = false } of manifests) {
    const operator = manifest.operators.find(({ uid }) => uid === operatorUid)
    if (operator === undefined) continue
    if (manifest.maxParallelism !== maxParallelism && operator.keyedStates.length > 0) {
      throw new MillraceError(
        'MR_STATE_INCOMPATIBLE',
        `Operator "${operatorName}" has max parallelism ${maxParallelism}, its state in the snapshot ${manifest.maxParallelism}. A checkpoint can only be restored with the same (R37).`,
        { operator: operatorName },
      )
    }
    parts.push({ subtaskIndex, manifest, settled, operator })
  }
  return parts.sort((left, right) => left.subtaskIndex - right.subtaskIndex)
}

async function restoreKeyedState(
  { blobStore, ownManifestIsBase, checkpointId }: RestoreOperatorOptions,
  keyedState: KeyedStateBackend,
  parts: readonly OldPart[],
): Promise<void> {
  const chunks = new Map<string, Chunk[]>()
  for (const { manifest, operator } of parts) {
    for (const { name, pieces } of operator.keyedStates) {
      const wanted = pieces.filter(({ keyGroup }) => isIn(keyedState.keyGroups, keyGroup))
      if (wanted.length === 0) continue
      const places = wanted.map((piece) => placeOf(manifest, piece))
      const known = chunks.get(name) ?? []
      const bytes = await readChunks(blobStore, places)
      bytes.forEach((chunk, index) => {
        known.push(keyedChunk(chunk, places[index] as ChunkPlace, { name, keyGroup: wanted[index]?.keyGroup }))
      })
      chunks.set(name, known)
    }
  }
  keyedState.restore({ base: ownManifestIsBase ? checkpointId : undefined, chunks })
}

function keyedChunk(bytes: Buffer, place: ChunkPlace, expected: { name: string; keyGroup: number | undefined }): Chunk {
  const chunk = new Chunk(bytes, sourceOf(place))
  if (chunk.stateName === expected.name && chunk.keyGroup === expected.keyGroup) return chunk
  throw new MillraceError(
    'MR_CHECKPOINT_DAMAGED',
    `${chunk.source} holds key group ${chunk.keyGroup} of state "${chunk.stateName}", and not what the manifest says.`,
  )
}

/**
 * Even-split lists of `dealt` (all old subtasks after a rescale, else the own one), union lists of all, broadcast lists of
 * one: the own one, or where there are more subtasks than there were, another.
 */
async function restoredLists(
  options: RestoreOperatorOptions,
  dealt: readonly OldPart[],
  parts: readonly OldPart[],
): Promise<ReadonlyMap<string, RestoredList>> {
  const lists = new Map<string, RestoredList & { readonly items: Uint8Array[] }>()
  const isWanted = shareFilter(options, dealt, parts)
  for (const part of parts) {
    for (const reference of part.operator.operatorStates) {
      const { name, redistribution } = reference
      if (!isWanted(redistribution, part)) continue
      const place = placeOf(part.manifest, reference)
      const chunk = new Chunk(await readChunkBytes(options.blobStore, place), sourceOf(place))
      const { schemaText, fingerprint } = chunk
      const list = lists.get(name) ?? { redistribution, schemaText, fingerprint, items: [] }
      chunk.visit(
        () => undefined,
        (_key, _place, { start, end }) => list.items.push(Uint8Array.prototype.slice.call(chunk.bytes, start, end)),
      )
      lists.set(name, list)
    }
  }
  if (dealt === parts) {
    for (const [name, list] of lists) {
      if (list.redistribution === 'even-split') lists.set(name, { ...list, items: shareOf(list.items, options) })
    }
  }
  return lists
}

function shareFilter(
  { subtaskIndex }: RestoreOperatorOptions,
  dealt: readonly OldPart[],
  parts: readonly OldPart[],
): (redistribution: Redistribution, part: OldPart) => boolean {
  const copied = parts.find((part) => part.subtaskIndex === subtaskIndex) ?? parts[subtaskIndex % parts.length]
  return (redistribution, part) => {
    if (redistribution === 'even-split') return dealt.includes(part)
    return redistribution === 'union' || part === copied
  }
}

function shareOf<Item>(items: readonly Item[], { subtaskIndex, parallelism }: RestoreOperatorOptions): Item[] {
  return items.filter((_, index) => index % parallelism === subtaskIndex)
}

/** R16: each list is committed by exactly one subtask; what was deployed with the same parallelism commits its own. */
function committablesFor(
  { subtaskIndex, parallelism }: RestoreOperatorOptions,
  parts: readonly OldPart[],
): readonly PendingList[] {
  return parts
    .filter((part) => !part.settled && part.subtaskIndex % parallelism === subtaskIndex)
    .flatMap(({ operator }) => operator.committables as readonly PendingList[])
}

function lowestWatermark(parts: readonly OldPart[]): number {
  if (parts.length === 0) return Number.NEGATIVE_INFINITY
  return Math.min(...parts.map(({ operator }) => watermarkOf(operator)))
}

function isIn({ from, to }: KeyGroupRange, keyGroup: number): boolean {
  return keyGroup >= from && keyGroup < to
}

function placeOf(manifest: SubtaskManifest, { blob, offset, length, checksum }: ChunkReference): ChunkPlace {
  const blobName = manifest.blobs[blob]?.name
  if (blobName === undefined) {
    throw new MillraceError(
      'MR_CHECKPOINT_DAMAGED',
      `The manifest of subtask ${manifest.subtaskIndex} in checkpoint ${manifest.checkpointId} names blob ${blob}, which it does not list.`,
    )
  }
  return { blobName, offset, length, checksum }
}

function sourceOf({ blobName, offset, length }: ChunkPlace): string {
  return `The blob ${blobName} (${offset} to ${offset + length})`
}
