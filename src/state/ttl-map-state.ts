import type { MapState, Stored } from '../api/state.ts'
import { deeplyFrozen } from './detached.ts'
import type { Entry } from './entry.ts'
import type { MapEntryTable } from './map-entry-table.ts'
import { Stamped, type TimeToLive } from './time-to-live.ts'
import type { TtlStateOptions } from './ttl-list-state.ts'

/** A map a key whose entries have a time to live each. */
export class TtlMapState<K extends string | number | bigint | boolean, V> implements MapState<K, V> {
  readonly #table: MapEntryTable
  readonly #timeToLive: TimeToLive
  readonly #freezes: boolean

  constructor(table: MapEntryTable, { timeToLive, freezes }: TtlStateOptions) {
    this.#table = table
    this.#timeToLive = timeToLive
    this.#freezes = freezes
  }

  get(key: K): Stored<V> | undefined {
    this.#cleanUp()
    return this.#visible(this.#table.find(key), this.#table.currentKey.groupIndex)?.value
  }

  has(key: K): boolean {
    this.#cleanUp()
    return this.#visible(this.#table.find(key), this.#table.currentKey.groupIndex) !== undefined
  }

  put(key: K, value: V): void {
    this.#cleanUp()
    this.#table.put(key, new Stamped(this.#timeToLive.nowMs(), value))
  }

  remove(key: K): void {
    this.#table.remove(key)
  }

  entries(): Iterable<readonly [K, Stored<V>]> {
    return this.#walk((entry, { value }) => [entry.place as K, value] as const)
  }

  keys(): Iterable<K> {
    return this.#walk((entry) => entry.place as K)
  }

  values(): Iterable<Stored<V>> {
    return this.#walk((_, { value }) => value)
  }

  /** Looks only: starts no time anew. */
  isEmpty(): boolean {
    for (const { value } of this.#table.all()?.values() ?? []) {
      const { lastAccessMs } = value as Stamped<V>
      if (this.#timeToLive.returnsExpired || !this.#timeToLive.isExpired(lastAccessMs)) return false
    }
    return true
  }

  clear(): void {
    this.#table.clear()
  }

  /** Bound to the key that is current now; may be walked through more than once. */
  #walk<Item>(itemOf: (entry: Entry, visible: Stamped<Stored<V>>) => Item): Iterable<Item> {
    this.#cleanUp()
    const entries = this.#table.all()
    const { groupIndex } = this.#table.currentKey
    const visible = (entry: Entry) => this.#visible(entry, groupIndex)
    return {
      *[Symbol.iterator]() {
        for (const entry of entries?.values() ?? []) {
          const stamped = visible(entry)
          if (stamped !== undefined) yield itemOf(entry, stamped)
        }
      },
    }
  }

  /** What is seen of an entry: removes it where it has expired, starts its time anew where reading does. */
  #visible(entry: Entry | undefined, groupIndex: number): Stamped<Stored<V>> | undefined {
    if (entry === undefined) return undefined
    const { changes } = this.#table
    changes.beforeHandOut(entry, groupIndex)
    const stamped = entry.value as Stamped<Stored<V>>
    if (this.#timeToLive.isExpired(stamped.lastAccessMs)) {
      this.#table.expire(entry, groupIndex)
      if (!this.#timeToLive.returnsExpired) return undefined
    } else if (this.#timeToLive.renewsOnRead) {
      changes.beforeChange(entry, groupIndex)
      entry.value = new Stamped(this.#timeToLive.nowMs(), stamped.value)
    }
    if (this.#freezes) deeplyFrozen(stamped.value)
    return stamped
  }

  #cleanUp(): void {
    this.#table.cleanUp(this.#timeToLive.entriesPerAccess)
  }
}
