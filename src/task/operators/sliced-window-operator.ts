import type { Key, TimeWindow } from '../../api/functions.ts'
import type { MapKey } from '../../common/key.ts'
import { mapKeyOf } from '../../common/key.ts'
import type { WindowSpec } from '../../graph/operator-spec.ts'
import type { SliceCombination } from '../../graph/window-combining.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { PaneCursor, PaneState } from '../../state/pane-state.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { WindowPartial } from '../window-partial.ts'
import { KeySelection } from './key-selection.ts'
import { assertTimestamp } from './late-records.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'
import {
  type AlignedWindows,
  cleanupTime,
  firstWindowEnd,
  lastWindowStart,
  windowEndAfter,
} from './window-assignment.ts'
import { type WindowContents, windowContentsOf } from './window-contents.ts'
import { slicedLayout } from './window-layout.ts'
import { WindowResults } from './window-results.ts'

export interface SlicedWindows {
  readonly spec: WindowSpec
  readonly windows: AlignedWindows
  readonly combination: SliceCombination
}

/** One result on its way: the window's contents of a key, folded from its slices. */
interface Folded {
  readonly key: Key
  contents: unknown
  /** Part of it could not be folded: what there is would be a wrong result. */
  failed: boolean
}

/** A window that fires: its slices are folded, then its results are emitted, both in parts (R33). */
interface Firing {
  readonly window: TimeWindow
  /** End of the slice that is folded. */
  sliceEnd: number
  cursor: PaneCursor<unknown> | undefined
  readonly results: Map<MapKey, Folded>
  emitting: IterableIterator<Folded> | undefined
}

/**
 * Sliding windows from slices (R35): a record is added to the one slice that it is in, and a window folds its slices when
 * it fires, into fresh accumulators. A slice is kept until its last window, with the allowed lateness, is over. A window
 * has fired when its end is at or before `#firedEnd`.
 */
export class SlicedWindowOperator extends OperatorBase {
  readonly #windows: AlignedWindows
  readonly #slices: AlignedWindows
  readonly #allowedLatenessMs: number
  readonly #contents: WindowContents
  readonly #keys: KeySelection
  readonly #panes: PaneState<unknown>
  readonly #results: WindowResults
  #firedEnd: number
  #firing: Firing | undefined

  constructor({ spec, windows, combination }: SlicedWindows, context: OperatorContext) {
    super(context)
    const { sliceMs, offsetMs } = combination
    this.#windows = windows
    this.#slices = { sizeMs: sliceMs, slideMs: sliceMs, offsetMs }
    this.#allowedLatenessMs = spec.allowedLatenessMs
    this.#contents = windowContentsOf(spec.compute)
    this.#keys = new KeySelection(context)
    this.#panes = this.#keys.keyedState.panes(slicedLayout, { type: this.#contents.type })
    this.#results = new WindowResults(spec.compute, this.#contents, context, ({ start }) => start)
    this.#firedEnd = context.restoredWatermark + 1
  }

  /** What was kept for late records may be over by now, where the job allows less lateness than before. */
  override open(): void {
    this.#dropSlices()
  }

