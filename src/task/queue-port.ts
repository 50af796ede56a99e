import type { PeerPort } from './slot-host.ts'

/** Ports between slots of one thread. Buffers are transferred as between threads: what was sent can not be used again. */
export class QueuePort implements PeerPort {
  #peer: QueuePort | undefined
  readonly #arrived: unknown[] = []
  #onArrival: () => void = () => {}
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

  close(): void {
    this.#closed = true
  }
}
