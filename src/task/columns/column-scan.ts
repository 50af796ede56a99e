import type { ValueRanges } from '../../api/source.ts'
import { compileScan, type Scan, type ScanParts, type ScanProgress } from '../../columns/scan-script.ts'
import { isSpace, layoutOf } from '../../formats/json-lexer.ts'

/** A layout is learned after this many values that no scan knew, then after 16 times as many. */
const firstLearning = 4
const maxLayouts = 4

/**
 * Scans the values of a source and puts what is asked of them into columns. Scans are generated for the layouts that
 * occur; what none of them is certain of is left to the decoder and the operators behind it.
 */
export class ColumnScan {
  readonly #parts: ScanParts
  readonly #layouts = new Set<string>()
  /** The one that took the last value is the first. */
  readonly #scans: Scan[] = []
  #misses = 0
  #learnAt = firstLearning
  readonly #progress: ScanProgress = {
    view: new DataView(new ArrayBuffer(0)),
    records: 0,
    highestTimestamp: Number.NEGATIVE_INFINITY,
  }
  #bytes: Buffer | undefined

  constructor(parts: ScanParts) {
    this.#parts = parts
  }

  /** Takes all values; `decodeAndCollect` gets those that it leaves over. Gives what it has taken. */
  run(values: ValueRanges, count: number, decodeAndCollect: (index: number) => void): Omit<ScanProgress, 'view'> {
    const progress = this.#progress
    progress.records = 0
    progress.highestTimestamp = Number.NEGATIVE_INFINITY
    if (values.bytes !== this.#bytes) {
      const { bytes } = values
      this.#bytes = bytes
      progress.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    let index = 0
    while (index < count) {
      const next = this.#scan(values, index, count)
      if (next === index) {
        // A value that is not there is no miss: the first scan would have passed over it.
        if ((values.valueStarts[index] as number) >= 0) this.#missed(values, index, decodeAndCollect)
        index++
      } else index = next
    }
    return progress
  }

  #scan(values: ValueRanges, from: number, count: number): number {
    for (let which = 0; which < this.#scans.length; which++) {
      const scan = this.#scans[which] as Scan
      const next = scan(values, from, count, this.#progress)
      if (next === from) continue
      if (which > 0) {
        this.#scans.splice(which, 1)
        this.#scans.unshift(scan)
      }
      return next
    }
    return from
  }

  #missed(values: ValueRanges, index: number, decodeAndCollect: (index: number) => void): void {
    decodeAndCollect(index)
    if (++this.#misses >= this.#learnAt) this.#learn(values, index)
  }

  #learn({ bytes, valueStarts, valueEnds }: ValueRanges, index: number): void {
    this.#learnAt = this.#layouts.size < maxLayouts ? this.#misses * 16 : Number.POSITIVE_INFINITY
    const start = valueStarts[index] as number
    let end = valueEnds[index] as number
    while (end > start && isSpace(bytes[end - 1])) end--
    const layout = layoutOf(bytes, start, end)
    if (layout === undefined) return
    const text = JSON.stringify([
      layout.values.map(({ before, name }) => [before.toString('latin1'), name]),
      layout.after.toString('latin1'),
    ])
    if (this.#layouts.has(text)) return
    this.#layouts.add(text)
    const scan = compileScan(this.#parts, layout)
    if (scan !== undefined) this.#scans.push(scan)
  }
}
