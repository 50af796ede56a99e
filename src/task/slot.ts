import { errorData, MillraceError } from '../common/errors.ts'
import type { AttemptId, JobId } from '../common/ids.ts'
import type { Clock, Timer } from '../common/ports.ts'
import type { DataType } from '../formats/data-type.ts'
import type { BatchCodec } from '../formats/format.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { BlobStore } from '../state/blob-store.ts'
import { ManagedMemory } from '../state/managed-memory.ts'
import { Deployment } from './deployment.ts'
import { HeapLimit, type HeapPorts } from './heap-limit.ts'
import type { PeerPort } from './slot-host.ts'
import type { BlobStoreReference, FromSlot, SlotMemory, ToSlot } from './slot-protocol.ts'
import type { Subtask } from './subtask.ts'
import type { SubtaskServices } from './subtask-services.ts'

/** The loop yields after this long, so that sockets and messages of the thread get their turn. */
const sliceMs = 3
/** The same where the clock stands still (virtual time), and for steps that cost next to nothing. */
const defaultPassesPerSlice = 256
const metricsIntervalMs = 1000

export interface SlotOptions {
  readonly slotIndex: number
  readonly jobId: JobId
  readonly memory: SlotMemory
  readonly blobStore: BlobStoreReference
  readonly clock: Clock
  readonly heap: HeapPorts
  /** The job's graph, built anew: functions may hold state, which must not outlive a deployment. */
  buildGraph(): JobGraph
  /** Gives the event loop a turn. */
  turn(): Promise<void>
  /** Default 256; tests take few, so that slots interleave in many ways. */
  readonly passesPerSlice?: number
  blobStoreOf(reference: BlobStoreReference): BlobStore
  codecOf(type: DataType<unknown>): BatchCodec
  send(message: FromSlot): void
  warn(message: string): void
}

interface Mail {
  readonly message: ToSlot
  readonly ports: readonly PeerPort[]
}

/**
 * The mailbox loop of one task slot: mail, then one batch of each subtask in turn, in slices of a few milliseconds.
 * Nothing in it waits but between slices; asynchronous work wakes it when it is done.
 */
export class Slot {
  readonly #options: SlotOptions
  readonly #services: Omit<SubtaskServices, 'graph'>
  readonly #memory: ManagedMemory
  readonly #heapLimit: HeapLimit
  #deployments: Deployment[] = []
  /** Of all deployments. */
  #subtasks: readonly Subtask[] = []
  readonly #mail: Mail[] = []
  #stopped = false
  #awake = false
  #resume: (() => void) | undefined
  #nextMetricsAt: number

