import type { VersionChanges } from './change-log.ts'
import type { Entry } from './entry.ts'
import type { EntryChanges } from './entry-changes.ts'
import { orderByHash } from './hash-order.ts'
import { Pane } from './pane.ts'
import { PieceWriter } from './piece-writer.ts'
import type { PieceSink, TableSnapshot } from './table-snapshot.ts'
import { ValueArena } from './value-arena.ts'

/** Where its bytes begin in the arena. */
type PreservedValues = Map<Entry, number>

/** The piece that is being written. */
interface OpenPiece {
  readonly groupIndex: number
  readonly entries: readonly Entry[]
  readonly order: ArrayLike<number>
  position: number
}

/** What a key group costs beside its entries: looking at its log. */
const groupCost = 4
/** Collecting and sorting entries, against writing them. */
const collectedPerCost = 8
/** What large values cost. */
const bytesPerCost = 1024

/**
 * A table of entries at a barrier. Entries that have not been touched since are as they were; the others were
 * serialised just before (R6) and are kept here until their key group is written.
 */
export class EntrySnapshot implements TableSnapshot {
  readonly #changes: EntryChanges
  readonly #id: number
  readonly #isFull: Uint8Array
  readonly #preserved: (PreservedValues | undefined)[]
  readonly #droppedPanes: Pane[] = []
  readonly #writer: PieceWriter
  readonly #arena: ValueArena
  #base = 0
  #scan: ((groupIndex: number, target: Entry[]) => void) | undefined
  /** Key groups below are written. */
  #nextGroup = 0
  #open: OpenPiece | undefined

  constructor(changes: EntryChanges, id: number, emit: PieceSink) {
    this.#changes = changes
    this.#id = id
    this.#isFull = new Uint8Array(changes.logs.length).fill(1)
    this.#preserved = new Array(changes.logs.length).fill(undefined)
    this.#writer = new PieceWriter(changes.options.subject, emit)
    this.#arena = new ValueArena(changes.options.subject.serializer)
  }

  get isDone(): boolean {
    return this.#nextGroup === this.#isFull.length
  }

