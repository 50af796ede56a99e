import type { ManifestHeader } from './manifest-headers.ts'
import type { OperatorManifest, PieceReference, SubtaskManifest } from './subtask-manifest.ts'

/** A key group with more pieces gets a full one (R5). */
const maxPieces = 16
/** At most this part of a state's key groups gets a full piece in one checkpoint (R5). */
const fullPart = 1 / 8

type Lengths = Pick<PieceReference, 'keyGroup' | 'length'> & Partial<Pick<PieceReference, 'isContinuation'>>

interface Chain {
  /** Of the first piece and what continues it. */
  first: number
  deltas: number
  pieces: number
}

/** The key groups of a state whose deltas are together larger than the first piece, or that have too many pieces. */
function overlongChains(pieces: readonly Lengths[]): ReadonlyMap<number, Chain> {
  const chains = new Map<number, Chain>()
  for (const { keyGroup, length, isContinuation } of pieces) {
    const chain = chains.get(keyGroup)
    if (chain === undefined) {
      chains.set(keyGroup, { first: length, deltas: 0, pieces: 1 })
      continue
    }
    if (isContinuation === true) {
      chain.first += length
      continue
    }
    chain.deltas += length
    chain.pieces++
  }
  for (const [keyGroup, { first, deltas, pieces: count }] of chains) {
    if (deltas <= first && count < maxPieces) chains.delete(keyGroup)
  }
  return chains
}

/**
 * R5: the key groups of a state that are due for a full piece, those with the most pieces first, so that each gets its
 * turn. `keyGroups`: how many the subtask has.
 */
export function fullPiecesDue(pieces: readonly Lengths[], keyGroups: number): ReadonlySet<number> {
  const due = [...overlongChains(pieces)]
  const limit = Math.max(1, Math.floor(keyGroups * fullPart))
  due.sort(([, left], [, right]) => right.pieces - left.pieces || excess(right) - excess(left))
  return new Set(due.slice(0, limit).map(([keyGroup]) => keyGroup))
}

function excess({ first, deltas }: Chain): number {
  return (deltas + 1) / (first + 1)
}

/** By state name. */
export function fullPiecesDueOf(
  operator: OperatorManifest | undefined,
  keyGroups: number,
): ReadonlyMap<string, ReadonlySet<number>> {
  return new Map(operator?.keyedStates.map(({ name, pieces }) => [name, fullPiecesDue(pieces, keyGroups)]))
}

/**
 * Blobs of which less than half is used: their live pieces are written again (R5). By index. Not while one of the pieces
 * waits for its key group's turn to get a full piece: it would be written twice.
 */
export function sparseBlobs(manifest: Pick<SubtaskManifest, 'blobs' | 'operators'>): ReadonlySet<number> {
  const live = manifest.blobs.map(() => 0)
  const waiting = new Set<number>()
  for (const { keyedStates } of manifest.operators) {
    for (const { pieces } of keyedStates) {
      const overlong = overlongChains(pieces)
      for (const { blob, length, keyGroup } of pieces) {
        live[blob] = (live[blob] ?? 0) + length
        if (overlong.has(keyGroup)) waiting.add(blob)
      }
    }
  }
  const sparse = new Set<number>()
  manifest.blobs.forEach(({ length }, index) => {
    const used = live[index] ?? 0
    if (used > 0 && used * 2 < length && !waiting.has(index)) sparse.add(index)
  })
  return sparse
}

/** What is wrong with a manifest that says it builds on `base`: older blobs that are not the base's (R1); undefined: nothing. */
export function baseViolation(manifest: ManifestHeader, base: ManifestHeader | undefined): string | undefined {
  const own = `${manifest.jobId}/${manifest.attemptId}/chk-${manifest.checkpointId}/`
  const known = new Set(base?.blobs.map(({ name }) => name))
  const foreign = manifest.blobs.find(({ name }) => !name.startsWith(own) && !known.has(name))
  return foreign === undefined
    ? undefined
    : `The manifest of subtask ${manifest.subtaskIndex} names ${foreign.name}, which checkpoint ${manifest.base} does not.`
}
