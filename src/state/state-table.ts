import type { Chunk } from './chunk-reader.ts'
import type { Keyed } from './key-index.ts'
import type { PieceSink, TableSnapshot } from './table-snapshot.ts'
import type { ValueReader } from './value-reader.ts'

/** The table of one state: entries in Maps, by value, pane or map key, or columns off the heap. */
export interface StateTable {
  /** At a barrier; an older one that still drains ends (R2). */
  snapshot(id: number, emit: PieceSink): TableSnapshot
  /** Applies a piece at a restore; in the order of the manifest. */
  load(chunk: Chunk, groupIndex: number, reader: ValueReader): void
  /** Looks at some entries and removes those that have expired. Only of state with a time to live. */
  cleanUp(entries: number): void
  /** Keys that have something in it, as they are now; only of states that functions may ask for. */
  keysInUse?(): readonly Keyed[]
  /** The attempt ends: managed memory is the slot's again. */
  release(): void
}