  constructor(options: SlotOptions) {
    const { jobId, clock, memory } = options
    this.#options = options
    this.#memory = new ManagedMemory(memory.managedBytes)
    this.#heapLimit = new HeapLimit(memory.heapLimitBytes, options.heap, clock)
    this.#nextMetricsAt = clock.monotonicMs() + metricsIntervalMs
    this.#services = {
      jobId,
      clock,
      memory: this.#memory,
      blobStore: options.blobStoreOf(options.blobStore),
      blobStoreOf: (reference) => options.blobStoreOf(reference),
      send: (message) => this.#send(message),
      wake: () => this.wake(),
      warn: (message) => options.warn(message),
    }
  }

  /** `ports`: for a `deploy`, in the order of its peers. Handled by the loop, in order. */
  receive(message: ToSlot, ports: readonly PeerPort[] = []): void {
    this.#mail.push({ message, ports })
    this.wake()
  }

  wake(): void {
    this.#awake = true
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }

  /** The loop ends after the step that it is in, and nothing is told any more; nothing is closed. */
  stop(): void {
    this.#stopped = true
    this.wake()
  }

  /** Closes what the subtasks hold, after `stop`: for hosts where no thread's end does it. */
  async release(): Promise<void> {
    await Promise.allSettled(this.#subtasks.map((subtask) => subtask.cancel()))
  }

  /** Runs until `stop`, or until the slot can not go on, which it has told then. */
  async run(): Promise<void> {
    try {
      while (!this.#stopped) {
        if (this.#slice()) await this.#options.turn()
        else await this.#sleep()
      }
    } catch (error) {
      this.#stopped = true
      this.#options.send({ type: 'slotFailed', error: errorData(error) })
    }
  }

  /** False: there was nothing left to do. */
  #slice(): boolean {
    const { clock, passesPerSlice = defaultPassesPerSlice } = this.#options
    const deadline = clock.monotonicMs() + sliceMs
    let worked = true
    let now = 0
    for (let pass = 0; worked && !this.#stopped && pass < passesPerSlice; pass++) {
      this.#awake = false
      worked = this.#pass()
      now = clock.monotonicMs()
      if (now >= deadline) break
    }
    for (const subtask of this.#subtasks) subtask.afterSlice(now)
    if (now >= this.#nextMetricsAt) this.#sendMetrics(now)
    return worked
  }

  #pass(): boolean {
    let worked = false
    for (let mail = this.#mail.shift(); mail !== undefined; mail = this.#mail.shift()) {
      this.#handle(mail)
      worked = true
    }
    for (const deployment of this.#deployments) if (deployment.poll()) worked = true
    for (const subtask of this.#subtasks) {
      if (!subtask.step()) continue
      worked = true
      this.#heapLimit.check()
    }
    return worked
  }

  /** Until something wakes it or the next deadline comes. */
  async #sleep(): Promise<void> {
    if (this.#stopped) return
    // Woken in the slice itself: still a whole turn, or something that wakes in each pass would starve the event loop.
    if (this.#awake) return this.#options.turn()
    const { clock } = this.#options
    let timer: Timer | undefined
    await new Promise<void>((resolve) => {
      this.#resume = resolve
      const delayMs = this.#nextDeadline() - clock.monotonicMs()
      if (delayMs !== Number.POSITIVE_INFINITY) timer = clock.schedule(Math.max(0, delayMs), () => this.wake())
    })
    timer?.cancel()
  }

  #nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY
    for (const subtask of this.#subtasks) next = Math.min(next, subtask.nextDeadline())
    return this.#subtasks.length === 0 ? next : Math.min(next, this.#nextMetricsAt)
  }

  // ---- mail ----

  #handle({ message, ports }: Mail): void {
    switch (message.type) {
      case 'deploy':
        this.#deploy(message, ports)
        break
      case 'triggerCheckpoint':
        for (const subtask of this.#subtasks) subtask.trigger(message.barrier)
        break
      case 'checkpointCompleted':
        for (const subtask of this.#subtasks) subtask.checkpointCompleted(message.checkpointId)
        break
      case 'checkpointAborted':
        for (const subtask of this.#subtasks) subtask.checkpointAborted(message.checkpointId)
        break
      case 'addSplits':
        this.#subtask(message.attemptId)?.addSplits(message.splits)
        break
      case 'transactionalIdsGranted':
        this.#subtask(message.attemptId)?.transactionalIdsGranted(message.mark)
        break
      case 'fenceTransactions':
        this.#subtask(message.attemptId)?.fenceTransactions(
          message.operatorUid,
          message.fence,
          message.transactionalIds,
        )
        break
      case 'checkpointsEnded':
        for (const subtask of this.#subtasks) subtask.checkpointsEnded(message.newest)
        break
      case 'drain':
        for (const subtask of this.#subtasks) subtask.drain()
        break
      case 'cancel':
        for (const attemptId of message.attemptIds) this.#cancel(attemptId)
        break
      default: {
        const never: never = message
        throw new MillraceError('MR_INTERNAL', `unknown message ${JSON.stringify(never)}`)
      }
    }
  }

  #deploy(message: ToSlot & { readonly type: 'deploy' }, ports: readonly PeerPort[]): void {
    const { codecOf } = this.#options
    const graph = this.#options.buildGraph()
    // A region is deployed again when all its attempts are gone.
    this.#deployments = this.#deployments.filter((earlier) => !earlier.closeIfReplacedBy(message.subtasks))
    const deployment = new Deployment({
      jobSlot: message.jobSlot,
      graph,
      subtasks: message.subtasks,
      ports: new Map(message.peers.map((peer, index) => [peer, ports[index] as PeerPort])),
      codecOf,
      services: { ...this.#services, graph },
    })
    this.#deployments.push(deployment)
    this.#subtasks = [...this.#subtasks, ...deployment.subtasks]
    for (const subtask of deployment.subtasks) subtask.start()
  }

  #subtask(attemptId: AttemptId): Subtask | undefined {
    return this.#subtasks.find((subtask) => subtask.attemptId === attemptId)
  }

  /** An attempt that is not here any more is canceled already. */
  #cancel(attemptId: AttemptId): void {
    const subtask = this.#subtask(attemptId)
    if (subtask === undefined) {
      this.#options.send({ type: 'canceled', attemptId })
      return
    }
    subtask.cancel().catch((error: unknown) => this.#options.warn(`cancelling ${attemptId}: ${String(error)}`))
  }

  // ---- reports ----

  #send(message: FromSlot): void {
    if (this.#stopped) return
    switch (message.type) {
      case 'finished':
      case 'canceled':
        this.#reportLast(message.attemptId)
        this.#options.send(message)
        this.#forget(message.attemptId)
        break
      case 'failed':
        this.#reportLast(message.attemptId)
        this.#options.send(message)
        break
      default:
        this.#options.send(message)
    }
  }

  /** The last counts of an attempt come before its end. */
  #reportLast(attemptId: AttemptId): void {
    const subtask = this.#subtask(attemptId)
    if (subtask !== undefined) this.#report([subtask])
  }

  #sendMetrics(now: number): void {
    this.#nextMetricsAt = now + metricsIntervalMs
    const live = this.#subtasks.filter((subtask) => subtask.live)
    if (live.length > 0) this.#report(live)
  }

  #report(subtasks: readonly Subtask[]): void {
    this.#options.send({
      type: 'metrics',
      subtasks: subtasks.map((subtask) => subtask.metrics()),
      heapUsedBytes: this.#options.heap.usedBytes(),
      managedUsedBytes: this.#memory.usedBytes,
    })
  }

  /** A subtask that has been told to be gone: nothing holds its state any more. */
  #forget(attemptId: AttemptId): void {
    this.#subtasks = this.#subtasks.filter((subtask) => subtask.attemptId !== attemptId)
    this.#deployments = this.#deployments.filter((deployment) => !deployment.forget(attemptId))
  }
}
