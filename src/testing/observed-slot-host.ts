import type { JobId } from '../common/ids.ts'
import type { InlineSlotHost } from '../task/inline-slot-host.ts'
import type { PeerPort, PortHandle, SlotHandle, SlotHost, SlotListener } from '../task/slot-host.ts'
import type { FromSlot, SlotStart } from '../task/slot-protocol.ts'

/** Inline slots, seen from outside: which are there, and faults in what they say. */
export class ObservedSlotHost implements SlotHost {
  readonly #host: InlineSlotHost
  readonly #slots = new Map<number, JobId>()
  /** Jobs whose next part of a checkpoint is declined instead of acknowledged. */
  readonly #declining = new Set<JobId>()

  constructor(host: InlineSlotHost) {
    this.#host = host
  }

  start(start: SlotStart, listener: SlotListener): SlotHandle {
    const { slotIndex, jobId } = start
    this.#slots.set(slotIndex, jobId)
    return this.#host.start(start, {
      message: (message) => listener.message(this.#onItsWay(jobId, message)),
      exit: (exit) => {
        this.#slots.delete(slotIndex)
        listener.exit(exit)
      },
    })
  }

  connect(): readonly [PortHandle, PortHandle] {
    return this.#host.connect()
  }

  portOf(handle: PortHandle): PeerPort {
    return this.#host.portOf(handle)
  }

  /** Numbers of the slots that run a job, in order. */
  slotsOf(jobId: JobId): readonly number[] {
    return [...this.#slots].flatMap(([slotIndex, runs]) => (runs === jobId ? [slotIndex] : [])).sort((a, b) => a - b)
  }

  kill(slotIndex: number, reason: string): void {
    this.#host.kill(slotIndex, reason)
  }

  killAll(reason: string): void {
    for (const slotIndex of [...this.#slots.keys()]) this.kill(slotIndex, reason)
  }

  declineNext(jobId: JobId): void {
    this.#declining.add(jobId)
  }

  #onItsWay(jobId: JobId, message: FromSlot): FromSlot {
    if (message.type !== 'checkpointAcknowledged' || !this.#declining.delete(jobId)) return message
    const { attemptId, checkpointId } = message
    const error = { code: 'MR_CHECKPOINT_DECLINED', message: 'the test aborts it' } as const
    return { type: 'checkpointDeclined', attemptId, checkpointId, error }
  }
}
