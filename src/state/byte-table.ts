import { decodeKey, hashKeyIntoScratch, scratch, scratchKey, scratchLength } from '../common/key.ts'
import { keyGroupOf } from '../common/key-groups.ts'
import { murmur3 } from '../common/murmur3.ts'
import { ByteTableCleanup } from './byte-table-cleanup.ts'
import { ByteTableSnapshot } from './byte-table-snapshot.ts'
import { ChangeLog } from './change-log.ts'
import type { Chunk } from './chunk-reader.ts'
import type { ChunkSubject } from './chunk-writer.ts'
import { CrowdedKeys, crowdedSlot, mostEqualHashes } from './crowded-keys.ts'
import type { CurrentKey } from './current-key.ts'
import { Entry } from './entry.ts'
import { EntryIndex, segmentShift, slotInSegment } from './entry-index.ts'
import { type KeyRows, sameKey } from './key-bytes.ts'
import type { Keyed } from './key-index.ts'
import type { ManagedMemory } from './managed-memory.ts'
import type { NumericLayout } from './numeric-layout.ts'
import type { StateTable } from './state-table.ts'
import { deadStamp, restoredStamp, type StateVersion } from './state-version.ts'
import { mixedHash } from './table-hash.ts'
import type { PieceSink } from './table-snapshot.ts'
import type { ValueReader } from './value-reader.ts'
import type { TableOptions } from './value-table.ts'

export interface ByteTableOptions extends TableOptions {
  readonly layout: NumericLayout
  readonly memory: ManagedMemory
  /** Names operator and state in errors. */
  readonly owner: string
}

const firstKeyBytes = 1 << 14
/** Arrays double when they are full. They begin at different lengths, so that no two of them double in one turn of the loop. */
const firstCapacities = { columns: 676, stamps: 588, hashes: 512, keyOffsets: 776, keyLengths: 891 } as const

/**
 * One value a key, off the heap: an index with open addressing on the key's canonical bytes, and the values in columns
 * of doubles. An entry keeps its number for life. `find` and `insert` give it; a value begins at
 * `columns[entry × width]`.
 */
export class ByteTable implements StateTable {
  /** Replaced when the table grows. */
  columns: Float64Array
  /** By entry; StateVersion says how they are read. */
  stamps: Int32Array
  hashes: Int32Array
  keyOffsets: Uint32Array
  keyLengths: Uint32Array
  keys: Uint8Array
  #keysView: DataView
  /** Entries that were ever used. */
  used = 0
  readonly layout: NumericLayout
  /** What `upsertAll` begins an entry with. */
  initialValue = new Float64Array(0)
  readonly subject: ChunkSubject
  readonly logs: readonly ChangeLog[]
  readonly options: ByteTableOptions
  readonly #version: StateVersion
  readonly #currentKey: CurrentKey
  readonly #index: EntryIndex
  readonly #crowded = new CrowdedKeys()
  readonly #cleanup = new ByteTableCleanup(this)
  /** Slot where the last search ended. */
  #slot = 0
  /** What `upsertAll` gives. */
  #found = new Int32Array(0)
  /** Entries that the shortest array has room for. */
  #room: number = firstCapacities.hashes
  #entries = 0
  #keysUsed = 0
  #keysFreed = 0
  #reserved = 0
  readonly #free: number[] = []
  /** Entries that were removed while a snapshot drains: their keys are still needed. */
  #freedWhileDraining: number[] = []
  #draining: ByteTableSnapshot | undefined

  constructor(options: ByteTableOptions) {
    this.options = options
    this.layout = options.layout
    this.subject = options.subject
    this.logs = Array.from({ length: options.keyGroups.to - options.keyGroups.from }, () => new ChangeLog())
    this.#version = options.version
    this.#currentKey = options.currentKey
    const { width } = this.layout
    const { columns, stamps, hashes, keyOffsets, keyLengths } = firstCapacities
    this.#reserve(columns * width * 8 + (stamps + hashes + keyOffsets + keyLengths) * 4 + firstKeyBytes)
    this.#index = new EntryIndex((bytes) => this.#reserve(bytes))
    this.columns = new Float64Array(columns * width)
    this.stamps = new Int32Array(stamps)
    this.hashes = new Int32Array(hashes)
    this.keyOffsets = new Uint32Array(keyOffsets)
    this.keyLengths = new Uint32Array(keyLengths)
    this.keys = new Uint8Array(firstKeyBytes)
    this.#keysView = new DataView(this.keys.buffer)
  }

