import type { PieceKind } from './chunk-layout.ts'
import { type ChunkSubject, ChunkWriter } from './chunk-writer.ts'
import type { PieceSink } from './table-snapshot.ts'

/**
 * A chunk that has grown to this size is ended, and what is left of its key group goes into further ones: one value may
 * be larger, but no chunk holds more than one value beyond it. Keeps memory and the copy at a chunk's end small.
 */
export const maxChunkBytes = 2 * 1024 * 1024

export interface PieceStart {
  readonly keyGroup: number
  readonly kind: PieceKind
  readonly dropped: number
  readonly removed: number
}

/** Writes the pieces of one state, key group by key group. Tombstones are written first, through `chunk`. */
export class PieceWriter {
  readonly chunk: ChunkWriter
  readonly #stateName: string
  readonly #emit: PieceSink
  #open: PieceStart | undefined
  #isContinuation = false

  constructor(subject: ChunkSubject, emit: PieceSink) {
    this.chunk = new ChunkWriter(subject)
    this.#stateName = subject.stateName
    this.#emit = emit
  }

  begin(start: PieceStart): void {
    this.#open = start
    this.#isContinuation = false
    this.chunk.begin(start.keyGroup, start.kind, start)
  }

  /** Between two entries: goes on in another chunk where this one is large. Returns the bytes that are in it. */
  continueWhereLarge(): number {
    const { writtenBytes } = this.chunk
    const start = this.#open
    if (start === undefined || writtenBytes < maxChunkBytes) return writtenBytes
    this.#emitChunk(start)
    this.#isContinuation = true
    this.chunk.begin(start.keyGroup, 'delta', { dropped: 0, removed: 0 })
    return writtenBytes
  }

  /** The key group is complete. A full piece without entries is empty; a delta without any is none. */
  finish(): void {
    const start = this.#open
    if (start === undefined) return
    this.#open = undefined
    if (this.chunk.rows > 0) this.#emitChunk(start)
    else if (start.kind === 'full' && !this.#isContinuation) this.#emitBytes(start, Buffer.alloc(0))
  }

  #emitChunk(start: PieceStart): void {
    this.#emitBytes(start, this.chunk.finish())
  }

  #emitBytes({ keyGroup, kind }: PieceStart, bytes: Buffer): void {
    const isContinuation = this.#isContinuation
    this.#emit({
      stateName: this.#stateName,
      keyGroup,
      kind: isContinuation ? 'delta' : kind,
      bytes,
      isContinuation: isContinuation && kind === 'full',
    })
  }
}
