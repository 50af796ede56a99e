import type { WindowAssigner } from '../../../../../src/graph/operator-spec.ts'
import type { Firing, Item } from './window-reference.ts'

/** Each step begins with the clock at `now`. */
export type GeneralStep = { readonly now: number } & (
  | { readonly type: 'clock' }
  | { readonly type: 'record'; readonly value: Item; readonly timestamp: number }
  | { readonly type: 'watermark'; readonly watermark: number }
)

export type TriggerCase =
  | { readonly kind: 'default' | 'eventTime' | 'processingTime' | 'never' }
  | { readonly kind: 'count'; readonly maxCount: number }
  | { readonly kind: 'continuousEventTime' | 'continuousProcessingTime'; readonly intervalMs: number }
  | { readonly kind: 'delta'; readonly threshold: number }

export type EvictorCase =
  | { readonly kind: 'count'; readonly maxCount: number; readonly doEvictAfter: boolean }
  | { readonly kind: 'time'; readonly windowSizeMs: number; readonly doEvictAfter: boolean }
  | { readonly kind: 'delta'; readonly threshold: number; readonly doEvictAfter: boolean }
  /** Shows no odd ids, and keeps two records. */
  | { readonly kind: 'custom' }

export interface GeneralCase {
  readonly assigner: WindowAssigner
  readonly allowedLatenessMs: number
  readonly trigger: TriggerCase
  readonly purging: boolean
  readonly evictor: EvictorCase | undefined
}

export interface Placed {
  readonly item: Item
  readonly timestamp: number
}

interface Open {
  readonly start: number
  readonly end: number
  placed: Placed[]
  count: number
  /** When a continuous trigger fires next. */
  next: number | undefined
  lastId: number | undefined
  firings: number
}

/** With how often its window has fired so far. */
export interface CountedFiring extends Firing {
  readonly ordinal: number
}

export interface GeneralExpected {
  /** By step. */
  readonly firings: readonly (readonly CountedFiring[])[]
  readonly late: readonly Item[]
}

export function gapOfId(id: number): number {
  return 1 + ((id * 7) % 11)
}

/** What windows of any kind give, said plainly: open windows in lists, looked through at each step, without timers. */
export function referenceOf(given: GeneralCase, steps: readonly GeneralStep[]): GeneralExpected {
  const reference = new Reference(given)
  const firings = steps.map((step) => reference.apply(step))
  return { firings, late: reference.late }
}

class Reference {
  readonly late: Item[] = []
  readonly #case: GeneralCase
  readonly #trigger: TriggerCase['kind']
  readonly #isEventTime: boolean
  readonly #isMerging: boolean
  readonly #open = new Map<string, Open[]>()
  #watermark = Number.NEGATIVE_INFINITY
  #now = 0
  #firings: CountedFiring[] = []

  constructor(given: GeneralCase) {
    const { assigner, trigger } = given
    this.#case = given
    this.#isEventTime =
      assigner.kind === 'dynamicSession'
        ? assigner.timeDomain === 'event-time'
        : assigner.kind !== 'processingTime' && assigner.kind !== 'global'
    this.#isMerging =
      assigner.kind === 'session' ||
      assigner.kind === 'dynamicSession' ||
      (assigner.kind === 'processingTime' && assigner.windows.kind === 'session')
    const usual = this.#isEventTime ? 'eventTime' : 'processingTime'
    this.#trigger = trigger.kind !== 'default' ? trigger.kind : assigner.kind === 'global' ? 'never' : usual
  }

  apply(step: GeneralStep): CountedFiring[] {
    this.#firings = []
    this.#advanceClock(step.now)
    if (step.type === 'watermark') this.#advanceWatermark(step.watermark)
    if (step.type === 'record') this.#addRecord(step.value, step.timestamp)
    return this.#firings
  }

