import type { StatePiece } from './state-piece.ts'

/** One table at a barrier, written out in slices. Two kinds of tables: entries in Maps, and columns off the heap. */
export interface TableSnapshot {
  /** In the turn of the barrier. `base` 0 or a key group in `fullKeyGroups`: everything is written. */
  plan(base: number, fullKeyGroups: ReadonlySet<number>): void
  /** Does work worth about `budget` entries and says how much it did. */
  step(budget: number): number
  readonly isDone: boolean
  /** Done or cancelled: nothing is kept for it any more. */
  end(): void
}

/** Where complete pieces go. */
export type PieceSink = (piece: StatePiece) => void
