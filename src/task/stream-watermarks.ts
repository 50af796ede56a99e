import type { WatermarkGenerator, WatermarkOutput, WatermarkSpecification } from '../api/watermarks.ts'
import { noWatermark } from '../common/timestamps.ts'
import { userFunctionError } from './operators/user-function-error.ts'

export type WatermarkEvent = { readonly type: 'watermark'; readonly watermark: number } | { readonly type: 'idle' }

/**
 * Watermarks of one stream: the minimum over its parts (the splits of a source), each with its own generator. What comes
 * of it is taken between batches as events; only becoming active is told at once, since records follow it directly.
 */
export class StreamWatermarks {
  readonly #specification: WatermarkSpecification<unknown>
  readonly #operatorName: string
  readonly #parts = new Map<string, WatermarkPart>()
  #watermark = noWatermark
  #idle = false
  /** Told before the first record after an idle time. */
  onActive: () => void = () => {}

  constructor(specification: WatermarkSpecification<unknown>, operatorName: string) {
    this.#specification = specification
    this.#operatorName = operatorName
  }

  /** Whether anything can change by mere passing of time. */
  get periodic(): boolean {
    return this.#specification.createGenerator !== undefined || this.#specification.idleTimeoutMs !== undefined
  }

  /** No part is left, or there was none. */
  get empty(): boolean {
    return this.#parts.size === 0
  }

  /** The last watermark that was given out. */
  get watermark(): number {
    return this.#watermark
  }

  addPart(id: string): WatermarkPart {
    const part = new WatermarkPart(this, this.#specification, this.#operatorName)
    this.#parts.set(id, part)
    this.activate()
    return part
  }

  part(id: string): WatermarkPart | undefined {
    return this.#parts.get(id)
  }

  /** The part holds back nothing any more. */
  removePart(id: string): void {
    this.#parts.delete(id)
  }

  /** The turn of the auto-watermark interval. `activeMs`: time in which input could have come (R19). */
  tick(activeMs: number): void {
    for (const part of this.#parts.values()) part.tick(activeMs)
  }

  activate(): void {
    if (!this.#idle) return
    this.#idle = false
    this.onActive()
  }

  /** What has changed since the last call, one event at a time: the watermark before the idleness. */
  nextEvent(): WatermarkEvent | undefined {
    let lowest = Number.POSITIVE_INFINITY
    let active = false
    for (const part of this.#parts.values()) {
      if (part.idle) continue
      active = true
      lowest = Math.min(lowest, part.watermark)
    }
    if (!active) {
      if (this.#idle) return undefined
      this.#idle = true
      return { type: 'idle' }
    }
    if (lowest <= this.#watermark) return undefined
    this.#watermark = lowest
    return { type: 'watermark', watermark: lowest }
  }
}

/** One split's generator, watermark and idleness. */
export class WatermarkPart implements WatermarkOutput {
  readonly #stream: StreamWatermarks
  readonly #generator: WatermarkGenerator<unknown> | undefined
  readonly #idleTimeoutMs: number
  readonly #operatorName: string
  watermark = noWatermark
  idle = false
  /** Records since the last tick; a new part counts as touched, so that its idle time begins at the first tick. */
  #touched = true
  #lastRecordActiveMs = 0

  constructor(stream: StreamWatermarks, specification: WatermarkSpecification<unknown>, operatorName: string) {
    this.#stream = stream
    this.#generator = specification.createGenerator?.()
    this.#idleTimeoutMs = specification.idleTimeoutMs ?? Number.POSITIVE_INFINITY
    this.#operatorName = operatorName
  }

  /** Before a record is passed on: the stream is active from here. */
  beforeRecord(): void {
    this.#touched = true
    if (!this.idle) return
    this.idle = false
    this.#stream.activate()
  }

  /** After a record was passed on, as in Flink. */
  afterRecord(value: unknown, timestamp: number): void {
    if (this.#generator === undefined) return
    try {
      this.#generator.onEvent(value, timestamp, this)
    } catch (error) {
      throw userFunctionError(error, this.#operatorName, 'onEvent of the watermark generator')
    }
  }

  emitWatermark(watermark: number): void {
    if (watermark > this.watermark) this.watermark = watermark
  }

  markIdle(): void {
    this.idle = true
  }

  tick(activeMs: number): void {
    if (this.#touched) {
      this.#touched = false
      this.#lastRecordActiveMs = activeMs
    } else if (activeMs - this.#lastRecordActiveMs >= this.#idleTimeoutMs) {
      this.idle = true
    }
    if (this.#generator === undefined) return
    try {
      this.#generator.onPeriodicEmit(this)
    } catch (error) {
      throw userFunctionError(error, this.#operatorName, 'onPeriodicEmit of the watermark generator')
    }
  }
}

/** The function of a specification that gives timestamps, checked: a timestamp is a finite number. */
export function timestampsOf(
  specification: WatermarkSpecification<unknown>,
  operatorName: string,
): ((value: unknown, recordTimestamp: number) => number) | undefined {
  const { timestampOf } = specification
  if (timestampOf === undefined) return undefined
  return (value, recordTimestamp) => {
    let timestamp: number
    try {
      timestamp = timestampOf(value, recordTimestamp)
    } catch (error) {
      throw userFunctionError(error, operatorName, 'the timestamp function')
    }
    if (Number.isFinite(timestamp)) return timestamp
    const wrong = new TypeError(`gave ${String(timestamp)}, which is no timestamp in epoch milliseconds`)
    throw userFunctionError(wrong, operatorName, 'the timestamp function')
  }
}
