import type { Key } from '../api/functions.ts'
import { decodeKey, type MapKey, mapKeyOf } from '../common/key.ts'
import { murmur3 } from '../common/murmur3.ts'
import type { ByteRange, Chunk } from './chunk-reader.ts'
import { type CurrentKey, ownedKey } from './current-key.ts'
import { Entry } from './entry.ts'
import { EntryChanges, type EntrySource } from './entry-changes.ts'
import { EntryCleanup } from './entry-cleanup.ts'
import { type Keyed, KeyIndex } from './key-index.ts'
import type { StateTable } from './state-table.ts'
import { restoredStamp } from './state-version.ts'
import type { PieceSink, TableSnapshot } from './table-snapshot.ts'
import type { ValueReader } from './value-reader.ts'
import type { TableOptions } from './value-table.ts'

type EntriesOfKey = Map<MapKey, Entry>

interface MapOfKey extends Keyed {
  readonly entries: EntriesOfKey
}

interface KeyGroupEntries {
  readonly keys: KeyIndex<MapOfKey>
  entries: number
}

/** A map a key: each of its entries is an entry of the table, so that a checkpoint writes only those that changed. */
export class MapEntryTable implements EntrySource, StateTable {
  readonly changes: EntryChanges
  readonly currentKey: CurrentKey
  #cleanup: EntryCleanup | undefined
  readonly #groups: readonly KeyGroupEntries[]

  constructor(options: TableOptions) {
    this.changes = new EntryChanges({ ...options, source: this })
    this.currentKey = options.currentKey
    this.#groups = this.changes.logs.map(() => ({ keys: new KeyIndex(), entries: 0 }))
  }

  /** The current key's map; undefined: it is empty. Removing entries while iterating is allowed. */
  all(): EntriesOfKey | undefined {
    return this.#group().keys.find(this.currentKey.key, this.currentKey.hash)?.entries
  }

  find(userKey: Key): Entry | undefined {
    return this.all()?.get(mapKeyOf(userKey))
  }

  put(userKey: Key, value: unknown): void {
    const { key, hash, groupIndex } = this.currentKey
    const group = this.#group()
    let entries = this.all()
    const existing = entries?.get(mapKeyOf(userKey))
    if (existing !== undefined) {
      this.changes.beforeChange(existing, groupIndex)
      existing.value = value
      return
    }
    const owned = ownedKey(key)
    if (entries === undefined) {
      entries = new Map()
      group.keys.add({ key: owned, hash, entries })
    }
    const entry = new Entry(owned, hash, ownedKey(userKey), value)
    this.changes.created(entry, groupIndex)
    entries.set(mapKeyOf(entry.place as Key), entry)
    group.entries++
  }

  remove(userKey: Key): void {
    const { groupIndex } = this.currentKey
    const entries = this.all()
    const entry = entries?.get(mapKeyOf(userKey))
    if (entries === undefined || entry === undefined) return
    entries.delete(mapKeyOf(userKey))
    const group = this.#group()
    if (entries.size === 0) group.keys.removeFound()
    group.entries--
    this.changes.removed(entry, groupIndex)
  }

  /** All entries of the current key. */
  clear(): void {
    const { groupIndex } = this.currentKey
    const entries = this.all()
    if (entries === undefined) return
    const group = this.#group()
    group.keys.removeFound()
    group.entries -= entries.size
    for (const entry of entries.values()) this.changes.removed(entry, groupIndex)
    entries.clear()
  }

  /** R8: without a tombstone. */
  expire(entry: Entry, groupIndex: number): void {
    const group = this.#groups[groupIndex]
    const entries = group?.keys.find(entry.key, entry.hash)?.entries
    const mapKey = mapKeyOf(entry.place as Key)
    if (group === undefined || entries?.get(mapKey) !== entry) return
    entries.delete(mapKey)
    if (entries.size === 0) group.keys.removeFound()
    group.entries--
    this.changes.expired(entry)
  }

  cleanUp(entries: number): void {
    this.#cleanup ??= new EntryCleanup(this, this.changes.options.timeToLive)
    this.#cleanup.step(entries)
  }

  /** One key group after another; undefined: at the end of one. */
  *walk(): IterableIterator<Entry | undefined> {
    for (const { keys } of this.#groups) {
      for (let number = 0; number < keys.numbers; number++) yield* keys.at(number)?.entries.values() ?? []
      yield undefined
    }
  }

  keysInUse(): readonly Keyed[] {
    const keys: Keyed[] = []
    for (const group of this.#groups) {
      group.keys.forEach((ofKey) => {
        keys.push(ofKey)
      })
    }
    return keys
  }

  sizeOf(groupIndex: number): number {
    return this.#groups[groupIndex]?.entries ?? 0
  }

  scan(): (groupIndex: number, target: Entry[]) => void {
    return (groupIndex, target) => {
      this.#groups[groupIndex]?.keys.forEach(({ entries }) => {
        for (const entry of entries.values()) target.push(entry)
      })
    }
  }

  snapshot(id: number, emit: PieceSink): TableSnapshot {
    return this.changes.snapshot(id, emit)
  }

  release(): void {
    // Nothing is off the heap.
  }

  load(chunk: Chunk, groupIndex: number, reader: ValueReader): void {
    const group = this.#groups[groupIndex]
    if (group === undefined) return
    if (!reader.isCurrent) this.changes.logs[groupIndex]?.startAnew()
    if (chunk.pieceKind === 'full') group.keys.clear()
    chunk.visit(
      (key, userKey) => removeEntry(group, chunk, { key, userKey: userKey as ByteRange }),
      (key, userKey, value) => {
        const stored = reader.decode(chunk.bytes, value.start, value.end)
        if (stored !== undefined) loadEntry(group, chunk, { key, userKey: userKey as ByteRange, stored })
        else removeEntry(group, chunk, { key, userKey: userKey as ByteRange })
      },
    )
    group.entries = 0
    group.keys.forEach(({ entries }) => {
      group.entries += entries.size
    })
  }

  #group(): KeyGroupEntries {
    return this.#groups[this.currentKey.groupIndex] as KeyGroupEntries
  }
}

interface LoadedRow {
  readonly key: ByteRange
  readonly userKey: ByteRange
}

function loadEntry(
  group: KeyGroupEntries,
  chunk: Chunk,
  { key: keyRange, userKey, stored }: LoadedRow & { readonly stored: unknown },
): void {
  const key = keyOf(chunk, keyRange)
  const hash = murmur3(chunk.bytes, keyRange.start, keyRange.end)
  const entry = new Entry(key, hash, keyOf(chunk, userKey), stored)
  entry.stamp = restoredStamp
  let found = group.keys.find(key, hash)
  if (found === undefined) {
    found = { key, hash, entries: new Map() }
    group.keys.add(found)
  }
  found.entries.set(mapKeyOf(entry.place as Key), entry)
}

function removeEntry(group: KeyGroupEntries, chunk: Chunk, { key, userKey }: LoadedRow): void {
  const found = group.keys.find(keyOf(chunk, key), murmur3(chunk.bytes, key.start, key.end))
  found?.entries.delete(mapKeyOf(keyOf(chunk, userKey)))
  if (found?.entries.size === 0) group.keys.removeFound()
}

function keyOf(chunk: Chunk, { start, end }: ByteRange): Key {
  return decodeKey(chunk.bytes, start, end)
}
