import { decodeKey } from '../common/key.ts'
import { murmur3 } from '../common/murmur3.ts'
import type { Chunk } from './chunk-reader.ts'
import { type CurrentKey, ownedKey } from './current-key.ts'
import { Entry } from './entry.ts'
import { EntryChanges, type EntryChangesOptions, type EntrySource } from './entry-changes.ts'
import { EntryCleanup } from './entry-cleanup.ts'
import { type Keyed, KeyIndex } from './key-index.ts'
import type { StateTable } from './state-table.ts'
import { restoredStamp } from './state-version.ts'
import type { PieceSink, TableSnapshot } from './table-snapshot.ts'
import type { ValueReader } from './value-reader.ts'

export type TableOptions = Omit<EntryChangesOptions, 'source'> & { readonly currentKey: CurrentKey }

/** One value a key, in an index for each key group. */
export class ValueTable implements EntrySource, StateTable {
  readonly changes: EntryChanges
  readonly currentKey: CurrentKey
  #cleanup: EntryCleanup | undefined
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

  /** R8: without a tombstone. */
  expire(entry: Entry, groupIndex: number): void {
    this.#groups[groupIndex]?.remove(entry)
    this.changes.expired(entry)
  }

  cleanUp(entries: number): void {
    this.#cleanup ??= new EntryCleanup(this, this.changes.options.timeToLive)
    this.#cleanup.step(entries)
  }

  /** One key group after another; undefined: at the end of one. */
  *walk(): IterableIterator<Entry | undefined> {
    for (const group of this.#groups) {
      for (let number = 0; number < group.numbers; number++) yield group.at(number)
      yield undefined
    }
  }

  keysInUse(): readonly Keyed[] {
    const keys: Keyed[] = []
    for (const group of this.#groups) {
      group.forEach((entry) => {
        keys.push(entry)
      })
    }
    return keys
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

  load(chunk: Chunk, groupIndex: number, reader: ValueReader): void {
    const entries = this.#groups[groupIndex]
    if (entries === undefined) return
    if (!reader.isCurrent) this.changes.logs[groupIndex]?.startAnew()
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
        const stored = reader.decode(chunk.bytes, value.start, value.end)
        if (stored === undefined) return
        const entry = new Entry(key, hash, undefined, stored)
        entry.stamp = restoredStamp
        entries.add(entry)
      },
    )
  }
}
