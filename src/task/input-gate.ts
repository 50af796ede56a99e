import type { Clock } from '../common/ports.ts'
import type { CheckpointBarrier } from '../state/checkpoint-record.ts'
import { type Alignment, BarrierAlignment } from './barrier-alignment.ts'
import type { ControlItem } from './channel-item.ts'
import { type InputChannel, isControl } from './input-channel.ts'
import type { RecordBatch } from './record-batch.ts'
import { type ValveEvent, WatermarkValve } from './watermark-valve.ts'

export type GateEvent =
  /** Nothing is here now. */
  | { readonly type: 'nothing' }
  /** Something was read that asks for nothing. */
  | { readonly type: 'progress' }
  /** To be read at once, then `giveBack`. */
  | { readonly type: 'records'; readonly channel: number; readonly batch: RecordBatch }
  | ValveEvent
  /** All channels are aligned: take the snapshot before anything else. */
  | ({ readonly type: 'barrier' } & Alignment)
  /** All channels have ended; once, behind the last watermark. */
  | { readonly type: 'ended' }

const nothing: GateEvent = { type: 'nothing' }
const progress: GateEvent = { type: 'progress' }

/** All input channels of a subtask, read in turn, one item at a time. */
export class InputGate {
  readonly #channels: readonly InputChannel[]
  readonly #alignment: BarrierAlignment
  readonly #valve: WatermarkValve
  readonly #clock: Clock
  /** What one item brought besides its first event. */
  readonly #events: GateEvent[] = []
  #next = 0
  #reading: InputChannel | undefined
  #ended = false

  constructor(channels: readonly InputChannel[], mode: 'exactly-once' | 'at-least-once', clock: Clock) {
    this.#channels = channels
    this.#alignment = new BarrierAlignment(channels.length, mode === 'exactly-once')
    this.#valve = new WatermarkValve(channels.length)
    this.#clock = clock
  }

  get watermark(): number {
    return this.#valve.watermark
  }

  /** `takesRecords` false: channels whose next item is a batch are left as they are. */
  poll(takesRecords = true): GateEvent {
    const pending = this.#events.shift()
    if (pending !== undefined) return pending
    const item = this.#take(takesRecords)
    if (item !== nothing) return item
    return this.#alignment.allEnded ? this.#afterEnd() : nothing
  }

  giveBack(): void {
    this.#reading?.giveBack()
    this.#reading = undefined
  }

  trigger(barrier: CheckpointBarrier): void {
    this.#alignment.trigger(barrier)
  }

  aborted(checkpointId: number): void {
    this.#alignment.aborted(checkpointId)
  }

  close(): void {
    for (const channel of this.#channels) channel.close()
  }

  #take(takesRecords: boolean): GateEvent {
    const channels = this.#channels
    for (let tried = 0; tried < channels.length; tried++) {
      const index = this.#next
      this.#next = index + 1 === channels.length ? 0 : index + 1
      const channel = channels[index] as InputChannel
      if (channel.length === 0 || this.#alignment.isBlocked(index)) continue
      if (!takesRecords && !channel.nextIsControl) continue
      const item = channel.take()
      if (item === undefined) continue
      if (isControl(item)) return this.#control(index, item)
      this.#reading = channel
      return { type: 'records', channel: index, batch: item }
    }
    return nothing
  }

  #control(channel: number, item: ControlItem): GateEvent {
    switch (item.type) {
      case 'watermark':
        return this.#first(this.#valve.channelWatermark(channel, item.watermark))
      case 'idle':
        return this.#first(this.#valve.channelIdle(channel))
      case 'active':
        return this.#first(this.#valve.channelActive(channel))
      case 'barrier':
        return this.#aligned(this.#alignment.barrier(channel, item.barrier, this.#clock.monotonicMs())) ?? progress
      case 'end':
        return this.#channelEnded(channel)
      default: {
        const never: never = item
        throw new TypeError(`unknown item ${JSON.stringify(never)}`)
      }
    }
  }

  /** The barrier comes first: what the end brings belongs behind the snapshot. */
  #channelEnded(channel: number): GateEvent {
    const aligned = this.#aligned(this.#alignment.channelEnded(channel, this.#clock.monotonicMs()))
    const first = this.#first(this.#valve.channelEnded(channel))
    if (aligned === undefined) return first
    if (first !== progress) this.#events.unshift(first)
    return aligned
  }

  #afterEnd(): GateEvent {
    if (!this.#ended) {
      this.#ended = true
      this.#events.push({ type: 'ended' })
      return this.#first(this.#valve.end())
    }
    return this.#aligned(this.#alignment.takeTrigger()) ?? nothing
  }

  #aligned(alignment: Alignment | undefined): GateEvent | undefined {
    return alignment === undefined ? undefined : { type: 'barrier', ...alignment }
  }

  /** The rest waits for the next polls, before what may wait there already. */
  #first(events: readonly ValveEvent[]): GateEvent {
    const [first, ...rest] = events
    if (first === undefined) return progress
    this.#events.unshift(...rest)
    return first
  }
}
