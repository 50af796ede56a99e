import type { MapKey } from '../common/key.ts'
import type { Entry } from './entry.ts'
import { deadStamp } from './state-version.ts'

type EntryMap = Map<MapKey, Entry>

/** Up to here the entries of all key groups share one Map: a timer's pane often holds a single entry. */
const sharedLimit = 64

/** The entries of one namespace, by key group where there are many (R8: a Map holds 2^24 entries at most). */
export class Pane {
  readonly namespace: number
  size = 0
  /**
   * `deadStamp`: it is there. Else it was dropped: with this stamp while a snapshot of the version before drained,
   * which still takes its entries (R6); 0 where nobody needs them.
   */
  droppedAt: number = deadStamp
  /** Stamp of the version that made it. */
  readonly createdAt: number
  #shared: EntryMap | undefined = new Map()
  readonly #byGroup: (EntryMap | undefined)[] = []
  #isVisited = false

  constructor(namespace: number, createdAt: number) {
    this.namespace = namespace
    this.createdAt = createdAt
  }

  find(groupIndex: number, mapKey: MapKey): Entry | undefined {
    return this.#shared === undefined ? this.#byGroup[groupIndex]?.get(mapKey) : this.#shared.get(mapKey)
  }

  add(groupIndex: number, mapKey: MapKey, entry: Entry): void {
    this.size++
    if (this.#shared !== undefined) {
      this.#shared.set(mapKey, entry)
      return
    }
    let entries = this.#byGroup[groupIndex]
    if (entries === undefined) {
      entries = new Map()
      this.#byGroup[groupIndex] = entries
    }
    entries.set(mapKey, entry)
  }

  /** To be called before `add` with a way to tell key groups: spreads a grown pane, unless a cursor is in it. */
  spreadWhereLarge(groupIndexOf: (entry: Entry) => number): void {
    if (this.#shared === undefined || this.#shared.size < sharedLimit || this.#isVisited) return
    const shared = this.#shared
    this.#shared = undefined
    this.size = 0
    for (const [mapKey, entry] of shared) this.add(groupIndexOf(entry), mapKey, entry)
  }

  remove(groupIndex: number, mapKey: MapKey): void {
    const entries = this.#shared ?? this.#byGroup[groupIndex]
    if (entries?.delete(mapKey) === true) this.size--
  }

  /** Live iterators, one a Map: entries removed meanwhile are not visited. */
  visit(): IterableIterator<Entry> {
    this.#isVisited = true
    return this.#entries()
  }

  *#entries(): IterableIterator<Entry> {
    if (this.#shared !== undefined) {
      yield* this.#shared.values()
      return
    }
    for (let index = 0; index < this.#byGroup.length; index++) {
      const entries = this.#byGroup[index]
      if (entries !== undefined) yield* entries.values()
    }
  }

  forEach(action: (entry: Entry) => void): void {
    if (this.#shared !== undefined) this.#shared.forEach(action)
    for (const entries of this.#byGroup) entries?.forEach(action)
  }

  /** Key groups that have entries. */
  groups(groupIndexOf: (entry: Entry) => number): ReadonlySet<number> {
    const groups = new Set<number>()
    if (this.#shared !== undefined) for (const entry of this.#shared.values()) groups.add(groupIndexOf(entry))
    this.#byGroup.forEach((entries, index) => {
      if (entries !== undefined && entries.size > 0) groups.add(index)
    })
    return groups
  }
}
