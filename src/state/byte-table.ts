import { decodeKey, hashKeyIntoScratch, scratch, scratchKey, scratchLength } from '../common/key.ts'
import { keyGroupOf } from '../common/key-groups.ts'
import { murmur3 } from '../common/murmur3.ts'
import { bytesOf, copied } from './byte-table-arrays.ts'
import { ByteTableSnapshot } from './byte-table-snapshot.ts'
import { ChangeLog } from './change-log.ts'
import type { Chunk } from './chunk-reader.ts'
import type { ChunkSubject } from './chunk-writer.ts'
import type { CurrentKey } from './current-key.ts'
import { Entry } from './entry.ts'
import { homeSlot, type Keyed } from './key-index.ts'
import type { ManagedMemory } from './managed-memory.ts'
import type { NumericLayout } from './numeric-layout.ts'
import type { StateTable } from './state-table.ts'
import { deadStamp, restoredStamp, type StateVersion } from './state-version.ts'
import type { PieceSink } from './table-snapshot.ts'
import type { ValueReader } from './value-reader.ts'
import type { TableOptions } from './value-table.ts'

export interface ByteTableOptions extends TableOptions {
  readonly layout: NumericLayout
  readonly memory: ManagedMemory
  /** Names operator and state in errors. */
  readonly owner: string
}