  get size(): number {
    return this.#entries
  }

  /** The current key's entry, or −1. */
  find(): number {
    const { key, hash } = this.#currentKey
    if (key !== scratchKey) hashKeyIntoScratch(key)
    return this.#search(scratch, 0, scratchLength, hash)
  }

  /** After `find` gave −1, with the columns as they were; the value is to be written next. */
  insert(): number {
    const { hash } = this.#currentKey
    const entry = this.#add(scratch, 0, scratchLength, hash)
    // A checkpoint may hold one with this key that went without a tombstone, when it had expired.
    this.stamps[entry] = this.options.timeToLive === undefined ? this.#version.newStamp : this.#version.stamp
    return entry
  }

  /**
   * The entries of keys that are to be changed now, in an array that the next call uses again; where there is none, one is
   * begun with `initialValue`. For operators on columns, which have no current key. Turns of a loop do not depend on each
   * other, so that the processor waits for the memory of several rows at a time (measured: half the time at 50,000 keys).
   */
  upsertAll({ view, hashes, keyEnds, keysStart, count }: KeyRows): Int32Array {
    if (this.#found.length < count) this.#found = new Int32Array(count)
    const found = this.#found
    for (let row = 0; row < count; row++) found[row] = this.#index.firstOf(hashes[row] as number)
    let start = keysStart
    for (let row = 0; row < count; row++) {
      const end = keyEnds[row] as number
      const entry = found[row] as number
      // Entries keep their numbers, so that what a row begins does not change what was found for those behind it.
      if (entry >= 0 && this.#hasKeyOf(entry, view, start, end - start)) this.beforeChange(entry)
      else found[row] = this.#upsert(view, start, end, hashes[row] as number)
      start = end
    }
    return found
  }

  /** Before a value is changed (R6). */
  beforeChange(entry: number): void {
    const { stamp, newStamp } = this.#version
    const current = this.stamps[entry] as number
    if (current !== stamp && current !== newStamp) this.#touch(entry)
  }

  remove(): void {
    const entry = this.find()
    if (entry < 0) return
    this.#draining?.copyStamps()
    if (this.stamps[entry] !== this.#version.newStamp) {
      const tombstone = new Entry(this.keyAt(entry), this.hashes[entry] as number, undefined, undefined)
      this.logs[this.groupIndexOf(entry)]?.removed(this.#version.stamp, tombstone)
    }
    this.#removeFound(entry)
  }

  /** The entry that `find` gave has expired: it goes without a tombstone (R8). */
  expireFound(entry: number): void {
    this.#draining?.copyStamps()
    this.#removeFound(entry)
  }

  /** As expireFound, of any entry. */
  expire(entry: number): void {
    this.#searchOwn(entry)
    this.expireFound(entry)
  }

  /** Of a layout whose first column is the time of the last access. */
  cleanUp(entries: number): void {
    this.#cleanup.step(entries)
  }

  keyAt(entry: number): ReturnType<typeof decodeKey> {
    const start = this.keyOffsets[entry] as number
    return decodeKey(this.keys, start, start + (this.keyLengths[entry] as number))
  }

  keysInUse(): readonly Keyed[] {
    const entries = Array.from({ length: this.used }, (_, entry) => entry)
    const inUse = entries.filter((entry) => this.stamps[entry] !== deadStamp)
    return inUse.map((entry) => ({ key: this.keyAt(entry), hash: this.hashes[entry] as number }))
  }

  groupIndexOf(entry: number): number {
    return keyGroupOf(this.hashes[entry] as number, this.options.maxParallelism) - this.options.keyGroups.from
  }

  snapshot(id: number, emit: PieceSink): ByteTableSnapshot {
    this.#draining?.end()
    const snapshot = new ByteTableSnapshot(this, id, emit)
    this.#draining = snapshot
    return snapshot
  }

  ended(snapshot: ByteTableSnapshot): void {
    if (this.#draining !== snapshot) return
    this.#draining = undefined
    for (const entry of this.#freedWhileDraining) this.#free.push(entry)
    this.#freedWhileDraining = []
  }

  load(chunk: Chunk, groupIndex: number, reader: ValueReader): void {
    if (!reader.isCurrent) this.logs[groupIndex]?.startAnew()
    if (chunk.pieceKind === 'full') this.#clear(groupIndex)
    const { bytes } = chunk
    chunk.visit(
      (key) => {
        const entry = this.#search(bytes, key.start, key.end, murmur3(bytes, key.start, key.end))
        if (entry >= 0) this.#removeFound(entry)
      },
      (key, _place, value) => {
        const hash = murmur3(bytes, key.start, key.end)
        let entry = this.#search(bytes, key.start, key.end, hash)
        const decoded = reader.decode(bytes, value.start, value.end)
        if (decoded === undefined) {
          if (entry >= 0) this.#removeFound(entry)
          return
        }
        if (entry < 0) entry = this.#add(bytes, key.start, key.end, hash)
        this.stamps[entry] = restoredStamp
        this.layout.write(this.columns, entry * this.layout.width, decoded)
      },
    )
  }

  release(): void {
    this.options.memory.release(this.#reserved)
    this.#reserved = 0
  }

  #touch(entry: number): void {
    this.#draining?.beforeChange(entry)
    this.stamps[entry] = this.#version.stamp
  }

  #search(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mixed = mixedHash(hash)
    const slots = this.#index.segments[mixed >>> segmentShift] as Int32Array
    const mask = (slots.length >> 1) - 1
    const length = end - start
    let slot = slotInSegment(mixed, mask)
    let entry = (slots[slot * 2 + 1] as number) - 1
    for (let equalHashes = 0; entry >= 0; entry = (slots[slot * 2 + 1] as number) - 1) {
      if (slots[slot * 2] === hash) {
        if (this.keyLengths[entry] === length && this.#hasKey(entry, bytes, start)) break
        if (++equalHashes === mostEqualHashes) {
          this.#slot = crowdedSlot
          return this.#searchCrowded(bytes, start, end)
        }
      }
      slot = (slot + 1) & mask
    }
    this.#slot = slot
    return entry >= 0 || this.#crowded.size === 0 ? entry : this.#searchCrowded(bytes, start, end)
  }

  /** After the slots had nothing. */
  #searchCrowded(bytes: Uint8Array, start: number, end: number): number {
    const entry = this.#crowded.find(bytes, start, end)
    if (entry >= 0) this.#slot = crowdedSlot
    return entry
  }

  #searchOwn(entry: number): void {
    const start = this.keyOffsets[entry] as number
    this.#search(this.keys, start, start + (this.keyLengths[entry] as number), this.hashes[entry] as number)
  }

  /** One that is not in the slots may yet be among the crowded ones. */
  #upsert(view: DataView, start: number, end: number, hash: number): number {
    const bytes = new Uint8Array(view.buffer, view.byteOffset)
    const found = this.#search(bytes, start, end, hash)
    if (found >= 0) {
      this.beforeChange(found)
      return found
    }
    const entry = this.#add(bytes, start, end, hash)
    this.stamps[entry] = this.#version.newStamp
    this.columns.set(this.initialValue, entry * this.layout.width)
    return entry
  }

  #hasKeyOf(entry: number, view: DataView, start: number, length: number): boolean {
    return (
      this.keyLengths[entry] === length &&
      sameKey(this.#keysView, this.keyOffsets[entry] as number, { view, start, length })
    )
  }

  #hasKey(entry: number, bytes: Uint8Array, start: number): boolean {
    const { keys } = this
    const offset = this.keyOffsets[entry] as number
    const length = this.keyLengths[entry] as number
    for (let index = 0; index < length; index++) {
      if (keys[offset + index] !== bytes[start + index]) return false
    }
    return true
  }

  #add(bytes: Uint8Array, start: number, end: number, hash: number): number {
    this.#ensureKeys(end - start)
    if (this.#free.length === 0 && this.used === this.#room) this.#grow()
    if (this.#index.ensureRoom(mixedHash(hash))) this.#search(bytes, start, end, hash)
    const entry = this.#free.pop() ?? this.used++
    this.keys.set(bytes.subarray(start, end), this.#keysUsed)
    this.keyOffsets[entry] = this.#keysUsed
    this.keyLengths[entry] = end - start
    this.#keysUsed += end - start
    this.hashes[entry] = hash
    if (this.#slot === crowdedSlot) this.#crowded.set(bytes, { start, end }, entry)
    else this.#index.addAt(this.#slot, hash, entry)
    this.#entries++
    return entry
  }

  /** `entry` was just searched for. */
  #removeFound(entry: number): void {
    if (this.#slot === crowdedSlot) {
      const start = this.keyOffsets[entry] as number
      this.#crowded.delete(this.keys, start, start + (this.keyLengths[entry] as number))
    } else this.#index.removeAt(this.#slot, this.hashes[entry] as number)
    this.stamps[entry] = deadStamp
    this.#entries--
    this.#keysFreed += this.keyLengths[entry] as number
    if (this.#draining === undefined) this.#free.push(entry)
    else this.#freedWhileDraining.push(entry)
  }

  #clear(groupIndex: number): void {
    for (let entry = 0; entry < this.used; entry++) {
      if (this.stamps[entry] === deadStamp || this.groupIndexOf(entry) !== groupIndex) continue
      this.#searchOwn(entry)
      this.#removeFound(entry)
    }
  }

  /** Doubles what is full. */
  #grow(): void {
    const { used } = this
    const { width } = this.layout
    const isFull = (array: { readonly length: number }): boolean => array.length === used
    if (this.columns.length === used * width) this.columns = this.#doubled(this.columns, Float64Array)
    if (isFull(this.stamps)) this.stamps = this.#doubled(this.stamps, Int32Array)
    if (isFull(this.hashes)) this.hashes = this.#doubled(this.hashes, Int32Array)
    if (isFull(this.keyOffsets)) this.keyOffsets = this.#doubled(this.keyOffsets, Uint32Array)
    if (isFull(this.keyLengths)) this.keyLengths = this.#doubled(this.keyLengths, Uint32Array)
    const { columns, stamps, hashes, keyOffsets, keyLengths } = this
    this.#room = Math.min(columns.length / width, stamps.length, hashes.length, keyOffsets.length, keyLengths.length)
  }

  #doubled<Column extends Float64Array | Int32Array | Uint32Array>(
    full: Column,
    columnType: new (length: number) => Column,
  ): Column {
    this.#reserve(full.byteLength)
    const target = new columnType(full.length * 2)
    target.set(full)
    return target
  }

  /** Room for a key: keys of removed entries are squeezed out first where that gives half, else the arena doubles. */
  #ensureKeys(length: number): void {
    if (this.#keysUsed + length <= this.keys.length) return
    const live = this.#keysUsed - this.#keysFreed
    const canSqueeze = this.#draining === undefined && this.#keysFreed > live
    const capacity = canSqueeze && live + length <= this.keys.length ? this.keys.length : this.keys.length * 2 + length
    this.#reserve(capacity - this.keys.length)
    const keys = new Uint8Array(capacity)
    if (canSqueeze) this.#squeezeInto(keys)
    else keys.set(this.keys)
    this.keys = keys
    this.#keysView = new DataView(keys.buffer)
  }

  #squeezeInto(keys: Uint8Array): void {
    let position = 0
    for (let entry = 0; entry < this.used; entry++) {
      if (this.stamps[entry] === deadStamp) continue
      const start = this.keyOffsets[entry] as number
      const length = this.keyLengths[entry] as number
      keys.set(this.keys.subarray(start, start + length), position)
      this.keyOffsets[entry] = position
      position += length
    }
    this.#keysUsed = position
    this.#keysFreed = 0
  }

  #reserve(bytes: number): void {
    this.options.memory.reserve(bytes, this.options.owner)
    this.#reserved += bytes
  }
}
