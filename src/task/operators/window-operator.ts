import type { TimestampedValue } from '../../api/evictors.ts'
import type { Key, TimeWindow } from '../../api/functions.ts'
import type { TriggerResult } from '../../api/triggers.ts'
import { MillraceError } from '../../common/errors.ts'
import { isEventTime, isMerging, type WindowSpec } from '../../graph/operator-spec.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import { NamespacedState } from '../../state/namespaced-state.ts'
import { ScopedStateStore } from '../../state/scoped-state-store.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { KeySelection } from './key-selection.ts'
import { assertTimestamp, LateRecords } from './late-records.ts'
import { MergingWindowSet } from './merging-window-set.ts'
import { OperatorBase } from './operator-base.ts'
import { userFunctionError } from './user-function-error.ts'
import { type AssignWindows, windowAssignmentOf } from './window-assigning.ts'
import { cleanupTime } from './window-assignment.ts'
import { type WindowContents, windowContentsOf } from './window-contents.ts'
import { timestampedContents, WindowEviction } from './window-eviction.ts'
import { windowLayout } from './window-layout.ts'
import { type NamespaceOf, namespaceOf } from './window-namespace.ts'
import { WindowResults } from './window-results.ts'
import { WindowTimers } from './window-timers.ts'
import { WindowTrigger } from './window-trigger.ts'

/**
 * Windows of any kind, with trigger and evictor: Flink's WindowOperator. Contents and the trigger's state are entries by
 * key and window, timers are by time, key and window. Windows that grow together keep their contents where the first of
 * them had them.
 */
export class WindowOperator extends OperatorBase {
  readonly #isEventTime: boolean
  readonly #allowedLatenessMs: number
  readonly #assign: AssignWindows
  readonly #namespaceOf: NamespaceOf
  readonly #stored: WindowContents
  readonly #keys: KeySelection
  readonly #contents: NamespacedState<unknown>
  readonly #merging: MergingWindowSet | undefined
  readonly #eventTimeTimers: WindowTimers
  readonly #processingTimeTimers: WindowTimers
  readonly #trigger: WindowTrigger
  readonly #eviction: WindowEviction | undefined
  readonly #results: WindowResults
  readonly #late: LateRecords
  readonly #fireEventTime = (time: number, window: TimeWindow): void => this.#onEventTime(time, window)
  readonly #fireProcessingTime = (time: number, window: TimeWindow): void => this.#onProcessingTime(time, window)