const firstSlots = 1 << 10
/** Entries for each slot of the index, at most: linear probing gets slow above. */
const maxLoad = 0.6

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
  /** What `upsert` begins an entry with. */
  initialValue = new Float64Array(0)
  readonly subject: ChunkSubject
  readonly logs: readonly ChangeLog[]
  readonly options: ByteTableOptions
  readonly #version: StateVersion
  readonly #currentKey: CurrentKey
  /** Pairs of hash and entry + 1; 0: empty. */
  #slots: Int32Array
  #mask: number
  /** Slot where the last search ended. */
  #slot = 0
  #entries = 0
  #keysUsed = 0
  /** Entries below have been looked at for expired ones. */
  #cleaned = 0
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
    const capacity = Math.floor(firstSlots * maxLoad)
    this.#reserve(bytesOf(firstSlots, capacity, this.layout.width) + (1 << 14))
    this.#slots = new Int32Array(firstSlots * 2)
    this.#mask = firstSlots - 1
    this.columns = new Float64Array(capacity * this.layout.width)
    this.stamps = new Int32Array(capacity)
    this.hashes = new Int32Array(capacity)
    this.keyOffsets = new Uint32Array(capacity)
    this.keyLengths = new Uint32Array(capacity)
    this.keys = new Uint8Array(1 << 14)
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
   * The entry of the key with these canonical bytes, to be changed now; where there is none, one is begun with
   * `initialValue`. For operators on columns, which have no current key.
   */
  upsert(view: DataView, start: number, end: number, hash: number): number {
    const slots = this.#slots
    const mask = this.#mask
    for (let slot = homeSlot(hash, mask); ; slot = (slot + 1) & mask) {
      const entry = (slots[slot * 2 + 1] as number) - 1
      if (entry < 0) {
        this.#slot = slot
        return this.#begin(view, start, end, hash)
      }
      if (slots[slot * 2] === hash && this.keyLengths[entry] === end - start && this.#hasKeyOf(entry, view, start)) {
        this.beforeChange(entry)
        return entry
      }
    }
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
      this.#log(this.groupIndexOf(entry)).removed(this.#version.stamp, tombstone)
    }
    this.#removeFound(entry)
  }

  /** The entry that `find` gave has expired: it goes without a tombstone (R8). */
  expireFound(entry: number): void {
    this.#draining?.copyStamps()
    this.#removeFound(entry)
  }

  /** Of a layout whose first column is the time of the last access. */
  cleanUp(entries: number): void {
    const { timeToLive } = this.options
    if (timeToLive === undefined) return
    for (let looked = 0; looked < entries; looked++) {
      if (this.#cleaned >= this.used) this.#cleaned = 0
      const entry = this.#cleaned++
      if (entry >= this.used || this.stamps[entry] === deadStamp) continue
      if (!timeToLive.isExpired(this.columns[entry * this.layout.width] as number)) continue
      const start = this.keyOffsets[entry] as number
      this.#search(this.keys, start, start + (this.keyLengths[entry] as number), this.hashes[entry] as number)
      this.expireFound(entry)
    }
  }

  keyAt(entry: number): ReturnType<typeof decodeKey> {
    const start = this.keyOffsets[entry] as number
    return decodeKey(this.keys, start, start + (this.keyLengths[entry] as number))
  }

  keysInUse(): readonly Keyed[] {
    const keys: Keyed[] = []
    for (let slot = 0; slot <= this.#mask; slot++) {
      const entry = (this.#slots[slot * 2 + 1] as number) - 1
      if (entry >= 0) keys.push({ key: this.keyAt(entry), hash: this.hashes[entry] as number })
    }
    return keys
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
    const slots = this.#slots
    const mask = this.#mask
    const length = end - start
    let slot = homeSlot(hash, mask)
    for (;;) {
      const entry = (slots[slot * 2 + 1] as number) - 1
      if (entry < 0) {
        this.#slot = slot
        return -1
      }
      if (slots[slot * 2] === hash && this.keyLengths[entry] === length && this.#hasKey(entry, bytes, start)) {
        this.#slot = slot
        return entry
      }
      slot = (slot + 1) & mask
    }
  }

  #begin(view: DataView, start: number, end: number, hash: number): number {
    const entry = this.#add(new Uint8Array(view.buffer, view.byteOffset), start, end, hash)
    this.stamps[entry] = this.#version.newStamp
    this.columns.set(this.initialValue, entry * this.layout.width)
    return entry
  }

  /** As #hasKey, four bytes at a time. */
  #hasKeyOf(entry: number, view: DataView, start: number): boolean {
    const keysView = this.#keysView
    const offset = this.keyOffsets[entry] as number
    const length = this.keyLengths[entry] as number
    let index = 0
    for (; index + 4 <= length; index += 4) {
      if (keysView.getInt32(offset + index) !== view.getInt32(start + index)) return false
    }
    for (; index < length; index++) {
      if (keysView.getUint8(offset + index) !== view.getUint8(start + index)) return false
    }
    return true
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
    if (this.#free.length === 0 && this.used === this.stamps.length) {
      this.#grow()
      this.#search(bytes, start, end, hash)
    }
    const entry = this.#free.pop() ?? this.used++
    this.keys.set(bytes.subarray(start, end), this.#keysUsed)
    this.keyOffsets[entry] = this.#keysUsed
    this.keyLengths[entry] = end - start
    this.#keysUsed += end - start
    this.hashes[entry] = hash
    this.#slots[this.#slot * 2] = hash
    this.#slots[this.#slot * 2 + 1] = entry + 1
    this.#entries++
    return entry
  }

  /** `entry` was just searched for. Moves what was displaced over it back, so that searches may stop at empty slots. */
  #removeFound(entry: number): void {
    const slots = this.#slots
    const mask = this.#mask
    let hole = this.#slot
    for (let slot = (hole + 1) & mask; slots[slot * 2 + 1] !== 0; slot = (slot + 1) & mask) {
      const home = homeSlot(slots[slot * 2] as number, mask)
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole * 2] = slots[slot * 2] as number
        slots[hole * 2 + 1] = slots[slot * 2 + 1] as number
        hole = slot
      }
    }
    slots[hole * 2 + 1] = 0
    this.stamps[entry] = deadStamp
    this.#entries--
    this.#keysFreed += this.keyLengths[entry] as number
    if (this.#draining === undefined) this.#free.push(entry)
    else this.#freedWhileDraining.push(entry)
  }

  #clear(groupIndex: number): void {
    for (let entry = 0; entry < this.used; entry++) {
      if (this.stamps[entry] === deadStamp || this.groupIndexOf(entry) !== groupIndex) continue
      const start = this.keyOffsets[entry] as number
      this.#search(this.keys, start, start + (this.keyLengths[entry] as number), this.hashes[entry] as number)
      this.#removeFound(entry)
    }
  }

  #grow(): void {
    const { width } = this.layout
    const slotCount = (this.#mask + 1) * 2
    const capacity = Math.floor(slotCount * maxLoad)
    this.#reserve(bytesOf(slotCount, capacity, width) - bytesOf(slotCount / 2, this.stamps.length, width))
    this.columns = copied(new Float64Array(capacity * width), this.columns)
    this.stamps = copied(new Int32Array(capacity), this.stamps)
    this.hashes = copied(new Int32Array(capacity), this.hashes)
    this.keyOffsets = copied(new Uint32Array(capacity), this.keyOffsets)
    this.keyLengths = copied(new Uint32Array(capacity), this.keyLengths)
    const slots = new Int32Array(slotCount * 2)
    const mask = slotCount - 1
    const { stamps, hashes } = this
    for (let entry = 0; entry < this.used; entry++) {
      if (stamps[entry] === deadStamp) continue
      let slot = homeSlot(hashes[entry] as number, mask)
      while (slots[slot * 2 + 1] !== 0) slot = (slot + 1) & mask
      slots[slot * 2] = hashes[entry] as number
      slots[slot * 2 + 1] = entry + 1
    }
    this.#slots = slots
    this.#mask = mask
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

  #log(groupIndex: number): ChangeLog {
    return this.logs[groupIndex] as ChangeLog
  }
}
