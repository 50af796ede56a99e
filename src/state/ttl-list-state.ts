import type { ListState, Stored } from '../api/state.ts'
import { deeplyFrozen } from './detached.ts'
import { StampedList, type TimeToLive } from './time-to-live.ts'
import type { ValueTable } from './value-table.ts'

export interface TtlStateOptions {
  readonly timeToLive: TimeToLive
  /** What is handed out is frozen, for tests (R6). */
  readonly freezes: boolean
}

/** A list a key whose items have a time to live each. */
export class TtlListState<T> implements ListState<T> {
  readonly #table: ValueTable
  readonly #timeToLive: TimeToLive
  readonly #freezes: boolean

  constructor(table: ValueTable, { timeToLive, freezes }: TtlStateOptions) {
    this.#table = table
    this.#timeToLive = timeToLive
    this.#freezes = freezes
  }

  /** A fresh array. Expired items are removed; where they are shown, this is the last time. */
  get(): readonly Stored<T>[] {
    this.#cleanUp()
    const entry = this.#table.find()
    if (entry === undefined) return []
    const { groupIndex } = this.#table.currentKey
    this.#table.changes.beforeHandOut(entry, groupIndex)
    const list = entry.value as StampedList<T>
    const unexpired = this.#timeToLive.unexpiredItems(list)
    if (unexpired === undefined) this.#table.expire(entry, groupIndex)
    else if (unexpired !== list || this.#timeToLive.renewsOnRead) this.#replace(this.#renewed(unexpired))
    const shown = this.#timeToLive.returnsExpired ? list : unexpired
    const items = (shown?.items.slice() ?? []) as Stored<T>[]
    return this.#freezes ? deeplyFrozen(items) : items
  }

  add(value: T): void {
    this.addAll([value])
  }

  addAll(values: Iterable<T>): void {
    this.#cleanUp()
    const added = [...values]
    if (added.length === 0) return
    const now = this.#timeToLive.nowMs()
    const entry = this.#table.find()
    if (entry === undefined) {
      this.#replace(new StampedList(new Array(added.length).fill(now), added))
      return
    }
    this.#table.changes.beforeChange(entry, this.#table.currentKey.groupIndex)
    const list = entry.value as StampedList<T>
    for (const value of added) {
      list.items.push(value)
      list.lastAccessMs.push(now)
    }
  }

  update(values: Iterable<T>): void {
    this.#cleanUp()
    const items = [...values]
    if (items.length === 0) this.#table.remove()
    else this.#replace(new StampedList(new Array(items.length).fill(this.#timeToLive.nowMs()), items))
  }

  clear(): void {
    this.#table.remove()
  }

  #renewed(list: StampedList<T>): StampedList<T> {
    if (!this.#timeToLive.renewsOnRead) return list
    return new StampedList(new Array(list.items.length).fill(this.#timeToLive.nowMs()), list.items.slice())
  }

  #replace(list: StampedList<T>): void {
    const entry = this.#table.find()
    if (entry === undefined) {
      this.#table.insert(list)
      return
    }
    this.#table.changes.beforeChange(entry, this.#table.currentKey.groupIndex)
    entry.value = list
  }

  #cleanUp(): void {
    this.#table.cleanUp(this.#timeToLive.entriesPerAccess)
  }
}
