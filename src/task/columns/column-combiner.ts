import { initialValues, slotsOf } from '../../columns/aggregate.ts'
import { ColumnBatch, columnBufferLength } from '../../columns/column-batch.ts'
import type { CombinePlan } from '../../columns/column-plan.ts'
import { type Combine, type CombiningTable, compileAccumulator, compileCombine } from '../../columns/combine-script.ts'
import type { ColumnTarget } from '../../columns/scan-script.ts'
import { noWatermark } from '../../common/timestamps.ts'
import type { WindowCombination } from '../../graph/window-combining.ts'
import { type Combiner, CombiningGain, mostPartials } from '../combining-gain.ts'
import { assertTimestamp } from '../operators/late-records.ts'
import { type AlignedWindows, lastWindowStart } from '../operators/window-assignment.ts'
import { WindowPartial } from '../window-partial.ts'
import { type KeyPlace, PartialTable, singleEntry } from './partial-table.ts'

export interface ColumnCombinerOptions {
  readonly plan: CombinePlan
  readonly combination: WindowCombination
  readonly receiverName: string
  send(partial: WindowPartial, keyHash: number): void
}

/**
 * The WindowCombiner of records that a scan puts into columns: batches of rows are folded into a small table, and
 * objects are made of the partial results alone (R34).
 */
export class ColumnCombiner implements Combiner, CombiningTable {
  /** Where rows are put. */
  readonly target: ColumnTarget
  readonly columns: Float64Array
  /** Set where the row that was just folded is to be sent, or everything. */
  unsettled = false
  readonly #options: ColumnCombinerOptions
  readonly #batch: ColumnBatch
  readonly #table: PartialTable
  readonly #width: number
  readonly #combine: Combine
  readonly #accumulatorOf: ReturnType<typeof compileAccumulator>
  readonly #gain = new CombiningGain()
  readonly #key: KeyPlace = { start: 0, end: 0, hash: 0 }
  readonly #slices: AlignedWindows | undefined
  readonly #gapMs: number
  /** The slice of the last row; of a session the span of the last row alone. */
  #start = Number.NaN
  #end = Number.NaN
  #watermark = noWatermark

  constructor(options: ColumnCombinerOptions) {
    const { plan, combination } = options
    const { aggregate } = plan
    this.#options = options
    this.#width = aggregate.results.flatMap(slotsOf).length
    this.#table = new PartialTable({
      mostEntries: mostPartials,
      width: this.#width,
      initialValues: initialValues(aggregate),
    })
    this.columns = this.#table.columns
    this.#slices = combination.kind === 'slices' ? slicesOf(combination) : undefined
    this.#gapMs = combination.kind === 'slices' ? 0 : combination.gapMs
    const layout = { values: plan.values.length }
    const batch = new ColumnBatch(layout)
    batch.open(new ArrayBuffer(columnBufferLength(layout)))
    this.#batch = batch
    this.target = { batch, flush: () => this.#fold() }
    this.#combine = compileCombine(plan, this)
    this.#accumulatorOf = compileAccumulator(aggregate)
  }

  get buffered(): boolean {
    return this.#batch.count > 0 || this.#table.size > 0
  }

  flush(): void {
    this.#fold()
    this.#drain()
  }

  advanceWatermark(watermark: number): void {
    this.#watermark = watermark
  }

  entryOf(keyStart: number, keyEnd: number, hash: number, timestamp: number): number {
    const key = this.#key
    key.start = keyStart
    key.end = keyEnd
    key.hash = hash
    this.#moveTo(timestamp)
    const entry = this.#gain.takeSingle() || this.#end - 1 <= this.#watermark ? this.#single() : this.#combined()
    const { counts } = this.#table
    counts[entry] = (counts[entry] as number) + 1
    return entry
  }

  settle(): void {
    this.unsettled = false
    if (this.#table.full) this.#drain()
    else this.#send(singleEntry)
  }

  #fold(): void {
    const batch = this.#batch
    if (batch.count === 0) return
    this.#table.look(batch.view)
    this.#combine(batch)
    batch.count = 0
    batch.keysEnd = batch.keysStart
  }

  #moveTo(timestamp: number): void {
    if (timestamp >= this.#start && timestamp < this.#end && this.#slices !== undefined) return
    assertTimestamp(timestamp, this.#options.receiverName)
    if (this.#slices === undefined) {
      this.#start = Math.floor(timestamp)
      this.#end = this.#start + this.#gapMs
    } else {
      this.#start = lastWindowStart(timestamp, this.#slices)
      this.#end = this.#start + this.#slices.sizeMs
    }
  }

  #single(): number {
    this.unsettled = true
    return this.#spanning(this.#table.single(this.#key))
  }

  #combined(): number {
    const table = this.#table
    this.#gain.addRecord()
    const isSlice = this.#slices !== undefined
    // A session is found by its key alone, since it grows.
    const span = isSlice ? this.#end : 0
    const entry = table.find(this.#key, span)
    if (entry !== 0) return isSlice ? entry : this.#extended(entry)
    if (table.crowded) return this.#single()
    const added = this.#spanning(table.insert(this.#key, span))
    this.unsettled = table.full
    return added
  }

  /** A session with a row more; one that does not touch it begins the next. */
  #extended(entry: number): number {
    const { starts, ends } = this.#table
    const [start, end] = [starts[entry] as number, ends[entry] as number]
    if (this.#start > end || this.#end < start) {
      this.#sendCombined(entry)
      this.#table.restart(entry)
      return this.#spanning(entry)
    }
    starts[entry] = Math.min(start, this.#start)
    ends[entry] = Math.max(end, this.#end)
    return entry
  }

  #spanning(entry: number): number {
    this.#table.starts[entry] = this.#start
    this.#table.ends[entry] = this.#end
    return entry
  }

  #drain(): void {
    const { size } = this.#table
    for (let entry = 1; entry <= size; entry++) this.#sendCombined(entry)
    this.#table.clear()
    this.#gain.judge()
  }

  #sendCombined(entry: number): void {
    this.#gain.addPartial()
    this.#send(entry)
  }

  #send(entry: number): void {
    const table = this.#table
    const keyHash = table.hashes[entry] as number
    const partial = new WindowPartial({
      key: table.keyAt(entry),
      keyHash,
      start: table.starts[entry] as number,
      end: table.ends[entry] as number,
      contents: this.#accumulatorOf(table.columns, entry * this.#width),
    })
    partial.count = table.counts[entry] as number
    this.#options.send(partial, keyHash)
  }
}

function slicesOf({ sliceMs, offsetMs }: Extract<WindowCombination, { readonly kind: 'slices' }>): AlignedWindows {
  return { sizeMs: sliceMs, slideMs: sliceMs, offsetMs }
}
