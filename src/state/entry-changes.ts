import { type KeyGroupRange, keyGroupOf } from '../common/key-groups.ts'
import { ChangeLog } from './change-log.ts'
import type { ChunkSubject } from './chunk-writer.ts'
import type { Entry } from './entry.ts'
import { EntrySnapshot } from './entry-snapshot.ts'
import type { Pane } from './pane.ts'
import { deadStamp, type StateVersion } from './state-version.ts'
import type { PieceSink } from './table-snapshot.ts'
import type { TimeToLive } from './time-to-live.ts'

/** What a snapshot has to know of a table of entries. */
export interface EntrySource {
  /** About how many entries a key group has. */
  sizeOf(groupIndex: number): number
  /** All entries, by key group: the function appends those of one. `droppedPanes`: entries that are not in the table any more but count. */
  scan(droppedPanes: readonly Pane[]): (groupIndex: number, target: Entry[]) => void
}

export interface EntryChangesOptions {
  readonly subject: ChunkSubject
  readonly version: StateVersion
  readonly keyGroups: KeyGroupRange
  readonly maxParallelism: number
  readonly source: EntrySource
  readonly timeToLive?: TimeToLive | undefined
}

/**
 * Keeps stamps, change logs and tombstones of one table of entries, and preserves what a draining snapshot still needs.
 * R6: whoever hands out, overwrites or removes a value calls this first.
 */
export class EntryChanges {
  readonly options: EntryChangesOptions
  readonly logs: readonly ChangeLog[]
  readonly #version: StateVersion
  readonly #from: number
  readonly #maxParallelism: number
  #draining: EntrySnapshot | undefined

  constructor(options: EntryChangesOptions) {
    const { from, to } = options.keyGroups
    this.options = options
    this.logs = Array.from({ length: to - from }, () => new ChangeLog())
    this.#version = options.version
    this.#from = from
    this.#maxParallelism = options.maxParallelism
  }

  readonly groupIndexOf = (entry: Entry): number => keyGroupOf(entry.hash, this.#maxParallelism) - this.#from

  created(entry: Entry, groupIndex: number): void {
    // A checkpoint may hold one with this key that went without a tombstone, when it had expired.
    entry.stamp = this.options.timeToLive === undefined ? this.#version.newStamp : this.#version.stamp
    this.#log(groupIndex).changed(this.#version.stamp, entry)
  }

  /** Before a value is overwritten, or changed in place. */
  beforeChange(entry: Entry, groupIndex: number): void {
    const { stamp, newStamp } = this.#version
    if (entry.stamp === stamp || entry.stamp === newStamp) return
    this.#draining?.preserve(entry, groupIndex)
    entry.stamp = stamp
    this.#log(groupIndex).changed(stamp, entry)
  }

  /** Before a reference to the value is handed out. */
  beforeHandOut(entry: Entry, groupIndex: number): void {
    this.#draining?.preserve(entry, groupIndex)
  }

  /** The entry is taken out of the table: it becomes its own tombstone, where a checkpoint may hold it. */
  removed(entry: Entry, groupIndex: number): void {
    this.#draining?.preserve(entry, groupIndex)
    if (entry.stamp !== this.#version.newStamp) this.#log(groupIndex).removed(this.#version.stamp, entry)
    entry.stamp = deadStamp
    entry.value = undefined
  }

  /** It has expired and is taken out of the table: no restore takes it any more (R8). */
  expired(entry: Entry): void {
    entry.stamp = deadStamp
    // A snapshot may be about to write it.
    if (this.#draining === undefined) entry.value = undefined
  }

  /** R8: one tombstone a key group, and the pane is handed whole to the drain. */
  paneDropped(pane: Pane): void {
    const { stamp } = this.#version
    if (pane.createdAt !== stamp) {
      for (const groupIndex of pane.groups(this.groupIndexOf)) this.#log(groupIndex).dropped(stamp, pane.namespace)
    }
    pane.droppedAt = this.#draining === undefined ? 0 : stamp
    this.#draining?.paneDropped(pane)
  }

  snapshot(id: number, emit: PieceSink): EntrySnapshot {
    this.#draining?.end()
    const snapshot = new EntrySnapshot(this, id, emit)
    this.#draining = snapshot
    return snapshot
  }

  ended(snapshot: EntrySnapshot): void {
    if (this.#draining === snapshot) this.#draining = undefined
  }

  #log(groupIndex: number): ChangeLog {
    return this.logs[groupIndex] as ChangeLog
  }
}
