import type { Key } from '../api/functions.ts'
import { decodeKey, type MapKey, mapKeyOf } from '../common/key.ts'
import { murmur3 } from '../common/murmur3.ts'
import type { DataType } from '../formats/data-type.ts'
import type { Chunk } from './chunk-reader.ts'
import { type CurrentKey, detachedKey, ownedKey } from './current-key.ts'
import { Entry } from './entry.ts'
import { EntryChanges, type EntrySource } from './entry-changes.ts'
import { NamespaceQueue } from './namespace-queue.ts'
import { Pane } from './pane.ts'
import type { StateTable } from './state-table.ts'
import { restoredStamp, type StateVersion } from './state-version.ts'
import type { PieceSink, TableSnapshot } from './table-snapshot.ts'
import type { ValueReader } from './value-reader.ts'
import type { TableOptions } from './value-table.ts'

export interface PaneOptions<A> {
  /** Type of the values, undefined or untyped: anything plain. */
  readonly type: DataType<A> | undefined
}

const noPane = new Pane(Number.NaN, 0)

/** Values by namespace (a number: a window's end, a timer's timestamp) and key. Works on the backend's current key. */
export class PaneState<A> implements EntrySource, StateTable {
  readonly changes: EntryChanges
  readonly #currentKey: CurrentKey
  readonly #version: StateVersion
  readonly #panes = new Map<number, Pane>()
  readonly #queue = new NamespaceQueue()
  /** Entries of each key group. */
  readonly #sizes: number[]
  /** The pane that was used last: most records of a window find it here. */
  #last: Pane = noPane

  constructor(options: TableOptions) {
    this.changes = new EntryChanges({ ...options, source: this })
    this.#currentKey = options.currentKey
    this.#version = options.version
    this.#sizes = this.changes.logs.map(() => 0)
  }

  /** Of the current key and namespace. May be changed in place only if `set` follows at once. */
  get(namespace: number): A | undefined {
    const { groupIndex, mapKey } = this.#currentKey
    const entry = this.#pane(namespace)?.find(groupIndex, mapKey)
    if (entry === undefined) return undefined
    this.changes.beforeHandOut(entry, groupIndex)
    return entry.value as A
  }

  has(namespace: number): boolean {
    return this.#pane(namespace)?.find(this.#currentKey.groupIndex, this.#currentKey.mapKey) !== undefined
  }

  /** Marks it changed. */
  set(namespace: number, value: A): void {
    const { groupIndex, mapKey } = this.#currentKey
    const entry = this.#pane(namespace)?.find(groupIndex, mapKey)
    if (entry === undefined) {
      this.#insert(namespace, value)
      return
    }
    this.changes.beforeChange(entry, groupIndex)
    entry.value = value
  }

  /** The current key's entry of that namespace: a tombstone of that entry (R8). False: there was none. */
  removeEntry(namespace: number): boolean {
    const { groupIndex, mapKey } = this.#currentKey
    const pane = this.#pane(namespace)
    const entry = pane?.find(groupIndex, mapKey)
    if (pane === undefined || entry === undefined) return false
    pane.remove(groupIndex, mapKey)
    this.#sizes[groupIndex] = this.sizeOf(groupIndex) - 1
    this.changes.removed(entry, groupIndex)
    if (pane.size === 0) this.#forget(pane)
    return true
  }

  /** Over all key groups; Infinity: there is no entry. */
  lowestNamespace(): number {
    return this.#queue.lowest(this.#panes)
  }

  /**
   * The lowest namespace above `after`; Infinity: there is none. For windows with allowed lateness: their fired panes,
   * few at any time, stay below the ones that have still to fire.
   */
  nextNamespace(after: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const namespace of this.#panes.keys()) if (namespace > after && namespace < next) next = namespace
    return next
  }

