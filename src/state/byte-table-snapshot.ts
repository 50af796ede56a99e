import { keyGroupOf } from '../common/key-groups.ts'
import type { ByteTable } from './byte-table.ts'
import { orderByHash } from './hash-order.ts'
import { PieceWriter } from './piece-writer.ts'
import type { PieceSink, TableSnapshot } from './table-snapshot.ts'

/** Entries of which the columns are copied together. */
const pageShift = 9
const pageMask = (1 << pageShift) - 1
/** Looking at entries, against writing them. */
const lookedAtPerCost = 16
const groupCost = 4

/** Entries that are written, by key group. */
interface Selection {
  /** Where each key group begins in `order`; one more at the end. */
  readonly starts: Uint32Array
  readonly order: Uint32Array
  /** How many of each key group are in place. */
  readonly placed: Uint32Array
}

interface OpenPiece {
  readonly first: number
  readonly count: number
  readonly order: ArrayLike<number>
  position: number
}

/**
 * A byte table at a barrier. The synchronous part copies the stamps alone; a page of columns is copied before the first
 * change in it (R6). Key bytes and hashes are read from the table: they stay while this drains.
 */
export class ByteTableSnapshot implements TableSnapshot {
  readonly #table: ByteTable
  readonly #id: number
  readonly #used: number
  readonly #isFull: Uint8Array
  readonly #counts: Uint32Array
  readonly #writer: PieceWriter
  #base = 0
  /** As they were at the barrier. */
  #stamps: Int32Array | undefined
  /** Pages of columns that have changed since, as they were. */
  readonly #pages: (Float64Array | undefined)[] = []
  /** Entries below are counted or, with a selection, placed. */
  #nextEntry = 0
  #selection: Selection | undefined
  #nextGroup = 0
  #open: OpenPiece | undefined

  constructor(table: ByteTable, id: number, emit: PieceSink) {
    this.#table = table
    this.#id = id
    this.#used = table.used
    this.#isFull = new Uint8Array(table.logs.length).fill(1)
    this.#counts = new Uint32Array(table.logs.length)
    this.#writer = new PieceWriter(table.subject, emit)
  }

  get isDone(): boolean {
    return this.#nextGroup === this.#isFull.length
  }

