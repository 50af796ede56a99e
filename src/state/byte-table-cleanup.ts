import type { ByteTable } from './byte-table.ts'
import { deadStamp } from './state-version.ts'

/** Looks for expired entries of a table of columns whose first column is the time of the last access, a few at a time. */
export class ByteTableCleanup {
  readonly #table: ByteTable
  /** Entries below have been looked at. */
  #next = 0

  constructor(table: ByteTable) {
    this.#table = table
  }

  step(entries: number): void {
    const table = this.#table
    const { timeToLive } = table.options
    if (timeToLive === undefined) return
    for (let looked = 0; looked < entries; looked++) {
      if (this.#next >= table.used) this.#next = 0
      const entry = this.#next++
      if (entry >= table.used || table.stamps[entry] === deadStamp) continue
      if (timeToLive.isExpired(table.columns[entry * table.layout.width] as number)) table.expire(entry)
    }
  }
}
