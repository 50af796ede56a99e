import type { PeerPort } from './slot-host.ts'

/** Ports between slots of one thread. Buffers are transferred as between threads: what was sent can not be used again. */
export class QueuePort implements PeerPort {
  #peer: QueuePort | undefined
  readonly #arrived: unknown[] = []
  #onArrival: () => void = () => {}
  #onClose: () => void = () => {}
  #closed = false

  static pair(): readonly [QueuePort, QueuePort] {
    const left = new QueuePort()
    const right = new QueuePort()
    left.#join(right)
    right.#join(left)
    return [left, right]
  }

  #join(peer: QueuePort): void {
    this.#peer = peer
  }

  get isClosed(): boolean {
    return this.#closed
  }

  post(message: unknown, transfer: readonly ArrayBuffer[] = []): void {
    const peer = this.#peer
    if (this.#closed || peer === undefined || peer.#closed) return
    // Most messages are one buffer; moving it costs nothing.
    const sent =
      message instanceof ArrayBuffer ? message.transfer() : structuredClone(message, { transfer: [...transfer] })
    peer.#arrived.push(sent)
    peer.#onArrival()
  }

  receive(): unknown {
    return this.#arrived.shift()
  }

  onArrival(action: () => void): void {
    this.#onArrival = action
    if (this.#arrived.length > 0) action()
  }

  onClose(action: () => void): void {
    this.#onClose = action
    const peer = this.#peer
    if (peer?.isClosed === true) action()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    const peer = this.#peer
    if (peer !== undefined) peer.#onClose()
  }
}
