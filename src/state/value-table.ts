import { decodeKey } from '../common/key.ts'
import { murmur3 } from '../common/murmur3.ts'
import type { Chunk } from './chunk-reader.ts'
import { type CurrentKey, ownedKey } from './current-key.ts'
import { Entry } from './entry.ts'
import { EntryChanges, type EntryChangesOptions, type EntrySource } from './entry-changes.ts'
import { KeyIndex } from './key-index.ts'
import type { StateTable } from './state-table.ts'
import { restoredStamp } from './state-version.ts'
import type { PieceSink, TableSnapshot } from './table-snapshot.ts'

export type TableOptions = Omit<EntryChangesOptions, 'source'> & { readonly currentKey: CurrentKey }

/** One value a key, in an index for each key group. */
export class ValueTable implements EntrySource, StateTable {
  readonly changes: EntryChanges
  readonly currentKey: CurrentKey
  readonly #groups: readonly KeyIndex<Entry>[]

  constructor(options: TableOptions) {
    this.changes = new EntryChanges({ ...options, source: this })
    this.currentKey = options.currentKey
    this.#groups = this.changes.logs.map(() => new KeyIndex())
  }

  /** Of the current key. */
  find(): Entry | undefined {
    const { groupIndex, key, hash } = this.currentKey
    return (this.#groups[groupIndex] as KeyIndex<Entry>).find(key, hash)
  }

  /** Where `find` found nothing. */
  insert(value: unknown): Entry {
    const { key, hash, groupIndex } = this.currentKey
    const entry = new Entry(ownedKey(key), hash, undefined, value)
    this.changes.created(entry, groupIndex)
    this.#groups[groupIndex]?.add(entry)
    return entry
  }

  remove(): void {
    const { groupIndex } = this.currentKey
    const entry = this.find()
    if (entry === undefined) return
    this.#groups[groupIndex]?.removeFound()
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
        const hash = murmur3(chunk.bytes, key.start, key.end)
        if (entries.find(decodeKey(chunk.bytes, key.start, key.end), hash) !== undefined) entries.removeFound()
      },
      (keyRange, _place, value) => {
        const key = decodeKey(chunk.bytes, keyRange.start, keyRange.end)
        const hash = murmur3(chunk.bytes, keyRange.start, keyRange.end)
        if (entries.find(key, hash) !== undefined) entries.removeFound()
        const entry = new Entry(key, hash, undefined, serializer.decode(chunk.bytes, value.start, value.end))
        entry.stamp = restoredStamp
        entries.add(entry)
      },
    )
  }
}
