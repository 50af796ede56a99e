import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { PeerPort } from './slot-host.ts'

/** A port between slots in threads of their own. */
export class ThreadPort implements PeerPort {
  readonly #port: MessagePort
  /** What the event loop delivered while nobody polled; older than what is still in the port. */
  #delivered: unknown[] = []
  #next = 0
  #onArrival: () => void = () => {}
  #closed = false

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (message: unknown) => {
      this.#delivered.push(message)
      this.#onArrival()
    })
    port.on('close', () => {
      this.#closed = true
    })
  }

  post(message: unknown, transfer: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer)
  }

  receive(): unknown {
    if (this.#next < this.#delivered.length) {
      const message = this.#delivered[this.#next++]
      if (this.#next === this.#delivered.length) {
        this.#delivered = []
        this.#next = 0
      }
      return message
    }
    // Node crashes on a port that is just being closed (SIGSEGV in 24.21); all that was sent has been delivered by then.
    return this.#closed ? undefined : receiveMessageOnPort(this.#port)?.message
  }

  onArrival(action: () => void): void {
    this.#onArrival = action
  }

  onClose(action: () => void): void {
    this.#port.on('close', action)
  }

  close(): void {
    this.#port.close()
  }
}
