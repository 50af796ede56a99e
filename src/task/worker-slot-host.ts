import type { Readable, Writable } from 'node:stream'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { errorCodes, isMillraceError, messageOf } from '../common/errors.ts'
import { workerUrl } from '../common/worker-url.ts'
import type { RedisOptions } from '../redis/redis-options.ts'
import type { PeerPort, PortHandle, SlotExit, SlotHandle, SlotHost, SlotListener } from './slot-host.ts'
import type { FromSlot, SlotStart, SlotThreadData, ToSlot } from './slot-protocol.ts'
import { ThreadPort } from './thread-port.ts'

/** What the main thread of a process sends to a slot's thread. */
export interface SlotMail {
  readonly message: ToSlot
  readonly ports: readonly MessagePort[]
}

/** Reaching V8's own limit mostly aborts the whole process, so it is far above the soft one (R31). */
const hardLimitFactor = 4
const hardLimitExtraMb = 512
/** Less than V8's own choice: three semi-spaces of 8 MB. Measured on w2: a quarter less memory at the same CPU time. */
const youngGenerationMb = 24

/** Runs each slot in a worker thread, whose module is the engine's `slot-worker`. */
export class WorkerSlotHost implements SlotHost {
  readonly #redis: RedisOptions | undefined

  /** `redis`: of state, where blobs of this process may be in one; each slot opens connections of its own. */
  constructor({ redis }: { readonly redis?: RedisOptions } = {}) {
    this.#redis = redis
  }

  start(start: SlotStart, listener: SlotListener): SlotHandle {
    return new WorkerSlot({ start, ...(this.#redis === undefined ? {} : { redis: this.#redis }) }, listener)
  }

  connect(): readonly [PortHandle, PortHandle] {
    const { port1, port2 } = new MessageChannel()
    return [port1, port2]
  }

  portOf(handle: PortHandle): PeerPort {
    return new ThreadPort(handle as MessagePort)
  }
}

class WorkerSlot implements SlotHandle {
  readonly #worker: Worker
  #terminated = false
  /** Why the thread is about to end, as far as it was told. */
  #cause: { readonly reason: string; readonly code: 'MR_SLOT_LOST' | 'MR_SLOT_OUT_OF_MEMORY' } | undefined

  constructor(data: SlotThreadData, listener: SlotListener) {
    shareOutput(1)
    const { start } = data
    const limitMb = Math.ceil(start.memory.heapLimitBytes / 1024 / 1024)
    this.#worker = new Worker(workerUrl('../slot-worker', import.meta.url), {
      name: `slot-${start.slotIndex}`,
      workerData: data,
      resourceLimits: {
        maxOldGenerationSizeMb: limitMb * hardLimitFactor + hardLimitExtraMb,
        maxYoungGenerationSizeMb: youngGenerationMb,
      },
    })
    this.#worker.on('message', (message: FromSlot) => {
      if (message.type === 'slotFailed') this.#failed(message.error.code, message.error.message)
      listener.message(message)
    })
    this.#worker.on('messageerror', (error: unknown) => this.#failed('MR_SLOT_LOST', messageOf(error)))
    this.#worker.on('error', (error: unknown) => this.#failed(codeOf(error), describe(error)))
    this.#worker.once('exit', (exitCode) => {
      // What the thread printed last may still be on its way through this one.
      void Promise.all([
        printed(this.#worker.stdout, process.stdout),
        printed(this.#worker.stderr, process.stderr),
      ]).then(() => {
        shareOutput(-1)
        listener.exit(this.#exit(exitCode))
      })
    })
  }

  send(message: ToSlot, ports: readonly PortHandle[] = []): void {
    const mail: SlotMail = { message, ports: ports as readonly MessagePort[] }
    this.#worker.postMessage(mail, mail.ports)
  }

  terminate(): void {
    this.#terminated = true
    this.#worker.terminate().catch((error: unknown) => this.#failed('MR_SLOT_LOST', messageOf(error)))
  }

  #failed(code: string, reason: string): void {
    const known = code === 'MR_SLOT_OUT_OF_MEMORY' || code === 'ERR_WORKER_OUT_OF_MEMORY'
    this.#cause ??= { reason, code: known ? 'MR_SLOT_OUT_OF_MEMORY' : 'MR_SLOT_LOST' }
  }

  #exit(exitCode: number): SlotExit {
    if (this.#cause !== undefined) return { type: 'died', ...this.#cause }
    if (this.#terminated) return { type: 'stopped' }
    return {
      type: 'died',
      reason: `the thread of the slot ended with exit code ${exitCode}: process.exit in a function of the job?`,
      code: 'MR_SLOT_LOST',
    }
  }
}

/** Each slot listens at the process's output, by the pipe of its thread and in `printed`: with many slots Node would warn of a leak. */
function shareOutput(slots: 1 | -1): void {
  for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(stream.getMaxListeners() + 2 * slots)
}

function codeOf(error: unknown): string {
  if (isMillraceError(error)) return error.code
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function describe(error: unknown): string {
  if (codeOf(error) === 'ERR_WORKER_OUT_OF_MEMORY') return errorCodes.MR_SLOT_OUT_OF_MEMORY.cause
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  return `uncaught in the thread of the slot: ${messageOf(error)}${stack === '' ? '' : `\n${stack}`}`
}

/** Resolves when a thread's output has been handed to the process's own; at once where that is closed. */
function printed(from: Readable, to: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (from.readableEnded || from.destroyed || to.destroyed) {
      resolve()
      return
    }
    const done = (): void => {
      // The process's own stream outlives any number of slots.
      for (const event of ['end', 'error', 'close']) from.off(event, done)
      for (const event of ['error', 'close']) to.off(event, done)
      resolve()
    }
    for (const event of ['end', 'error', 'close']) from.on(event, done)
    for (const event of ['error', 'close']) to.on(event, done)
  })
}
