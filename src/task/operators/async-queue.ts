import type { AsyncCall } from './async-call.ts'

/** Records that may overtake each other, between two watermarks; in ordered mode one record each. */
interface Segment {
  /** What came before the segment. */
  watermark: number
  /** In the order in which they came. */
  readonly calls: Set<AsyncCall>
  /** In the order in which they settled. */
  readonly settled: AsyncCall[]
}

/** A record in flight, and the watermark that had come before it. */
export interface QueuedCall {
  readonly call: AsyncCall
  readonly after: number
}

/** What is in flight, records and watermarks, and what of it may go out now. */
export class AsyncQueue {
  readonly #ordered: boolean
  /** One at least; the last takes what comes. */
  readonly #segments: Segment[]
  readonly #segmentOf = new Map<AsyncCall, Segment>()

  /** `watermark`: what has gone out already. */
  constructor(ordered: boolean, watermark: number) {
    this.#ordered = ordered
    this.#segments = [segmentAfter(watermark)]
  }

  get size(): number {
    return this.#segmentOf.size
  }

  /** No record, and no watermark that has not gone out. */
  get isEmpty(): boolean {
    return this.size === 0 && this.#segments.length === 1
  }

  /** The highest watermark that has come. */
  get lastWatermark(): number {
    return this.#last.watermark
  }

  /** Whether `take` or `passWatermark` has something. */
  get ready(): boolean {
    const { calls, settled } = this.#first
    return settled.length > 0 || (calls.size === 0 && this.#segments.length > 1)
  }

  add(call: AsyncCall): void {
    const segment = this.#ordered && this.#last.calls.size > 0 ? this.#append(this.#last.watermark) : this.#last
    segment.calls.add(call)
    this.#segmentOf.set(call, segment)
  }

  /** Behind all records so far. */
  addWatermark(watermark: number): void {
    const last = this.#last
    if (watermark <= last.watermark) return
    // Watermarks with no record between them go out together: a call that takes long does not let them pile up.
    if (last.calls.size === 0 && this.#segments.length > 1) last.watermark = watermark
    else this.#append(watermark)
  }

  settled(call: AsyncCall): void {
    this.#segmentOf.get(call)?.settled.push(call)
  }

  /** The next settled call that no unsettled one holds back. */
  take(): AsyncCall | undefined {
    const { calls, settled } = this.#first
    const call = settled.shift()
    if (call === undefined) return undefined
    calls.delete(call)
    this.#segmentOf.delete(call)
    return call
  }

  /** Goes on behind a segment that is empty; gives the watermark after it. undefined: there is none, or it is not empty. */
  passSegment(): number | undefined {
    if (this.#first.calls.size > 0 || this.#segments.length === 1) return undefined
    this.#segments.shift()
    return this.#first.watermark
  }

  /** All that is in flight, in the order in which it came. */
  *entries(): Iterable<QueuedCall> {
    for (const { watermark, calls } of this.#segments) for (const call of calls) yield { call, after: watermark }
  }

  get #first(): Segment {
    return this.#segments[0] as Segment
  }

  get #last(): Segment {
    return this.#segments[this.#segments.length - 1] as Segment
  }

  #append(watermark: number): Segment {
    const segment = segmentAfter(watermark)
    this.#segments.push(segment)
    return segment
  }
}

function segmentAfter(watermark: number): Segment {
  return { watermark, calls: new Set(), settled: [] }
}