  /** Visits the entries of a namespace, resumably, for firing in slices (R33). */
  cursor(namespace: number): PaneCursor<A> {
    return new PaneCursor(this.#pane(namespace)?.visit(), this.changes, this.#currentKey)
  }

  /** All keys: one tombstone a key group (R8). A snapshot that drains still writes them. */
  dropNamespace(namespace: number): void {
    const pane = this.#panes.get(namespace)
    if (pane === undefined) return
    this.#forget(pane)
    pane.forEach((entry) => {
      const groupIndex = this.changes.groupIndexOf(entry)
      this.#sizes[groupIndex] = this.sizeOf(groupIndex) - 1
    })
    this.changes.paneDropped(pane)
  }

  sizeOf(groupIndex: number): number {
    return this.#sizes[groupIndex] as number
  }

  /** Timers make many panes of few entries: one pass over all of them, not one a key group. */
  scan(droppedPanes: readonly Pane[]): (groupIndex: number, target: Entry[]) => void {
    const groups: Entry[][] = this.#sizes.map(() => [])
    const put = (entry: Entry): void => {
      groups[this.changes.groupIndexOf(entry)]?.push(entry)
    }
    for (const pane of this.#panes.values()) pane.forEach(put)
    for (const pane of droppedPanes) pane.forEach(put)
    return (groupIndex, target) => {
      for (const entry of groups[groupIndex] ?? []) target.push(entry)
      groups[groupIndex] = []
    }
  }

  snapshot(id: number, emit: PieceSink): TableSnapshot {
    return this.changes.snapshot(id, emit)
  }

  release(): void {
    // Nothing is off the heap.
  }

  cleanUp(): void {
    // Windows and timers have no time to live.
  }

  load(chunk: Chunk, groupIndex: number, reader: ValueReader): void {
    if (!reader.isCurrent) this.changes.logs[groupIndex]?.startAnew()
    if (chunk.pieceKind === 'full') this.#clear(groupIndex)
    for (const namespace of chunk.droppedNamespaces()) this.#removeAll(groupIndex, namespace)
    chunk.visit(
      (key, namespace) => {
        const mapKey = mapKeyOf(decodeKey(chunk.bytes, key.start, key.end))
        this.#removeLoaded(groupIndex, namespace as number, mapKey)
      },
      (keyRange, namespace, value) => {
        const key = decodeKey(chunk.bytes, keyRange.start, keyRange.end)
        this.#removeLoaded(groupIndex, namespace as number, mapKeyOf(key))
        const pane = this.#paneOrNew(namespace as number, restoredStamp)
        const hash = murmur3(chunk.bytes, keyRange.start, keyRange.end)
        const entry = new Entry(key, hash, pane, reader.decode(chunk.bytes, value.start, value.end))
        entry.stamp = restoredStamp
        this.#add(pane, groupIndex, mapKeyOf(key), entry)
      },
    )
  }

  #insert(namespace: number, value: A): void {
    const { key, hash, groupIndex, mapKey } = this.#currentKey
    const pane = this.#paneOrNew(namespace, this.#version.stamp)
    const entry = new Entry(ownedKey(key), hash, pane, value)
    this.changes.created(entry, groupIndex)
    this.#add(pane, groupIndex, typeof key === 'string' ? (entry.key as string) : mapKey, entry)
  }

  #add(pane: Pane, groupIndex: number, mapKey: MapKey, entry: Entry): void {
    pane.spreadWhereLarge(this.changes.groupIndexOf)
    pane.add(groupIndex, mapKey, entry)
    this.#sizes[groupIndex] = this.sizeOf(groupIndex) + 1
  }

  #pane(namespace: number): Pane | undefined {
    if (this.#last.namespace === namespace) return this.#last
    const pane = this.#panes.get(namespace)
    if (pane !== undefined) this.#last = pane
    return pane
  }

  #paneOrNew(namespace: number, createdAt: number): Pane {
    const existing = this.#pane(namespace)
    if (existing !== undefined) return existing
    const pane = new Pane(namespace, createdAt)
    this.#panes.set(namespace, pane)
    this.#queue.add(namespace)
    this.#last = pane
    return pane
  }

  #forget(pane: Pane): void {
    this.#panes.delete(pane.namespace)
    if (this.#last === pane) this.#last = noPane
  }

  #removeLoaded(groupIndex: number, namespace: number, mapKey: MapKey): void {
    const pane = this.#panes.get(namespace)
    if (pane?.find(groupIndex, mapKey) === undefined) return
    pane.remove(groupIndex, mapKey)
    this.#sizes[groupIndex] = this.sizeOf(groupIndex) - 1
    if (pane.size === 0) this.#forget(pane)
  }

  #removeAll(groupIndex: number, namespace: number): void {
    this.#panes.get(namespace)?.forEach((entry) => {
      if (this.changes.groupIndexOf(entry) === groupIndex) {
        this.#removeLoaded(groupIndex, namespace, mapKeyOf(entry.key))
      }
    })
  }

  #clear(groupIndex: number): void {
    if (this.sizeOf(groupIndex) === 0) return
    for (const namespace of [...this.#panes.keys()]) this.#removeAll(groupIndex, namespace)
  }
}

/**
 * Entries of one namespace. Between two calls of `next` entries may be removed, added or changed: removed ones are not
 * visited, added ones may be. Whoever removes entries as it goes looks at `lowestNamespace` again afterwards.
 */
export class PaneCursor<A> {
  readonly #entries: IterableIterator<Entry> | undefined
  readonly #changes: EntryChanges
  readonly #currentKey: CurrentKey
  #entry: Entry | undefined
  #key: Key = ''

  constructor(entries: IterableIterator<Entry> | undefined, changes: EntryChanges, currentKey: CurrentKey) {
    this.#entries = entries
    this.#changes = changes
    this.#currentKey = currentKey
  }

  /** Goes to the next entry and makes its key the backend's current key; false: at the end. */
  next(): boolean {
    const result = this.#entries?.next()
    if (result === undefined || result.done === true) {
      this.#entry = undefined
      return false
    }
    this.#entry = result.value
    this.#key = detachedKey(result.value.key)
    this.#currentKey.set(this.#key, result.value.hash)
    return true
  }

  get key(): Key {
    return this.#key
  }

  /** To be read before its entry is removed; may be changed in place only if `set` follows, or the pane goes. */
  get value(): A {
    const entry = this.#current()
    this.#changes.beforeHandOut(entry, this.#changes.groupIndexOf(entry))
    return entry.value as A
  }

  #current(): Entry {
    if (this.#entry === undefined) throw new Error('A cursor that is at no entry.')
    return this.#entry
  }
}
