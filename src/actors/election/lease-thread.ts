import { Worker } from 'node:worker_threads'
import { messageOf } from '../../common/errors.ts'
import { workerUrl } from '../../common/worker-url.ts'
import type { FromLease, LeaseSettings } from '../../coordinator/election/lease.ts'
import type { RedisOptions } from '../../redis/redis-options.ts'
import type { LeaseMemory } from './lease-memory.ts'

export interface LeaseThreadData {
  readonly nodes: readonly RedisOptions[]
  readonly resource: string
  readonly settings: LeaseSettings
  readonly buffer: SharedArrayBuffer
}

export type ToLeaseThread =
  | { readonly type: 'acquire'; readonly attempt: number }
  | { readonly type: 'release' }
  | { readonly type: 'close' }

export interface LeaseListener {
  message(message: FromLease): void
  /** It ended by itself: another one is started. */
  ended(reason: string): void
}

/** The thread that holds and renews the lease, with connections of its own. One that dies is replaced; the lease it had ends. */
export class LeaseThread {
  readonly #data: Omit<LeaseThreadData, 'buffer'>
  readonly #memory: LeaseMemory
  readonly #listener: LeaseListener
  #worker: Worker
  #closing = false

  constructor(data: Omit<LeaseThreadData, 'buffer'>, memory: LeaseMemory, listener: LeaseListener) {
    this.#data = data
    this.#memory = memory
    this.#listener = listener
    this.#worker = this.#start()
  }

  send(message: ToLeaseThread): void {
    this.#worker.postMessage(message)
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve))
    this.send({ type: 'close' })
    await exited
  }

  #start(): Worker {
    const workerData: LeaseThreadData = { ...this.#data, buffer: this.#memory.buffer }
    const worker = new Worker(workerUrl('./lease-worker', import.meta.url), { name: 'lease', workerData })
    let reason = 'its thread ended'
    worker.on('message', (message: FromLease) => this.#listener.message(message))
    worker.on('error', (error: unknown) => {
      reason = `its thread failed: ${messageOf(error)}`
    })
    worker.once('exit', () => {
      if (this.#closing) return
      this.#memory.deadlineMs = 0
      this.#worker = this.#start()
      this.#listener.ended(reason)
    })
    return worker
  }
}