  constructor(spec: WindowSpec, context: OperatorContext) {
    super(context)
    const { assigner, compute, trigger, evictor } = spec
    if (trigger === undefined) throw new MillraceError('MR_INTERNAL', `window "${context.operatorName}" has no trigger`)
    this.#isEventTime = isEventTime(assigner)
    this.#allowedLatenessMs = this.#isEventTime ? spec.allowedLatenessMs : 0
    this.#assign = windowAssignmentOf(assigner)
    this.#namespaceOf = namespaceOf(assigner)
    this.#keys = new KeySelection(context)
    const { keyedState } = this.#keys
    const computed = windowContentsOf(compute)
    this.#eviction = evictor === undefined ? undefined : new WindowEviction(evictor, compute, computed, context)
    this.#stored = evictor === undefined ? computed : timestampedContents(compute)
    this.#contents = new NamespacedState(keyedState.entries(windowLayout(spec, keyedState), this.#stored.type))
    this.#merging = isMerging(assigner) ? new MergingWindowSet(keyedState) : undefined
    this.#eventTimeTimers = new WindowTimers(keyedState, 'event-time')
    this.#processingTimeTimers = new WindowTimers(keyedState, 'processing-time')
    this.#trigger = new WindowTrigger({
      trigger,
      context,
      state: new ScopedStateStore(keyedState, '$trigger-state'),
      namespaceOf: this.#namespaceOf,
      eventTimeTimers: this.#eventTimeTimers,
      processingTimeTimers: this.#processingTimeTimers,
    })
    this.#results = new WindowResults(compute, computed, context, this.#merging ? undefined : this.#namespaceOf)
    this.#late = new LateRecords(spec.lateTag, context)
  }

  processElement(value: unknown, timestamp: number): void {
    this.#addToWindows(this.#keys.select(value), value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.#addToWindows(this.#keys.selectHashed(value, keyHash), value, timestamp)
  }

  override advanceWatermark(watermark: number, maxFirings: number): boolean {
    super.advanceWatermark(watermark, maxFirings)
    this.#results.currentWatermark = this.currentWatermark
    this.#trigger.currentWatermark = this.currentWatermark
    if (this.#eviction !== undefined) this.#eviction.currentWatermark = this.currentWatermark
    return this.#eventTimeTimers.fireDue(this.currentWatermark, maxFirings, this.#fireEventTime)
  }

  override advanceProcessingTime(now: number, maxFirings: number): boolean {
    return this.#processingTimeTimers.fireDue(now, maxFirings, this.#fireProcessingTime)
  }

  override nextProcessingTime(): number {
    return this.#processingTimeTimers.nextTimestamp()
  }

  /** As in Flink, windows that wait for the clock give nothing: after the end there is nobody to send to (R12). */
  override endInput(): void {
    this.#processingTimeTimers.clear()
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
    if (this.#isEventTime) assertTimestamp(timestamp, this.operatorName)
    let accepted = false
    for (const assigned of this.#windowsOf(value, timestamp)) {
      const open = this.#opened(assigned)
      if (open === undefined) continue
      accepted = true
      this.#addToWindow(key, value, timestamp, open)
    }
    if (!accepted && this.#isEventTime && timestamp + this.#allowedLatenessMs <= this.currentWatermark) {
      this.#late.take(value, timestamp)
    }
  }

  #windowsOf(value: unknown, timestamp: number): readonly TimeWindow[] {
    try {
      return this.#assign(value, timestamp, this.context.clock.now())
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'the gap function')
    }
  }

  /**
   * The window, or the one that it becomes part of. undefined: that one is over. A record that is late by itself may
   * belong to a session that is not.
   */
  #opened(assigned: TimeWindow): OpenedWindow | undefined {
    if (this.#merging !== undefined) return this.#merged(assigned, this.#merging)
    return this.#isOver(assigned.end) ? undefined : { window: assigned, place: this.#namespaceOf(assigned) }
  }

  #merged(assigned: TimeWindow, merging: MergingWindowSet): OpenedWindow | undefined {
    const touched = merging.touched(assigned)
    if (this.#isOver(touched.end)) return undefined
    const merged = merging.add(touched)
    const { window, place, absorbed } = merged
    if (absorbed.length === 0) return merged
    try {
      this.#trigger.onMerge(
        window,
        absorbed.map((gone) => gone.window),
      )
    } finally {
      // Also where its trigger throws and the record becomes a dead letter: what the windows hold is not left behind.
      for (const gone of absorbed) this.#deleteCleanupTimer(gone.window)
      this.#registerCleanupTimer(window)
      const others = absorbed.slice(1).map((gone) => this.#taken(gone.place))
      for (const other of others) this.#mergeContents(place, other)
    }
    return merged
  }

  #taken(place: number): unknown {
    const contents = this.#contents.get(place)
    if (contents !== undefined) this.#contents.remove(place)
    return contents
  }

  #mergeContents(into: number, other: unknown): void {
    if (other === undefined) return
    const contents = this.#contents.get(into)
    this.#contents.set(into, contents === undefined ? other : this.#computed(() => this.#stored.merge(contents, other)))
  }

  #addToWindow(key: Key, value: unknown, timestamp: number, { window, place }: OpenedWindow): void {
    const element = this.#eviction === undefined ? value : { value, timestamp }
    try {
      const before = this.#contents.get(place)
      const contents = this.#computed(() =>
        before === undefined ? this.#stored.first(element) : this.#stored.add(before, element),
      )
      this.#contents.set(place, contents)
      const result = this.#trigger.onElement(value, timestamp, window)
      if (fires(result)) this.#fire(key, window, place, !purges(result))
      if (purges(result)) this.#contents.remove(place)
    } finally {
      // Also of a record that becomes a dead letter: its window must not stay for ever.
      this.#registerCleanupTimer(window)
    }
  }

  #onEventTime(time: number, window: TimeWindow): void {
    const place = this.#placeOf(window)
    // A timer of a window that went into another one, which its trigger has left behind.
    if (place === undefined) return
    // Where the job allows more lateness than the one that registered it.
    const isLeft = this.#isEventTime && this.#allowedLatenessMs > 0 && time < this.#cleanupTime(window)
    if (isLeft) this.#registerCleanupTimer(window)
    const isOver = this.#isEventTime && this.#isCleanup(time, window, place)
    this.#finishTimer(window, place, { isOver, decide: () => this.#trigger.onEventTime(time, window) })
  }

  #onProcessingTime(time: number, window: TimeWindow): void {
    const place = this.#placeOf(window)
    if (place === undefined) return
    const isOver = !this.#isEventTime && time === this.#cleanupTime(window)
    this.#finishTimer(window, place, { isOver, decide: () => this.#trigger.onProcessingTime(time, window) })
  }

  #finishTimer(window: TimeWindow, place: Key, { isOver, decide }: DueTimer): void {
    let result: TriggerResult = 'CONTINUE'
    try {
      result = decide()
      if (fires(result)) {
        this.#fire(this.#keys.keyedState.currentKey, window, place, !(isOver || purges(result)))
      }
    } finally {
      // Also where a function throws and that becomes a dead letter: the window is over all the same.
      if (isOver || purges(result)) this.#contents.remove(place)
      if (isOver) this.#clear(window)
    }
  }

  #clear(window: TimeWindow): void {
    try {
      this.#trigger.clear(window)
      this.#results.clear(window)
    } finally {
      this.#merging?.retire(window)
    }
  }

  #fire(key: Key, window: TimeWindow, place: Key, retained: boolean): void {
    const contents = this.#contents.get(place)
    if (contents === undefined) return
    if (this.#eviction === undefined) {
      this.#results.emit(key, window, contents, retained)
      return
    }
    const left = this.#eviction.before(contents as readonly TimestampedValue<unknown>[], window)
    this.#results.emitElements(key, window, this.#eviction.computed(left))
    const kept = this.#eviction.after(left, window)
    if (kept.length === 0) this.#contents.remove(place)
    else this.#contents.set(place, [...kept])
  }

  /** The namespace of a window's contents; undefined: a session that is not there any more. */
  #placeOf(window: TimeWindow): Key | undefined {
    return this.#merging === undefined ? this.#namespaceOf(window) : this.#merging.placeOf(window)
  }

  /** Of event-time windows: nothing that comes now belongs to them. */
  #isOver(windowEnd: number): boolean {
    return this.#isEventTime && cleanupTime(windowEnd, this.#allowedLatenessMs) <= this.currentWatermark
  }

  #cleanupTime({ end }: TimeWindow): number {
    return cleanupTime(end, this.#allowedLatenessMs)
  }

  /** Contents are there past it where the job allows less lateness than the one that registered the timer. */
  #isCleanup(time: number, window: TimeWindow, place: Key): boolean {
    const cleanup = this.#cleanupTime(window)
    return time === cleanup || (time > cleanup && this.#contents.get(place) !== undefined)
  }

  /** A global window has none: it does not end. */
  #registerCleanupTimer(window: TimeWindow): void {
    const time = this.#cleanupTime(window)
    if (time !== Number.POSITIVE_INFINITY) this.#cleanupTimers().register(time, window)
  }

  #deleteCleanupTimer(window: TimeWindow): void {
    const time = this.#cleanupTime(window)
    if (time !== Number.POSITIVE_INFINITY) this.#cleanupTimers().delete(time, window)
  }

  #cleanupTimers(): WindowTimers {
    return this.#isEventTime ? this.#eventTimeTimers : this.#processingTimeTimers
  }

  #computed(compute: () => unknown): unknown {
    try {
      return compute()
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'the window function')
    }
  }
}

/** A window that takes records, and where its contents are kept. */
interface OpenedWindow {
  readonly window: TimeWindow
  readonly place: Key
}

interface DueTimer {
  readonly isOver: boolean
  /** Asks the trigger. */
  decide(): TriggerResult
}

function fires(result: TriggerResult): boolean {
  return result === 'FIRE' || result === 'FIRE_AND_PURGE'
}

function purges(result: TriggerResult): boolean {
  return result === 'PURGE' || result === 'FIRE_AND_PURGE'
}
