import type { Key, TimeWindow } from '../../api/functions.ts'
import type { AlignedWindowAssigner, WindowSpec } from '../../graph/operator-spec.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { PaneCursor, PaneState } from '../../state/pane-state.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { WindowPartial } from '../window-partial.ts'
import { KeySelection } from './key-selection.ts'
import { assertTimestamp, LateRecords } from './late-records.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'
import { type AlignedWindows, alignedWindowsOf, cleanupTime, lastWindowStart } from './window-assignment.ts'
import { type WindowContents, windowContentsOf } from './window-contents.ts'
import { alignedLayout } from './window-layout.ts'
import { WindowResults } from './window-results.ts'

/**
 * Tumbling and sliding windows. Contents are kept in panes by window end, so that a watermark fires a whole pane of keys
 * and no timer is kept for a key. A pane has fired when its end is at or before `#firedEnd`.
 */
export class AlignedWindowOperator extends OperatorBase {
  readonly #windows: AlignedWindows
  readonly #allowedLatenessMs: number
  readonly #contents: WindowContents
  readonly #keys: KeySelection
  readonly #panes: PaneState<unknown>
  readonly #results: WindowResults
  readonly #late: LateRecords
  #firedEnd: number
  /** Of the pane after `#firedEnd`, while it fires in slices (R33). */
  #cursor: PaneCursor<unknown> | undefined

  constructor(spec: WindowSpec, assigner: AlignedWindowAssigner, context: OperatorContext) {
    super(context)
    this.#windows = alignedWindowsOf(assigner)
    this.#allowedLatenessMs = spec.allowedLatenessMs
    this.#contents = windowContentsOf(spec.compute)
    this.#keys = new KeySelection(context)
    this.#panes = this.#keys.keyedState.panes(alignedLayout, { type: this.#contents.type })
    this.#results = new WindowResults(spec.compute, this.#contents, context, ({ start }) => start)
    this.#late = new LateRecords(spec.lateTag, context)
    this.#firedEnd = context.restoredWatermark + 1
  }

  /** What had fired and was kept for late records may be over by now, where the job allows less lateness than before. */
  override open(): void {
    this.#dropPanes()
  }

  processElement(value: unknown, timestamp: number): void {
    assertTimestamp(timestamp, this.operatorName)
    this.#addToWindows(this.#keys.select(value), value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    if (value instanceof WindowPartial) {
      this.#addPartial(value, keyHash)
      return
    }
    assertTimestamp(timestamp, this.operatorName)
    this.#addToWindows(this.#keys.selectHashed(value, keyHash), value, timestamp)
  }

  override advanceWatermark(watermark: number, maxFirings: number): boolean {
    super.advanceWatermark(watermark, maxFirings)
    this.#results.currentWatermark = this.currentWatermark
    let budget = maxFirings
    for (let end = this.#nextEnd(); end - 1 <= this.currentWatermark; end = this.#nextEnd()) {
      if (end === Number.POSITIVE_INFINITY) break
      budget = this.#firePane(end, budget)
      if (this.#cursor !== undefined) return false
    }
    this.#firedEnd = Math.max(this.#firedEnd, this.currentWatermark + 1)
    this.#dropPanes()
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

  #addToWindows(key: Key, value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    const { sizeMs, slideMs } = this.#windows
    const watermark = this.currentWatermark
    let accepted = false
    // From the last window back, as in Flink: once one is too late for the record, so are those before it.
    for (let end = lastWindowStart(timestamp, this.#windows) + sizeMs; end > timestamp; end -= slideMs) {
      if (cleanupTime(end, this.#allowedLatenessMs) <= watermark) break
      accepted = true
      const contents = this.#addToPane(end, value)
      if (end - 1 <= watermark) this.#results.emit(key, this.#windowOf(end), contents, true)
    }
    // A record between windows, where the slide is above the size, is in none and late only by its own timestamp.
    if (!accepted && timestamp + this.#allowedLatenessMs <= watermark) this.#late.take(value, timestamp)
  }

  /** What a sender has combined (R34): of a slice, where the windows were panes before they had slices (R35). */
  #addPartial({ key, start, end, count, contents }: WindowPartial, keyHash: number): void {
    this.metrics.recordsIn += count
    this.#keys.keyedState.setCurrentKey(key, keyHash)
    const { sizeMs, slideMs } = this.#windows
    const watermark = this.currentWatermark
    let accepted = false
    for (let last = lastWindowStart(start, this.#windows) + sizeMs; last >= end; last -= slideMs) {
      if (cleanupTime(last, this.#allowedLatenessMs) <= watermark) break
      accepted = true
      const merged = this.#mergeIntoPane(last, contents)
      if (last - 1 <= watermark) this.#results.emit(key, this.#windowOf(last), merged, true)
    }
    if (!accepted) this.metrics.lateRecordsDropped += count
  }

  #mergeIntoPane(end: number, partial: unknown): unknown {
    const before = this.#panes.get(end)
    let contents: unknown
    try {
      contents = before === undefined ? this.#contents.copy(partial) : this.#contents.merge(before, partial)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'the window function')
    }
    this.#panes.set(end, contents)
    return contents
  }

  #addToPane(end: number, value: unknown): unknown {
    const before = this.#panes.get(end)
    let contents: unknown
    try {
      contents = before === undefined ? this.#contents.first(value) : this.#contents.add(before, value)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'the window function')
    }
    this.#panes.set(end, contents)
    return contents
  }

  #nextEnd(): number {
    return this.#allowedLatenessMs === 0 ? this.#panes.lowestNamespace() : this.#panes.nextNamespace(this.#firedEnd)
  }

  /** Fires up to `budget` keys of a pane; `#cursor` stays set where there are more. Gives what is left of the budget. */
  #firePane(end: number, budget: number): number {
    const cursor = this.#cursor ?? this.#panes.cursor(end)
    this.#cursor = cursor
    const retained = cleanupTime(end, this.#allowedLatenessMs) > this.currentWatermark
    const window = this.#windowOf(end)
    let left = budget
    for (; left > 0; left--) {
      if (!cursor.next()) {
        this.#cursor = undefined
        this.#firedEnd = end
        if (!retained) this.#panes.dropNamespace(end)
        return left
      }
      this.#results.emit(cursor.key, window, cursor.value, retained)
    }
    return left
  }

  /** Those that have fired and are past the allowed lateness. */
  #dropPanes(): void {
    for (let end = this.#panes.lowestNamespace(); ; end = this.#panes.lowestNamespace()) {
      if (end === Number.POSITIVE_INFINITY || cleanupTime(end, this.#allowedLatenessMs) > this.currentWatermark) return
      this.#panes.dropNamespace(end)
    }
  }

  #windowOf(end: number): TimeWindow {
    return { start: end - this.#windows.sizeMs, end }
  }
}
