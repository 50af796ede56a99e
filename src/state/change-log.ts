import type { Entry } from './entry.ts'
import { Pane } from './pane.ts'

/** What changed in one key group between two barriers. */
export interface VersionChanges {
  readonly stamp: number
  /** Entries that got this stamp; one that changed again later stands in a later version, too. */
  changed: Entry[]
  /** Removed entries that an older checkpoint may hold: tombstones. */
  readonly removed: Entry[]
  /** Namespaces of dropped panes (R8). */
  readonly dropped: number[]
}

const spareChanges = 1024

/** The changes of one key group by stamp, so that a snapshot need not scan. */
export class ChangeLog {
  #versions: VersionChanges[] = []
  #current: VersionChanges | undefined
  #length = 0
  #compactAt = spareChanges
  /** Every change with this stamp or a higher one is here. */
  #completeFrom = 0
  #startsAnew = false

  changed(stamp: number, entry: Entry): void {
    this.#at(stamp).changed.push(entry)
    if (++this.#length > this.#compactAt) this.#compact(stamp)
  }

  removed(stamp: number, entry: Entry): void {
    this.#at(stamp).removed.push(entry)
    this.#length++
  }

  dropped(stamp: number, namespace: number): void {
    this.#at(stamp).dropped.push(namespace)
    this.#length++
  }

  /** The next checkpoint writes a full piece: what older ones hold is written otherwise than the state is now. */
  startAnew(): void {
    this.#startsAnew = true
  }

  /**
   * A barrier on `base`, which has completed: no checkpoint needs what is in it. Gives up the changes where a full
   * piece of the group's `entries` is less work (no checkpoint completes, or entries come and go).
   */
  barrier(base: number, id: number, entries: number): void {
    if (base + 1 > this.#completeFrom) {
      this.#completeFrom = base + 1
      this.#keep(this.#versions.filter((version) => version.stamp > base))
    }
    if (this.#startsAnew || this.#length > 4 * entries + spareChanges) {
      this.#startsAnew = false
      this.#completeFrom = id + 1
      this.#keep([])
    }
  }

  /** Whether a piece with everything since `base` can be made. */
  reachesBackTo(base: number): boolean {
    return base + 1 >= this.#completeFrom
  }

  /** The versions that a checkpoint `id` on `base` consists of. */
  between(base: number, id: number): readonly VersionChanges[] {
    return this.#versions.filter((version) => version.stamp > base && version.stamp <= id)
  }

  #at(stamp: number): VersionChanges {
    if (this.#current?.stamp === stamp) return this.#current
    const version: VersionChanges = { stamp, changed: [], removed: [], dropped: [] }
    this.#versions.push(version)
    this.#current = version
    return version
  }

  #keep(versions: VersionChanges[]): void {
    this.#versions = versions
    this.#current = undefined
    this.#length = versions.reduce(
      (sum, version) => sum + version.changed.length + version.removed.length + version.dropped.length,
      0,
    )
    this.#compactAt = 2 * this.#length + spareChanges
  }

  /** Entries that came and went need not be kept, above all where there are no checkpoints. */
  #compact(stamp: number): void {
    for (const version of this.#versions) {
      version.changed = version.changed.filter((entry) => isNeeded(entry, version.stamp, stamp))
    }
    this.#keep(this.#versions)
  }
}

function isNeeded(entry: Entry, versionStamp: number, stamp: number): boolean {
  if (Math.abs(entry.stamp) !== versionStamp) return false
  return !(entry.place instanceof Pane) || entry.place.droppedAt >= stamp
}