  processElement(value: unknown, timestamp: number): void {
    assertTimestamp(timestamp, this.operatorName)
    this.#addRecord(this.#keys.select(value), value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    if (value instanceof WindowPartial) {
      this.#keys.keyedState.setCurrentKey(value.key, keyHash)
      this.#addToSlice(value.key, value.end, value.count, (before) => this.#mergedWith(before, value.contents))
      return
    }
    assertTimestamp(timestamp, this.operatorName)
    this.#addRecord(this.#keys.selectHashed(value, keyHash), value, timestamp)
  }

  override advanceWatermark(watermark: number, maxFirings: number): boolean {
    super.advanceWatermark(watermark, maxFirings)
    this.#results.currentWatermark = this.currentWatermark
    let budget = maxFirings
    for (;;) {
      this.#firing ??= this.#nextFiring()
      if (this.#firing === undefined) break
      budget = this.#fire(this.#firing, budget)
      if (budget <= 0) return false
    }
    this.#firedEnd = Math.max(this.#firedEnd, this.currentWatermark + 1)
    this.#dropSlices()
    return true
  }

  override snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: this.#keys.keyedState.snapshot(barrier),
      operatorState: undefined,
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }

  #addRecord(key: Key, value: unknown, timestamp: number): void {
    const end = lastWindowStart(timestamp, this.#slices) + this.#slices.sizeMs
    this.#addToSlice(key, end, 1, (before) =>
      before === undefined ? this.#contents.first(value) : this.#contents.add(before, value),
    )
  }

  #mergedWith(before: unknown, partial: unknown): unknown {
    return before === undefined ? partial : this.#contents.merge(before, partial)
  }

  #addToSlice(key: Key, sliceEnd: number, count: number, add: (before: unknown) => unknown): void {
    this.metrics.recordsIn += count
    if (cleanupTime(this.#lastEndOf(sliceEnd), this.#allowedLatenessMs) <= this.currentWatermark) {
      this.metrics.lateRecordsDropped += count
      return
    }
    let contents: unknown
    try {
      contents = add(this.#panes.get(sliceEnd))
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'the window function')
    }
    this.#panes.set(sliceEnd, contents)
    this.#fireAgain(key, sliceEnd)
  }

  /** Windows of the slice that have fired and are not over: from the last one back, as panes do. */
  #fireAgain(key: Key, sliceEnd: number): void {
    const watermark = this.currentWatermark
    if (firstWindowEnd(sliceEnd, this.#windows) - 1 > watermark) return
    for (let end = this.#lastEndOf(sliceEnd); end >= sliceEnd; end -= this.#windows.slideMs) {
      if (cleanupTime(end, this.#allowedLatenessMs) <= watermark) return
      if (end - 1 <= watermark) this.#results.emit(key, this.#windowOf(end), this.#foldOfCurrentKey(end), false)
    }
  }

  #foldOfCurrentKey(windowEnd: number): unknown {
    let folded: unknown
    const { sizeMs } = this.#slices
    for (let end = windowEnd - this.#windows.sizeMs + sizeMs; end <= windowEnd; end += sizeMs) {
      if (this.#panes.has(end)) folded = this.#fold(folded, this.#panes.get(end))
    }
    return folded
  }

  /** Only the first argument of a merge may change, and it is never one that state holds (R35). */
  #fold(folded: unknown, slice: unknown): unknown {
    try {
      return folded === undefined ? this.#contents.copy(slice) : this.#contents.merge(folded, slice)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'the window function')
    }
  }

  /** The next window that has something and whose end the watermark has passed. */
  #nextFiring(): Firing | undefined {
    const { sizeMs } = this.#windows
    const unfired = Number.isFinite(this.#firedEnd) ? windowEndAfter(this.#firedEnd, this.#windows) : this.#firedEnd
    const slice = this.#panes.nextNamespace(unfired - sizeMs)
    if (slice === Number.POSITIVE_INFINITY) return undefined
    const end = Math.max(firstWindowEnd(slice, this.#windows), unfired)
    if (end - 1 > this.currentWatermark) return undefined
    const sliceEnd = end - sizeMs + this.#slices.sizeMs
    return { window: this.#windowOf(end), sliceEnd, cursor: undefined, results: new Map(), emitting: undefined }
  }

  /** Gives what is left of the budget; 0: go on with the same firing. */
  #fire(firing: Firing, budget: number): number {
    const left = this.#foldSlices(firing, budget)
    if (left <= 0) return 0
    return this.#emitResults(firing, left)
  }

  #foldSlices(firing: Firing, budget: number): number {
    let left = budget
    while (firing.sliceEnd <= firing.window.end) {
      firing.cursor ??= this.#panes.cursor(firing.sliceEnd)
      for (; firing.cursor.next(); left--) {
        this.#foldEntry(firing, firing.cursor)
        // The entry is folded: only the next call looks for another one.
        if (left === 1) return 0
      }
      firing.cursor = undefined
      firing.sliceEnd += this.#slices.sizeMs
    }
    return left
  }

  #foldEntry({ results }: Firing, { key, value }: PaneCursor<unknown>): void {
    const mapKey = mapKeyOf(key)
    const result = results.get(mapKey) ?? { key, contents: undefined, failed: false }
    if (result.failed) return
    results.set(mapKey, result)
    result.failed = true
    result.contents = this.#fold(result.contents, value)
    result.failed = false
  }

  #emitResults(firing: Firing, budget: number): number {
    firing.emitting ??= firing.results.values()
    let left = budget
    for (; left > 0; left--) {
      const next = firing.emitting.next()
      if (next.done === true) {
        this.#firedEnd = firing.window.end
        this.#firing = undefined
        return left
      }
      if (!next.value.failed) this.#results.emit(next.value.key, firing.window, next.value.contents, false)
    }
    return 0
  }

  /** Those whose last window is over, with the allowed lateness. */
  #dropSlices(): void {
    for (let end = this.#panes.lowestNamespace(); ; end = this.#panes.lowestNamespace()) {
      if (end === Number.POSITIVE_INFINITY) return
      if (cleanupTime(this.#lastEndOf(end), this.#allowedLatenessMs) > this.currentWatermark) return
      this.#panes.dropNamespace(end)
    }
  }

  /** End of the last window that a slice is in. */
  #lastEndOf(sliceEnd: number): number {
    return lastWindowStart(sliceEnd - this.#slices.sizeMs, this.#windows) + this.#windows.sizeMs
  }

  #windowOf(end: number): TimeWindow {
    return { start: end - this.#windows.sizeMs, end }
  }
}
