import type { BlobReference } from './blob-store.ts'
import type { Redistribution } from './operator-state-backend.ts'
import type { ChunkReference, OperatorManifest, PieceReference, SubtaskManifest } from './subtask-manifest.ts'

/** Where a chunk lies, with the blob by name. */
export interface ChunkPlace {
  readonly blobName: string
  readonly offset: number
  readonly length: number
  readonly checksum: number
}

export interface PiecePlace extends ChunkPlace {
  readonly keyGroup: number
  /** Belongs to the full piece before it. */
  readonly isContinuation: boolean
}

export interface OperatorListPlace extends ChunkPlace {
  readonly redistribution: Redistribution
}

/** The chunks of one operator while its part of a checkpoint is put together. */
export class OperatorPlaces {
  readonly lists = new Map<string, OperatorListPlace>()
  readonly #chains = new Map<string, Map<number, PiecePlace[]>>()

  /** The pieces that `base` names (R1). */
  static on(base: SubtaskManifest | undefined, uid: string): OperatorPlaces {
    const places = new OperatorPlaces()
    const operator = base?.operators.find((candidate) => candidate.uid === uid)
    for (const { name, pieces } of operator?.keyedStates ?? []) {
      for (const piece of pieces) places.addPiece(name, placeOf(base as SubtaskManifest, piece))
    }
    return places
  }

  /** A full piece follows, or the key group is empty. */
  dropPieces(stateName: string, keyGroup: number): void {
    this.#chains.get(stateName)?.delete(keyGroup)
  }

  addPiece(stateName: string, piece: PiecePlace): void {
    let chains = this.#chains.get(stateName)
    if (chains === undefined) {
      chains = new Map()
      this.#chains.set(stateName, chains)
    }
    const chain = chains.get(piece.keyGroup)
    if (chain === undefined) chains.set(piece.keyGroup, [piece])
    else chain.push(piece)
  }

  /** All pieces, each to be replaced by what `action` gives, undefined: it stays. */
  async replace(action: (piece: PiecePlace) => Promise<PiecePlace | undefined>): Promise<void> {
    for (const chains of this.#chains.values()) {
      for (const chain of chains.values()) {
        for (let index = 0; index < chain.length; index++) {
          const piece = chain[index] as PiecePlace
          chain[index] = (await action(piece)) ?? piece
        }
      }
    }
  }

  states(): readonly { readonly name: string; readonly pieces: readonly PiecePlace[] }[] {
    return Array.from(this.#chains, ([name, chains]) => ({ name, pieces: [...chains.values()].flat() }))
  }
}

function placeOf(manifest: SubtaskManifest, { blob, ...piece }: PieceReference): PiecePlace {
  return { blobName: manifest.blobs[blob]?.name ?? '', ...piece }
}

/** Numbers the blobs that a manifest names. */
export class BlobNumbers {
  readonly blobs: BlobReference[] = []
  readonly #known: ReadonlyMap<string, BlobReference>
  readonly #numbers = new Map<string, number>()

  constructor(known: Iterable<BlobReference>) {
    this.#known = new Map(Array.from(known, (blob) => [blob.name, blob]))
  }

  reference({ blobName, offset, length, checksum }: ChunkPlace): ChunkReference {
    return { blob: this.#numberOf(blobName), offset, length, checksum }
  }

  #numberOf(blobName: string): number {
    const number = this.#numbers.get(blobName)
    if (number !== undefined) return number
    const blob = this.#known.get(blobName)
    if (blob === undefined) throw new Error(`A chunk lies in ${blobName}, which was not written.`)
    this.#numbers.set(blobName, this.blobs.length)
    this.blobs.push(blob)
    return this.blobs.length - 1
  }
}

export function chunksOf(
  places: OperatorPlaces,
  numbers: BlobNumbers,
): Pick<OperatorManifest, 'keyedStates' | 'operatorStates'> {
  return {
    keyedStates: places.states().map(({ name, pieces }) => ({
      name,
      pieces: pieces.map((piece) => ({
        keyGroup: piece.keyGroup,
        ...numbers.reference(piece),
        isContinuation: piece.isContinuation,
      })),
    })),
    operatorStates: Array.from(places.lists, ([name, list]) => ({
      name,
      redistribution: list.redistribution,
      ...numbers.reference(list),
    })),
  }
}
