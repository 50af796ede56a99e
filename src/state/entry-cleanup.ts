import type { Entry } from './entry.ts'
import type { EntryChanges } from './entry-changes.ts'
import type { TimeToLive } from './time-to-live.ts'

/** A table that is cleaned up. */
interface CleanedTable {
  readonly changes: EntryChanges
  /** All entries; undefined: at the end of a key group. Entries may come and go meanwhile. */
  walk(): IterableIterator<Entry | undefined>
  expire(entry: Entry, groupIndex: number): void
}

/** Goes round the entries of a table, a few at a time, and removes what has expired. */
export class EntryCleanup {
  readonly #table: CleanedTable
  readonly #timeToLive: TimeToLive | undefined
  #walk: IterableIterator<Entry | undefined>

  constructor(table: CleanedTable, timeToLive: TimeToLive | undefined) {
    this.#table = table
    this.#timeToLive = timeToLive
    this.#walk = table.walk()
  }

  step(entries: number): void {
    if (this.#timeToLive === undefined) return
    for (let looked = 0; looked < entries; looked++) {
      const next = this.#walk.next()
      if (next.done === true) this.#walk = this.#table.walk()
      else if (next.value !== undefined) this.#look(next.value, this.#timeToLive)
    }
  }

  #look(entry: Entry, timeToLive: TimeToLive): void {
    const { changes } = this.#table
    const groupIndex = changes.groupIndexOf(entry)
    const unexpired = timeToLive.unexpired(entry.value)
    if (unexpired === undefined) this.#table.expire(entry, groupIndex)
    else if (unexpired !== entry.value) {
      changes.beforeChange(entry, groupIndex)
      entry.value = unexpired
    }
  }
}
