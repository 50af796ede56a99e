import type { Key } from '../api/functions.ts'
import { type MapKey, mapKeyOf } from '../common/key.ts'
import { noWatermark } from '../common/timestamps.ts'
import type { CombinableAggregate, WindowCombination } from '../graph/window-combining.ts'
import { ownedKey } from '../state/current-key.ts'
import { type Combiner, CombiningGain, mostPartials } from './combining-gain.ts'
import { assertTimestamp } from './operators/late-records.ts'
import { userFunctionError } from './operators/user-function-error.ts'
import { lastWindowStart } from './operators/window-assignment.ts'
import { WindowPartial } from './window-partial.ts'

export interface WindowCombinerOptions {
  readonly combination: WindowCombination
  readonly receiverName: string
  keyOf(value: unknown): Key
  /** @throws MillraceError MR_KEY where it can be none (R36) */
  hashOf(key: Key): number
  send(partial: WindowPartial, keyHash: number): void
}

/**
 * Combines the records of a window before they are sent (R34). What is late by the sender's own watermark goes singly:
 * the receiver alone knows whether it is late, and fires for each.
 */
export class WindowCombiner implements Combiner {
  readonly #options: WindowCombinerOptions
  readonly #aggregate: CombinableAggregate
  readonly #spans: Spans
  #watermark = noWatermark
  readonly #gain = new CombiningGain()

  constructor(options: WindowCombinerOptions) {
    const { combination } = options
    this.#options = options
    this.#aggregate = combination.aggregate
    this.#spans = combination.kind === 'slices' ? new Slices(combination) : new Sessions(combination.gapMs)
  }

  get buffered(): boolean {
    return this.#spans.size > 0
  }

  add(value: unknown, timestamp: number): void {
    assertTimestamp(timestamp, this.#options.receiverName)
    const key = this.#options.keyOf(value)
    const end = this.#spans.endOf(timestamp)
    if (this.#gain.takeSingle() || end - 1 <= this.#watermark) {
      this.#send(this.#first(key, timestamp, value))
      return
    }
    this.#gain.addRecord()
    const mapKey = mapKeyOf(key)
    const open = this.#spans.find(mapKey, end)
    if (open !== undefined && this.#spans.extend(open, timestamp)) {
      open.contents = this.#add(open.contents, value)
      open.count++
      return
    }
    const partial = this.#first(key, timestamp, value)
    if (open !== undefined) this.#sendCombined(open)
    this.#spans.set(mapKey, partial)
    if (this.#spans.size >= mostPartials) this.flush()
  }

  flush(): void {
    this.#spans.drain((partial) => this.#sendCombined(partial))
    this.#gain.judge()
  }

  advanceWatermark(watermark: number): void {
    this.#watermark = watermark
  }

  #sendCombined(partial: WindowPartial): void {
    this.#gain.addPartial()
    this.#send(partial)
  }

  #send(partial: WindowPartial): void {
    this.#options.send(partial, partial.keyHash)
  }

  #first(key: Key, timestamp: number, value: unknown): WindowPartial {
    const keyHash = this.#options.hashOf(key)
    const { start, end } = this.#spans.spanOf(timestamp)
    return new WindowPartial({ key: ownedKey(key), keyHash, start, end, contents: this.#add(this.#create(), value) })
  }

  #create(): unknown {
    try {
      return this.#aggregate.createAccumulator()
    } catch (error) {
      throw userFunctionError(error, this.#options.receiverName, 'the window function')
    }
  }

  #add(contents: unknown, value: unknown): unknown {
    try {
      return this.#aggregate.add(contents, value)
    } catch (error) {
      throw userFunctionError(error, this.#options.receiverName, 'the window function')
    }
  }
}

/** The partials that wait. */
interface Spans {
  readonly size: number
  /** Where the span of a record alone ends. */
  endOf(timestamp: number): number
  spanOf(timestamp: number): { readonly start: number; readonly end: number }
  find(mapKey: MapKey, end: number): WindowPartial | undefined
  /** Makes room in a partial for a record; false: it does not belong to it. */
  extend(partial: WindowPartial, timestamp: number): boolean
  set(mapKey: MapKey, partial: WindowPartial): void
  /** Hands over all of them. */
  drain(take: (partial: WindowPartial) => void): void
}

class Slices implements Spans {
  readonly #slices: { readonly sizeMs: number; readonly slideMs: number; readonly offsetMs: number }
  readonly #byEnd = new Map<number, Map<MapKey, WindowPartial>>()
  /** That of the last record: most records are in it. */
  #last: Map<MapKey, WindowPartial> = new Map()
  #lastEnd = Number.NaN
  size = 0

  constructor({ sliceMs, offsetMs }: { readonly sliceMs: number; readonly offsetMs: number }) {
    this.#slices = { sizeMs: sliceMs, slideMs: sliceMs, offsetMs }
  }

  endOf(timestamp: number): number {
    return lastWindowStart(timestamp, this.#slices) + this.#slices.sizeMs
  }

  spanOf(timestamp: number): { readonly start: number; readonly end: number } {
    const end = this.endOf(timestamp)
    return { start: end - this.#slices.sizeMs, end }
  }

  find(mapKey: MapKey, end: number): WindowPartial | undefined {
    return this.#of(end).get(mapKey)
  }

  extend(): boolean {
    return true
  }

  set(mapKey: MapKey, partial: WindowPartial): void {
    this.#of(partial.end).set(mapKey, partial)
    this.size++
  }

  drain(take: (partial: WindowPartial) => void): void {
    for (const partials of this.#byEnd.values()) for (const partial of partials.values()) take(partial)
    this.#byEnd.clear()
    this.#lastEnd = Number.NaN
    this.size = 0
  }

  #of(end: number): Map<MapKey, WindowPartial> {
    if (end === this.#lastEnd) return this.#last
    let partials = this.#byEnd.get(end)
    if (partials === undefined) {
      partials = new Map()
      this.#byEnd.set(end, partials)
    }
    this.#last = partials
    this.#lastEnd = end
    return partials
  }
}

/** One growing session a key; a record that does not touch it begins the next. */
class Sessions implements Spans {
  readonly #gapMs: number
  readonly #open = new Map<MapKey, WindowPartial>()

  constructor(gapMs: number) {
    this.#gapMs = gapMs
  }

  get size(): number {
    return this.#open.size
  }

  endOf(timestamp: number): number {
    return Math.floor(timestamp) + this.#gapMs
  }

  spanOf(timestamp: number): { readonly start: number; readonly end: number } {
    return { start: Math.floor(timestamp), end: this.endOf(timestamp) }
  }

  find(mapKey: MapKey): WindowPartial | undefined {
    return this.#open.get(mapKey)
  }

  extend(partial: WindowPartial, timestamp: number): boolean {
    const { start, end } = this.spanOf(timestamp)
    if (start > partial.end || end < partial.start) return false
    partial.start = Math.min(partial.start, start)
    partial.end = Math.max(partial.end, end)
    return true
  }

  set(mapKey: MapKey, partial: WindowPartial): void {
    this.#open.set(mapKey, partial)
  }

  drain(take: (partial: WindowPartial) => void): void {
    for (const partial of this.#open.values()) take(partial)
    this.#open.clear()
  }
}
