import { isMillraceError, MillraceError, messageOf } from '../common/errors.ts'
import type { KeyGroupRange } from '../common/key-groups.ts'
import type { Serializer } from '../formats/serializer.ts'
import type { StateKind } from './chunk-layout.ts'
import type { Chunk } from './chunk-reader.ts'
import type { StatePiece } from './state-piece.ts'
import type { StateTable } from './state-table.ts'
import type { ValueReader } from './value-reader.ts'

/** What the state that is asked for has to fit. */
export interface WantedState {
  readonly name: string
  readonly kind: StateKind
  /** Of what the state writes. */
  readonly serializer: Serializer<unknown>
  /** By fingerprint. */
  readonly readers: ReadonlyMap<string, ValueReader>
  readonly operatorName: string
}

/**
 * The keyed state of an operator as it was read back, until it is asked for by name. What nobody asks for is kept and
 * goes into every checkpoint as it is.
 */
export class RestoredStates {
  readonly #chunks: Map<string, readonly Chunk[]>

  constructor(chunks: ReadonlyMap<string, readonly Chunk[]>) {
    this.#chunks = new Map(chunks)
  }

  /**
   * The pieces of that state, in the order of application; from now on they are the table's.
   * @throws MillraceError MR_STATE_INCOMPATIBLE where it has another kind or type
   */
  take(wanted: WantedState): readonly Chunk[] {
    const chunks = this.#chunks.get(wanted.name)
    if (chunks === undefined) return []
    for (const chunk of chunks) checkFits(chunk, wanted)
    this.#chunks.delete(wanted.name)
    return chunks
  }

  /** Whether there is state of that name that nobody has asked for. */
  has(name: string): boolean {
    return this.#chunks.has(name)
  }

  /** Whatever came before is dropped by an empty full piece. */
  pieces(): readonly StatePiece[] {
    const pieces: StatePiece[] = []
    for (const [stateName, chunks] of this.#chunks) {
      const keyGroups = new Set<number>()
      for (const { keyGroup, bytes } of chunks) {
        if (!keyGroups.has(keyGroup))
          pieces.push({ stateName, keyGroup, kind: 'full', bytes: Buffer.alloc(0), isContinuation: false })
        keyGroups.add(keyGroup)
        pieces.push({ stateName, keyGroup, kind: 'delta', bytes, isContinuation: false })
      }
    }
    return pieces
  }
}

/**
 * Pieces into a table.
 * @throws MillraceError MR_CHECKPOINT_DAMAGED where a value can not be read, though the checksum is right
 */
export function loadChunks(
  chunks: readonly Chunk[],
  table: StateTable,
  { keyGroups, readers }: { readonly keyGroups: KeyGroupRange; readonly readers: ReadonlyMap<string, ValueReader> },
): void {
  for (const chunk of chunks) {
    const reader = readers.get(chunk.fingerprint)
    if (reader === undefined) continue
    try {
      table.load(chunk, chunk.keyGroup - keyGroups.from, reader)
    } catch (error) {
      if (isMillraceError(error) && error.code !== 'MR_STATE_TYPE') throw error
      throw new MillraceError('MR_CHECKPOINT_DAMAGED', `${chunk.source} can not be read: ${messageOf(error)}`, {
        cause: error,
      })
    }
  }
}

function checkFits(chunk: Chunk, { name, kind, serializer, readers, operatorName }: WantedState): void {
  const where = `State "${name}" of operator "${operatorName}"`
  if (chunk.kind !== kind) {
    throw new MillraceError(
      'MR_STATE_INCOMPATIBLE',
      `${where} is ${chunk.kind} state in the snapshot and ${kind} state in the job.`,
      { operator: operatorName },
    )
  }
  if (!readers.has(chunk.fingerprint)) {
    throw new MillraceError(
      'MR_STATE_INCOMPATIBLE',
      `${where} has type ${chunk.schemaText} in the snapshot and type ${serializer.schemaText} in the job.`,
      { operator: operatorName },
    )
  }
}
