import { errorData } from '../common/errors.ts'
import type { PeerPort, PortHandle, SlotHandle, SlotHost, SlotListener } from '../task/slot-host.ts'
import type { SlotStart, ToSlot } from '../task/slot-protocol.ts'
import type { JobBundles } from './job-bundles.ts'

/** Starts each slot when the bundle of its job is here; a job that names none has it already. */
export class BundledSlotHost implements SlotHost {
  readonly #inner: SlotHost
  readonly #bundles: JobBundles

  constructor(inner: SlotHost, bundles: JobBundles) {
    this.#inner = inner
    this.#bundles = bundles
  }

  start(start: SlotStart, listener: SlotListener): SlotHandle {
    const { bundleSha256 } = start.job
    if (bundleSha256 === undefined) return this.#inner.start(start, listener)
    return new AwaitedSlot({ inner: this.#inner, bundles: this.#bundles, sha256: bundleSha256 }, start, listener)
  }

  connect(): readonly [PortHandle, PortHandle] {
    return this.#inner.connect()
  }

  portOf(handle: PortHandle): PeerPort {
    return this.#inner.portOf(handle)
  }
}

interface AwaitedBundle {
  readonly inner: SlotHost
  readonly bundles: JobBundles
  readonly sha256: string
}

class AwaitedSlot implements SlotHandle {
  readonly #awaited: AwaitedBundle
  readonly #listener: SlotListener
  /** What was sent before the slot was there. */
  readonly #early: (readonly [ToSlot, readonly PortHandle[] | undefined])[] = []
  #slot: SlotHandle | undefined
  #ended = false

  constructor(awaited: AwaitedBundle, start: SlotStart, listener: SlotListener) {
    this.#awaited = awaited
    this.#listener = listener
    awaited.bundles.acquire(awaited.sha256).then(
      (bundleUrl) => this.#arrived({ ...start, job: { ...start.job, bundleUrl } }),
      (error: unknown) => this.#failed(error),
    )
  }

  send(message: ToSlot, ports?: readonly PortHandle[]): void {
    if (this.#slot === undefined) this.#early.push([message, ports])
    else this.#slot.send(message, ports)
  }

  terminate(): void {
    if (this.#slot === undefined) this.#exit({ type: 'stopped' })
    else this.#slot.terminate()
  }

  #arrived(start: SlotStart): void {
    if (this.#ended) return
    const { message } = this.#listener
    try {
      this.#slot = this.#awaited.inner.start(start, { message, exit: (cause) => this.#exit(cause) })
    } catch (error) {
      this.#failed(error)
      return
    }
    for (const [early, ports] of this.#early.splice(0)) this.#slot.send(early, ports)
  }

  #failed(error: unknown): void {
    if (this.#ended) return
    const data = errorData(error, 'MR_SLOT_LOST')
    this.#listener.message({ type: 'slotFailed', error: data })
    this.#exit({ type: 'died', code: 'MR_SLOT_LOST', reason: data.message })
  }

  #exit(cause: Parameters<SlotListener['exit']>[0]): void {
    if (this.#ended) return
    this.#ended = true
    this.#awaited.bundles.release(this.#awaited.sha256)
    this.#listener.exit(cause)
  }
}