  plan(base: number, fullKeyGroups: ReadonlySet<number>): void {
    const { logs, options } = this.#changes
    // Something was touched before the plan came: it was preserved as for a full piece, so all pieces are full.
    const isLate = this.#preserved.some((values) => values !== undefined) || this.#droppedPanes.length > 0
    if (!isLate) this.#base = base
    logs.forEach((log, groupIndex) => {
      log.barrier(base, this.#id, options.source.sizeOf(groupIndex))
      const isWanted = base === 0 || isLate || fullKeyGroups.has(groupIndex + options.keyGroups.from)
      this.#isFull[groupIndex] = isWanted || !log.reachesBackTo(base) ? 1 : 0
    })
  }

  /** The entry is about to change, to go, or to be seen by someone who may change it. */
  preserve(entry: Entry, groupIndex: number): void {
    if (groupIndex < this.#nextGroup || !this.#includes(entry, groupIndex)) return
    let values = this.#preserved[groupIndex]
    if (values === undefined) {
      values = new Map()
      this.#preserved[groupIndex] = values
    }
    if (!values.has(entry)) values.set(entry, this.#arena.add(entry.value))
  }

  paneDropped(pane: Pane): void {
    this.#droppedPanes.push(pane)
  }

  step(budget: number): number {
    let cost = 0
    while (cost < budget && !this.isDone) {
      this.#open ??= this.#collect(this.#nextGroup)
      if (this.#open.position === 0) cost += groupCost + this.#open.entries.length / collectedPerCost
      cost += this.#write(this.#open, budget - cost)
    }
    return cost
  }

  end(): void {
    this.#nextGroup = this.#isFull.length
    this.#preserved.fill(undefined)
    this.#arena.clear()
    this.#open = undefined
    this.#changes.ended(this)
  }

  #includes(entry: Entry, groupIndex: number): boolean {
    const stamp = Math.abs(entry.stamp)
    return stamp <= this.#id && (this.#isFull[groupIndex] === 1 || stamp > this.#base)
  }

  #collect(groupIndex: number): OpenPiece {
    const isFull = this.#isFull[groupIndex] === 1
    const versions = isFull ? [] : this.#changes.logs[groupIndex]?.between(this.#base, this.#id)
    const preserved = this.#preserved[groupIndex]
    const entries: Entry[] = preserved === undefined ? [] : [...preserved.keys()]
    if (isFull) this.#collectAll(groupIndex, entries)
    else this.#collectChanged(versions ?? [], preserved, entries)
    const order = orderByHash(entries.length, (index) => (entries[index] as Entry).hash)
    this.#begin(groupIndex, versions ?? [])
    return { groupIndex, entries, order, position: 0 }
  }

  #collectAll(groupIndex: number, target: Entry[]): void {
    this.#scan ??= this.#changes.options.source.scan(this.#droppedPanes)
    const found: Entry[] = []
    this.#scan(groupIndex, found)
    const preserved = this.#preserved[groupIndex]
    for (const entry of found) {
      if (Math.abs(entry.stamp) <= this.#id && preserved?.has(entry) !== true) target.push(entry)
    }
  }

  #collectChanged(versions: readonly VersionChanges[], preserved: PreservedValues | undefined, target: Entry[]): void {
    for (const { stamp, changed } of versions) {
      for (const entry of changed) {
        const isLatest = Math.abs(entry.stamp) === stamp
        const isThere = !(entry.place instanceof Pane) || entry.place.droppedAt > this.#id
        if (isLatest && isThere && preserved?.has(entry) !== true) target.push(entry)
      }
    }
  }

  /** Header and tombstones; pane tombstones come first (R8). */
  #begin(groupIndex: number, versions: readonly VersionChanges[]): void {
    const removed = versions.flatMap((version) => version.removed)
    const dropped = versions.flatMap((version) => version.dropped)
    this.#writer.begin({
      keyGroup: groupIndex + this.#changes.options.keyGroups.from,
      kind: this.#isFull[groupIndex] === 1 ? 'full' : 'delta',
      dropped: dropped.length,
      removed: removed.length,
    })
    for (const namespace of dropped) this.#writer.chunk.namespace(namespace)
    for (const entry of removed) this.#writeKey(entry)
  }

  /** Entries until the budget is used up, or bytes as many as it is worth. */
  #write(piece: OpenPiece, budget: number): number {
    const { entries, order, groupIndex } = piece
    const preserved = this.#preserved[groupIndex]
    const start = piece.position
    const end = Math.min(entries.length, start + Math.max(1, Math.ceil(budget)))
    const maxBytes = Math.max(0, budget) * bytesPerCost
    let bytes = 0
    let index = start
    while (index < end && bytes <= maxBytes) {
      const entry = entries[order[index++] as number] as Entry
      const before = this.#writer.chunk.writtenBytes
      this.#writeEntry(entry, preserved?.get(entry))
      bytes += this.#writer.continueWhereLarge() - before
    }
    piece.position = index
    if (index === entries.length) this.#finish(piece)
    return Math.max(index - start, bytes / bytesPerCost)
  }

  /** R8: what has expired by now has expired at every restore. */
  #writeEntry(entry: Entry, place: number | undefined): void {
    const { timeToLive } = this.#changes.options
    if (place !== undefined) {
      this.#writeKey(entry)
      this.#writer.chunk.valueBytes(this.#arena.at(place))
      return
    }
    const value = timeToLive === undefined ? entry.value : timeToLive.unexpired(entry.value)
    if (value === undefined && timeToLive !== undefined) return
    this.#writeKey(entry)
    this.#writer.chunk.value(value)
  }

  #writeKey(entry: Entry): void {
    const { chunk } = this.#writer
    chunk.key(entry.key)
    if (entry.place instanceof Pane) chunk.namespace(entry.place.namespace)
    else if (entry.place !== undefined) chunk.key(entry.place as string)
  }

  #finish({ groupIndex }: OpenPiece): void {
    this.#writer.finish()
    this.#open = undefined
    this.#preserved[groupIndex] = undefined
    this.#nextGroup = groupIndex + 1
    if (this.isDone) this.end()
  }
}