  plan(base: number, fullKeyGroups: ReadonlySet<number>): void {
    const { logs, options } = this.#table
    // Something was changed before the plan came: all pieces are full, which is always right.
    const isLate = this.#stamps !== undefined
    if (!isLate) this.#base = base
    const averageSize = this.#table.size / logs.length
    logs.forEach((log, groupIndex) => {
      log.barrier(base, this.#id, averageSize)
      const isWanted = base === 0 || isLate || fullKeyGroups.has(groupIndex + options.keyGroups.from)
      this.#isFull[groupIndex] = isWanted || !log.reachesBackTo(base) ? 1 : 0
    })
    this.copyStamps()
  }

  /** Before the first stamp is changed after the barrier. */
  copyStamps(): void {
    this.#stamps ??= this.#table.stamps.slice(0, this.#used)
  }

  /** Before a value is changed. */
  beforeChange(entry: number): void {
    this.copyStamps()
    const page = entry >> pageShift
    if (this.#pages[page] !== undefined) return
    const { columns, layout } = this.#table
    this.#pages[page] = columns.slice((page << pageShift) * layout.width, ((page + 1) << pageShift) * layout.width)
  }

  step(budget: number): number {
    this.copyStamps()
    let cost = 0
    while (cost < budget && !this.isDone) {
      if (this.#selection === undefined || this.#nextEntry < this.#used) cost += this.#select(budget - cost)
      else cost += this.#writeSome(this.#selection, budget - cost)
    }
    return cost
  }

  end(): void {
    this.#nextGroup = this.#isFull.length
    this.#stamps = new Int32Array(0)
    this.#pages.length = 0
    this.#selection = undefined
    this.#open = undefined
    this.#table.ended(this)
  }

  /** A counting sort by key group: first all are counted, then all are placed. */
  #select(budget: number): number {
    const start = this.#nextEntry
    const end = Math.min(this.#used, start + Math.ceil(budget) * lookedAtPerCost)
    const { hashes, options } = this.#table
    const { from } = options.keyGroups
    const stamps = this.#stamps as Int32Array
    const selection = this.#selection
    for (let entry = start; entry < end; entry++) {
      const stamp = Math.abs(stamps[entry] as number)
      if (stamp > this.#id) continue
      const groupIndex = keyGroupOf(hashes[entry] as number, options.maxParallelism) - from
      if (this.#isFull[groupIndex] === 0 && stamp <= this.#base) continue
      if (selection === undefined) this.#counts[groupIndex] = (this.#counts[groupIndex] as number) + 1
      else place(selection, groupIndex, entry)
    }
    this.#nextEntry = end
    if (end === this.#used && selection === undefined) {
      this.#selection = emptySelection(this.#counts)
      this.#nextEntry = 0
    }
    return Math.max(1, (end - start) / lookedAtPerCost)
  }

  #writeSome(selection: Selection, budget: number): number {
    this.#open ??= this.#begin(selection, this.#nextGroup)
    const piece = this.#open
    const { keys, keyOffsets, keyLengths, options } = this.#table
    const { timeToLive } = options
    const start = piece.position
    const end = Math.min(piece.count, start + Math.max(1, Math.ceil(budget)))
    for (let index = start; index < end; index++) {
      const entry = selection.order[piece.first + (piece.order[index] as number)] as number
      const value = this.#valueOf(entry)
      // R8: what has expired by now has expired at every restore.
      if (timeToLive !== undefined && timeToLive.unexpired(value) === undefined) continue
      const offset = keyOffsets[entry] as number
      this.#writer.chunk.keyBytes(keys, offset, offset + (keyLengths[entry] as number))
      this.#writer.chunk.value(value)
      this.#writer.continueWhereLarge()
    }
    piece.position = end
    if (end === piece.count) this.#finish()
    return end - start + groupCost
  }

  #valueOf(entry: number): unknown {
    const { columns, layout } = this.#table
    const page = this.#pages[entry >> pageShift]
    return page === undefined
      ? layout.read(columns, entry * layout.width)
      : layout.read(page, (entry & pageMask) * layout.width)
  }

  #begin(selection: Selection, groupIndex: number): OpenPiece {
    const { hashes, logs } = this.#table
    const first = selection.starts[groupIndex] as number
    const count = (selection.starts[groupIndex + 1] as number) - first
    const isFull = this.#isFull[groupIndex] === 1
    const versions = isFull ? [] : (logs[groupIndex]?.between(this.#base, this.#id) ?? [])
    const removed = versions.flatMap((version) => version.removed)
    const keyGroup = groupIndex + this.#table.options.keyGroups.from
    this.#writer.begin({ keyGroup, kind: isFull ? 'full' : 'delta', dropped: 0, removed: removed.length })
    for (const { key } of removed) this.#writer.chunk.key(key)
    const order = orderByHash(count, (index) => hashes[selection.order[first + index] as number] as number)
    return { first, count, order, position: 0 }
  }

  #finish(): void {
    this.#writer.finish()
    this.#open = undefined
    this.#nextGroup++
    if (this.isDone) this.end()
  }
}

function emptySelection(counts: Uint32Array): Selection {
  const starts = new Uint32Array(counts.length + 1)
  for (let index = 0; index < counts.length; index++) {
    starts[index + 1] = (starts[index] as number) + (counts[index] as number)
  }
  return { starts, order: new Uint32Array(starts.at(-1) ?? 0), placed: new Uint32Array(counts.length) }
}

function place({ starts, order, placed }: Selection, groupIndex: number, entry: number): void {
  const position = placed[groupIndex] as number
  order[(starts[groupIndex] as number) + position] = entry
  placed[groupIndex] = position + 1
}
