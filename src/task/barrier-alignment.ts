import type { CheckpointBarrier } from '../state/checkpoint-record.ts'

/** The moment of a snapshot: every channel has delivered the barrier, or has ended. */
export interface Alignment {
  readonly barrier: CheckpointBarrier
  /** Between the first and the last barrier. */
  readonly alignmentMs: number
}

interface Begun {
  readonly barrier: CheckpointBarrier
  readonly startedAt: number
  readonly arrived: boolean[]
}

/**
 * Aligns the barriers of the input channels of a subtask. Whichever comes first, barrier or trigger, begins a checkpoint;
 * one that is over, aborted or overtaken by a higher one is never taken up again (R2, R42).
 */
export class BarrierAlignment {
  readonly #blocking: boolean
  readonly #ended: boolean[]
  #begun: Begun | undefined
  /** Highest id that was aligned, aborted or cancelled: up to it everything is ignored. */
  #settled = 0
  #trigger: CheckpointBarrier | undefined

  /** `blocking`: exactly-once. Without it records behind a barrier are processed before the snapshot (at-least-once). */
  constructor(channelCount: number, blocking: boolean) {
    this.#blocking = blocking
    this.#ended = new Array<boolean>(channelCount).fill(false)
  }

  get allEnded(): boolean {
    return !this.#ended.includes(false)
  }

  hasEnded(channel: number): boolean {
    return this.#ended[channel] as boolean
  }

  /** Nothing is to be read from a blocked channel. */
  isBlocked(channel: number): boolean {
    return this.#blocking && this.#begun !== undefined && (this.#begun.arrived[channel] as boolean)
  }

  /** A channel delivers a barrier; defined: it was the last one. */
  barrier(channel: number, barrier: CheckpointBarrier, now: number): Alignment | undefined {
    // A channel that has ended counts as aligned already; what it still sends must not begin or block anything (R12).
    if (this.#ended[channel] === true || barrier.id <= this.#settled) return undefined
    if (this.#begun !== undefined && barrier.id < this.#begun.barrier.id) return undefined
    if (this.#begun === undefined || barrier.id > this.#begun.barrier.id) {
      if (this.#begun !== undefined) this.#settled = this.#begun.barrier.id
      this.#begun = { barrier, startedAt: now, arrived: this.#ended.map(() => false) }
    }
    this.#begun.arrived[channel] = true
    return this.#completed(now)
  }

  /** A channel's input has ended: it counts as aligned. Defined: that completes the alignment. */
  channelEnded(channel: number, now: number): Alignment | undefined {
    this.#ended[channel] = true
    return this.#completed(now)
  }

  /** Remembered until all channels have ended; where any of them is alive, the barrier comes through it (R12, R42). */
  trigger(barrier: CheckpointBarrier): void {
    if (barrier.id > this.#settled && barrier.id > (this.#trigger?.id ?? 0)) this.#trigger = barrier
  }

  /** The remembered trigger, once, when all channels have ended. */
  takeTrigger(): Alignment | undefined {
    const barrier = this.#trigger
    if (barrier === undefined || !this.allEnded) return undefined
    this.#trigger = undefined
    if (barrier.id <= this.#settled) return undefined
    this.#settled = barrier.id
    return { barrier, alignmentMs: 0 }
  }

  /** The checkpoint is given up: its alignment ends, and its barriers and trigger are ignored from now on. */
  aborted(checkpointId: number): void {
    this.#settled = Math.max(this.#settled, checkpointId)
    if (this.#begun !== undefined && this.#begun.barrier.id <= checkpointId) this.#begun = undefined
  }

  #completed(now: number): Alignment | undefined {
    const begun = this.#begun
    if (begun === undefined) return undefined
    for (let channel = 0; channel < this.#ended.length; channel++) {
      if (begun.arrived[channel] === false && this.#ended[channel] === false) return undefined
    }
    this.#begun = undefined
    this.#settled = begun.barrier.id
    return { barrier: begun.barrier, alignmentMs: now - begun.startedAt }
  }
}