  #addRecord(item: Item, timestamp: number): void {
    const windows = this.#open.get(item.key) ?? []
    this.#open.set(item.key, windows)
    let accepted = false
    for (const { start, end } of this.#assigned(item, timestamp)) {
      const window = this.#isMerging ? this.#merged(windows, start, end) : this.#same(windows, start, end)
      if (window === undefined) continue
      accepted = true
      window.placed.push({ item, timestamp })
      if (this.#firesOnElement(window, item, timestamp)) this.#fire(item.key, window)
    }
    if (!accepted && this.#isEventTime && timestamp + this.#case.allowedLatenessMs <= this.#watermark) {
      this.late.push(item)
    }
  }

  #assigned(item: Item, timestamp: number): readonly { readonly start: number; readonly end: number }[] {
    const { assigner } = this.#case
    const time = this.#isEventTime ? timestamp : this.#now
    if (assigner.kind === 'global') return [{ start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY }]
    if (assigner.kind === 'dynamicSession') return [{ start: time, end: time + gapOfId(item.id) }]
    const windows = assigner.kind === 'processingTime' ? assigner.windows : assigner
    if (windows.kind === 'session') return [{ start: time, end: time + windows.gapMs }]
    const slideMs = windows.kind === 'sliding' ? windows.slideMs : windows.sizeMs
    const first = Math.floor((time - windows.offsetMs - windows.sizeMs) / slideMs) + 1
    const last = Math.floor((time - windows.offsetMs) / slideMs)
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
      const start = (first + index) * slideMs + windows.offsetMs
      return { start, end: start + windows.sizeMs }
    })
  }

  #same(windows: Open[], start: number, end: number): Open | undefined {
    if (this.#isOver(end)) return undefined
    const known = windows.find((window) => window.start === start)
    if (known !== undefined) return known
    const window = { start, end, placed: [], count: 0, next: undefined, lastId: undefined, firings: 0 }
    windows.push(window)
    return window
  }

  /** Windows that touch become one. */
  #merged(windows: Open[], start: number, end: number): Open | undefined {
    const touched = windows
      .filter((window) => window.start <= end && window.end >= start)
      .toSorted((left, right) => left.start - right.start)
    const merged: Open = {
      start: Math.min(start, ...touched.map((window) => window.start)),
      end: Math.max(end, ...touched.map((window) => window.end)),
      placed: touched.flatMap(({ placed }) => placed),
      count: touched.reduce((sum, { count }) => sum + count, 0),
      next: touched.reduce<number | undefined>((least, { next }) => earlier(least, next), undefined),
      lastId: undefined,
      firings: 0,
    }
    if (this.#isOver(merged.end)) return undefined
    const others = windows.filter((window) => !touched.includes(window))
    windows.splice(0, windows.length, ...others, merged)
    return merged
  }

  #isOver(end: number): boolean {
    return this.#isEventTime && end - 1 + this.#case.allowedLatenessMs <= this.#watermark
  }

  #firesOnElement(window: Open, item: Item, timestamp: number): boolean {
    const { trigger } = this.#case
    const last = window.end - 1
    switch (this.#trigger) {
      case 'eventTime':
        return last <= this.#watermark
      case 'continuousEventTime': {
        if (last <= this.#watermark) return true
        const { intervalMs } = trigger as Extract<TriggerCase, { intervalMs: number }>
        window.next ??= Math.min(Math.floor(timestamp / intervalMs) * intervalMs + intervalMs, last)
        return false
      }
      case 'continuousProcessingTime': {
        const { intervalMs } = trigger as Extract<TriggerCase, { intervalMs: number }>
        window.next ??= this.#nextByClock(Math.floor(this.#now / intervalMs) * intervalMs, window)
        return false
      }
      case 'count': {
        window.count++
        if (window.count < (trigger as Extract<TriggerCase, { kind: 'count' }>).maxCount) return false
        window.count = 0
        return true
      }
      case 'delta': {
        const before = window.lastId
        const { threshold } = trigger as Extract<TriggerCase, { kind: 'delta' }>
        if (before !== undefined && item.id - before <= threshold) return false
        window.lastId = item.id
        return before !== undefined
      }
      default:
        return false
    }
  }

  #nextByClock(after: number, window: Open): number {
    const { intervalMs } = this.#case.trigger as Extract<TriggerCase, { intervalMs: number }>
    const last = window.end - 1
    return last > this.#now ? Math.min(after + intervalMs, last) : after + intervalMs
  }

  #advanceWatermark(watermark: number): void {
    const before = this.#watermark
    this.#watermark = Math.max(before, watermark)
    for (const [key, windows] of this.#open) {
      for (const window of [...windows]) {
        const last = window.end - 1
        const fires = last > before && last <= this.#watermark
        if (this.#trigger === 'eventTime' && fires) this.#fire(key, window)
        if (this.#trigger === 'continuousEventTime') this.#fireContinuously(key, window, fires)
        if (this.#isOver(window.end)) windows.splice(windows.indexOf(window), 1)
      }
    }
  }

  #fireContinuously(key: string, window: Open, atEnd: boolean): void {
    const { intervalMs } = this.#case.trigger as Extract<TriggerCase, { intervalMs: number }>
    const last = window.end - 1
    while (window.next !== undefined && window.next <= this.#watermark && window.next < last) {
      const { next } = window
      this.#fire(key, window)
      window.next = Math.min(next + intervalMs, last)
      // A window without an end, at the end of the input.
      if (last === Number.POSITIVE_INFINITY && this.#watermark === last) window.next = undefined
    }
    if (!atEnd) return
    if (window.next === last) window.next = undefined
    this.#fire(key, window)
  }

  #advanceClock(now: number): void {
    for (;;) {
      const due = this.#nextByTheClock(now)
      if (due === undefined) break
      const { key, window, time } = due
      this.#now = Math.max(this.#now, time)
      if (this.#trigger === 'processingTime') this.#fire(key, window)
      if (this.#trigger === 'continuousProcessingTime' && window.next === time) {
        this.#fire(key, window)
        window.next = this.#nextByClock(time, window)
      }
      if (!this.#isEventTime && time === window.end - 1) {
        const windows = this.#open.get(key) ?? []
        windows.splice(windows.indexOf(window), 1)
      }
    }
    this.#now = now
  }

  #nextByTheClock(now: number): { readonly key: string; readonly window: Open; readonly time: number } | undefined {
    let first: { readonly key: string; readonly window: Open; readonly time: number } | undefined
    for (const [key, windows] of this.#open) {
      for (const window of windows) {
        const ends = this.#isEventTime ? undefined : window.end - 1
        const time = this.#trigger === 'continuousProcessingTime' ? earlier(ends, window.next) : ends
        if (time !== undefined && time <= now && (first === undefined || time < first.time))
          first = { key, window, time }
      }
    }
    return first
  }

  #fire(key: string, window: Open): void {
    const { evictor, purging } = this.#case
    if (window.placed.length === 0) return
    const shown = evictor === undefined ? window.placed : evicted(evictor, window.placed, 'before')
    const ordinal = ++window.firings
    this.#firings.push({ key, start: window.start, end: window.end, items: shown.map(({ item }) => item), ordinal })
    if (evictor !== undefined) window.placed = [...evicted(evictor, shown, 'after')]
    if (purging) window.placed = []
  }
}

function earlier(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined || right === undefined) return left ?? right
  return Math.min(left, right)
}

function evicted(evictor: EvictorCase, placed: readonly Placed[], when: 'before' | 'after'): readonly Placed[] {
  if (evictor.kind === 'custom')
    return when === 'before' ? placed.filter(({ item }) => item.id % 2 === 0) : placed.slice(-2)
  if (evictor.doEvictAfter !== (when === 'after') || placed.length === 0) return placed
  switch (evictor.kind) {
    case 'count':
      return placed.slice(Math.max(0, placed.length - evictor.maxCount))
    case 'time': {
      const newest = Math.max(...placed.map(({ timestamp }) => timestamp))
      return placed.filter(({ timestamp }) => newest - timestamp < evictor.windowSizeMs)
    }
    case 'delta': {
      const last = placed[placed.length - 1]?.item.id ?? 0
      return placed.filter(({ item }) => last - item.id < evictor.threshold)
    }
    default: {
      const never: never = evictor
      throw new TypeError(String(never))
    }
  }
}
