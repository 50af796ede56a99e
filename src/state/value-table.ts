import { decodeKey, type MapKey, mapKeyOf } from '../common/key.ts'
import { murmur3 } from '../common/murmur3.ts'
import type { Chunk } from './chunk-reader.ts'
import { type CurrentKey, ownedKey } from './current-key.ts'
import { Entry } from './entry.ts'
import { EntryChanges, type EntryChangesOptions, type EntrySource } from './entry-changes.ts'
import type { StateTable } from './state-table.ts'
import { restoredStamp } from './state-version.ts'
import type { PieceSink, TableSnapshot } from './table-snapshot.ts'

export type TableOptions = Omit<EntryChangesOptions, 'source'> & { readonly currentKey: CurrentKey }

/** One value a key, in a Map for each key group. */
export class ValueTable implements EntrySource, StateTable {
  readonly changes: EntryChanges
  readonly currentKey: CurrentKey
  readonly #groups: readonly Map<MapKey, Entry>[]

  constructor(options: TableOptions) {
    this.changes = new EntryChanges({ ...options, source: this })
    this.currentKey = options.currentKey
    this.#groups = this.changes.logs.map(() => new Map())
  }

  /** Of the current key. */
  find(): Entry | undefined {
    return (this.#groups[this.currentKey.groupIndex] as Map<MapKey, Entry>).get(this.currentKey.mapKey)
  }

  /** Where `find` found nothing. */
  insert(value: unknown): Entry {
    const { key, hash, groupIndex, mapKey } = this.currentKey
    const entry = new Entry(ownedKey(key), hash, undefined, value)
    this.changes.created(entry, groupIndex)
    this.#groups[groupIndex]?.set(typeof mapKey === 'string' ? flatMapKey(entry, mapKey) : mapKey, entry)
    return entry
  }

  remove(): void {
    const { groupIndex, mapKey } = this.currentKey
    const entry = this.find()
    if (entry === undefined) return
    this.#groups[groupIndex]?.delete(mapKey)
    this.changes.removed(entry, groupIndex)
  }

  sizeOf(groupIndex: number): number {
    return this.#groups[groupIndex]?.size ?? 0
  }

  scan(): (groupIndex: number, target: Entry[]) => void {
    return (groupIndex, target) => {
      this.#groups[groupIndex]?.forEach((entry) => {
        target.push(entry)
      })
    }
  }

  snapshot(id: number, emit: PieceSink): TableSnapshot {
    return this.changes.snapshot(id, emit)
  }

  release(): void {
    // Nothing is off the heap.
  }

  load(chunk: Chunk, groupIndex: number): void {
    const entries = this.#groups[groupIndex]
    if (entries === undefined) return
    const { serializer } = this.changes.options.subject
    if (chunk.pieceKind === 'full') entries.clear()
    chunk.visit(
      (key) => {
        entries.delete(mapKeyOf(decodeKey(chunk.bytes, key.start, key.end)))
      },
      (keyRange, _place, value) => {
        const key = decodeKey(chunk.bytes, keyRange.start, keyRange.end)
        const hash = murmur3(chunk.bytes, keyRange.start, keyRange.end)
        const entry = new Entry(key, hash, undefined, serializer.decode(chunk.bytes, value.start, value.end))
        entry.stamp = restoredStamp
        entries.set(mapKeyOf(key), entry)
      },
    )
  }
}

/** The Map must not hold on to the string that the key was cut out of, either. */
function flatMapKey(entry: Entry, mapKey: string): string {
  return typeof entry.key === 'string' ? entry.key : mapKey
}
