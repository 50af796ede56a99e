import { errorData, MillraceError } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import { batchCodecOf } from '../formats/batch-codec.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { BlobStore } from '../state/blob-store.ts'
import { checkedGraph } from './checked-graph.ts'
import { QueuePort } from './queue-port.ts'
import { Slot } from './slot.ts'
import type { PeerPort, PortHandle, SlotHandle, SlotHost, SlotListener } from './slot-host.ts'
import type { BlobStoreReference, SlotStart, ToSlot } from './slot-protocol.ts'

export interface InlineSlotHostOptions {
  readonly clock: Clock
  /** Gives the test, or the event loop, its turn. */
  turn(): Promise<void>
  /** The job, built anew for each slot and deployment, so that functions of the builder belong to one attempt. */
  graphOf(start: SlotStart): JobGraph
  blobStoreOf(reference: BlobStoreReference): BlobStore
  warn(message: string): void
  /** What a slot takes for its used heap; left out: no limit. */
  readonly heapUsedBytes?: () => number
  /** After so many passes a slot gives the others their turn; see SlotOptions. */
  readonly passesPerSlice?: number
}

/** Runs slots in the caller's own thread, by the same code as in threads: for tests with closures and virtual time. */
export class InlineSlotHost implements SlotHost {
  readonly #options: InlineSlotHostOptions
  readonly #slots = new Map<number, InlineSlot>()

  constructor(options: InlineSlotHostOptions) {
    this.#options = options
  }

  start(start: SlotStart, listener: SlotListener): SlotHandle {
    const slot = new InlineSlot(start, listener, this.#options)
    this.#slots.set(start.slotIndex, slot)
    return slot
  }

  connect(): readonly [PortHandle, PortHandle] {
    return QueuePort.pair()
  }

  portOf(handle: PortHandle): PeerPort {
    return handle as PeerPort
  }

  /** As if the slot's thread had died: for tests of what follows. */
  kill(slotIndex: number, reason: string): void {
    this.#slots.get(slotIndex)?.die(reason)
  }
}

class InlineSlot implements SlotHandle {
  readonly #listener: SlotListener
  #slot: Slot | undefined
  #ended = false

  constructor(start: SlotStart, listener: SlotListener, options: InlineSlotHostOptions) {
    this.#listener = listener
    options
      .turn()
      .then(() => this.#run(start, options))
      .catch((error: unknown) => this.die(String(error)))
  }

  send(message: ToSlot, ports: readonly PortHandle[] = []): void {
    if (this.#slot === undefined) throw new MillraceError('MR_INTERNAL', 'a slot got mail before it was ready')
    this.#slot.receive(message, ports as readonly PeerPort[])
  }

  terminate(): void {
    this.#end(() => this.#listener.exit({ type: 'stopped' }))
  }

  die(reason: string): void {
    this.#end(() => this.#listener.exit({ type: 'died', reason, code: 'MR_SLOT_LOST' }))
  }

  async #run(start: SlotStart, options: InlineSlotHostOptions): Promise<void> {
    if (this.#ended) return
    try {
      checkedGraph(options.graphOf(start), start)
      this.#slot = this.#createSlot(start, options)
    } catch (error) {
      const data = errorData(error, 'MR_JOB_DEFINITION')
      this.#listener.message({ type: 'slotFailed', error: data })
      this.die(data.message)
      return
    }
    this.#listener.message({ type: 'ready' })
    await this.#slot.run()
  }

  #createSlot(start: SlotStart, options: InlineSlotHostOptions): Slot {
    return new Slot({
      slotIndex: start.slotIndex,
      jobId: start.jobId,
      buildGraph: () => checkedGraph(options.graphOf(start), start),
      memory: start.memory,
      blobStore: start.blobStore,
      clock: options.clock,
      heap: { usedBytes: options.heapUsedBytes ?? (() => 0), collectGarbage: undefined },
      turn: () => options.turn(),
      ...(options.passesPerSlice === undefined ? {} : { passesPerSlice: options.passesPerSlice }),
      blobStoreOf: (reference) => options.blobStoreOf(reference),
      codecOf: batchCodecOf,
      send: (message) => {
        if (this.#ended) return
        this.#listener.message(message)
        if (message.type === 'slotFailed') this.#endByFailure(message.error.code, message.error.message)
      },
      warn: (message) => options.warn(message),
    })
  }

  #endByFailure(code: string, reason: string): void {
    const exitCode = code === 'MR_SLOT_OUT_OF_MEMORY' ? code : 'MR_SLOT_LOST'
    this.#end(() => this.#listener.exit({ type: 'died', reason, code: exitCode }))
  }

  #end(exit: () => void): void {
    if (this.#ended) return
    this.#ended = true
    const slot = this.#slot
    slot?.stop()
    // What a thread's end would close is closed here; only then is the slot gone.
    Promise.resolve(slot?.release()).then(exit, exit)
  }
}
