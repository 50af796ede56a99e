import { endWatermark, noWatermark } from '../common/timestamps.ts'

export type ValveEvent =
  | { readonly type: 'watermark'; readonly watermark: number }
  | { readonly type: 'idle' }
  | { readonly type: 'active' }

interface ChannelStatus {
  watermark: number
  idle: boolean
  /** Has brought the last watermark, or its end: no record follows. */
  ended: boolean
  /** Counts in the minimum. One that comes back from idleness counts only when it has caught up with what was given out. */
  aligned: boolean
}

/** The watermark of a subtask from those of its channels: the minimum over the active ones (Flink's StatusWatermarkValve). */
export class WatermarkValve {
  readonly #channels: readonly ChannelStatus[]
  #watermark = noWatermark
  #idle = false

  constructor(channelCount: number) {
    this.#channels = Array.from({ length: channelCount }, () => ({
      watermark: noWatermark,
      idle: false,
      ended: false,
      aligned: true,
    }))
  }

  get watermark(): number {
    return this.#watermark
  }

  channelWatermark(channel: number, watermark: number): readonly ValveEvent[] {
    const status = this.#status(channel)
    // Idle or not: with the last watermark windows and timers have fired, and no more records come from there.
    if (watermark === endWatermark) {
      const events = this.channelEnded(channel)
      return this.#channels.every((other) => other.ended) ? this.end() : events
    }
    if (status.idle || status.ended || watermark <= status.watermark) return []
    status.watermark = watermark
    if (watermark >= this.#watermark) status.aligned = true
    return this.#lowestEvent()
  }

  channelIdle(channel: number): readonly ValveEvent[] {
    const status = this.#status(channel)
    if (status.idle || status.ended) return []
    status.idle = true
    status.aligned = false
    return this.#oneLess()
  }

  channelActive(channel: number): readonly ValveEvent[] {
    const status = this.#status(channel)
    if (!status.idle || status.ended) return []
    status.idle = false
    status.aligned = status.watermark >= this.#watermark
    if (!this.#idle) return []
    this.#idle = false
    return [{ type: 'active' }]
  }

  channelEnded(channel: number): readonly ValveEvent[] {
    const status = this.#status(channel)
    if (status.ended) return []
    status.ended = true
    status.aligned = false
    return this.#channels.every((other) => other.ended) ? [] : this.#oneLess()
  }

  /** With all channels ended nothing can follow. Idle ones are waited for: what they held back comes with their last watermark. */
  end(): readonly ValveEvent[] {
    return this.#advance(endWatermark)
  }

  /** A channel holds back no more: the others decide; with none left the stream is idle. */
  #oneLess(): readonly ValveEvent[] {
    if (this.#channels.some((status) => !status.idle && !status.ended)) return this.#lowestEvent()
    if (this.#idle) return []
    // None holds back any more, so what the furthest idle one has seen is seen by all; an ended one's last watermark says
    // nothing about the records that an idle one may still bring.
    const idle = this.#channels.filter((status) => !status.ended)
    const highest = idle.reduce((watermark, status) => Math.max(watermark, status.watermark), noWatermark)
    const events = this.#advance(highest)
    this.#idle = true
    return [...events, { type: 'idle' }]
  }

  #lowestEvent(): readonly ValveEvent[] {
    let lowest = Number.POSITIVE_INFINITY
    let counted = false
    for (const status of this.#channels) {
      if (!status.aligned) continue
      counted = true
      if (status.watermark < lowest) lowest = status.watermark
    }
    return counted ? this.#advance(lowest) : []
  }

  #advance(watermark: number): readonly ValveEvent[] {
    if (watermark <= this.#watermark) return []
    this.#watermark = watermark
    return [{ type: 'watermark', watermark }]
  }

  #status(channel: number): ChannelStatus {
    const status = this.#channels[channel]
    if (status === undefined) throw new RangeError(`no channel ${channel}`)
    return status
  }
}
