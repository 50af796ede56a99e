import { type ErrorData, messageOf } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { Clock, Timer } from '../common/ports.ts'
import { unreachable } from '../coordinator/decision.ts'
import { stuckThread } from '../coordinator/task-manager/cancelling.ts'
import { decide } from '../coordinator/task-manager/decide.ts'
import {
  jobOf,
  newTaskManager,
  type SlotJob,
  type TaskManagerEffect,
  type TaskManagerState,
  type TaskManagerTimer,
} from '../coordinator/task-manager/state.ts'
import type { RemoteLinks } from '../network/remote-links.ts'
import type { PortHandle, SlotExit, SlotHandle, SlotHost } from '../task/slot-host.ts'
import type { FromSlot, SlotMemory } from '../task/slot-protocol.ts'
import { jobManagerReference, jobMasterReference, type TaskManagerInbox } from './addresses.ts'
import type { TaskManagerCluster } from './cluster-ports.ts'
import { KeyedTimers } from './keyed-timers.ts'
import type { Actor, ActorContext } from './runtime/actor.ts'
import { isMembershipMessage, TaskManagerMember } from './task-manager-member.ts'

export interface TaskManagerOptions {
  readonly clock: Clock
  readonly slotHost: SlotHost
  readonly numberOfTaskSlots: number
  readonly slotMemory: SlotMemory
  /** The way to slots of other TaskManagers. */
  readonly remoteLinks: RemoteLinks
  /** Where `remoteLinks` listens; empty where nobody dials. */
  readonly dataAddress: string
  /** Ends the process at once: a thread is stuck in native code (R32). */
  readonly killProcess: (error: ErrorData) => void
  /** undefined: the only leader there is lives in this process. */
  readonly cluster?: TaskManagerCluster
}

/** The shell of the slots of one process. */
export class TaskManager implements Actor<TaskManagerInbox> {
  readonly #context: ActorContext<TaskManagerInbox>
  readonly #options: TaskManagerOptions
  readonly #timers: KeyedTimers<TaskManagerTimer>
  readonly #handles = new Map<number, SlotHandle>()
  readonly #member: TaskManagerMember | undefined
  /** What waits for the last thread's exit. */
  #onLastExit: (() => void) | undefined
  #state: TaskManagerState

  constructor(context: ActorContext<TaskManagerInbox>, options: TaskManagerOptions) {
    this.#context = context
    this.#options = options
    this.#timers = new KeyedTimers((delayMs, timer) => context.schedule(delayMs, { type: 'timer', timer }))
    const { numberOfTaskSlots: numberOfSlots, dataAddress, cluster } = options
    this.#state = newTaskManager(numberOfSlots, cluster !== undefined)
    options.remoteLinks.onLost(({ taskManager, deployments, error, isPeerLost }) => {
      context.tell(context.self, { type: 'linksLost', deployments, error })
      if (isPeerLost) context.tell(context.self, { type: 'peerLost', taskManager })
    })
    if (cluster === undefined) {
      const registration = { taskManager: context.self.address, numberOfSlots, dataAddress, host: '', pid: 0 }
      context.tell(jobManagerReference, { type: 'registerTaskManager', ...registration })
    } else {
      const facts = { cluster, numberOfSlots, dataAddress, state: () => this.#state }
      this.#member = new TaskManagerMember(context, facts)
    }
  }

  receive(message: TaskManagerInbox): void {
    if (isMembershipMessage(message)) {
      this.#member?.receive(message)
      return
    }
    const { state, effects } = decide(this.#state, message)
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  /** R22. */
  interrupted(): void {
    void this.#member?.interrupted()
  }

  /** Ends every thread, and waits until they have gone; past the time limit the process has to go (R32). */
  async ended(): Promise<void> {
    this.#timers.cancelAll()
    this.#member?.end()
    if (this.#handles.size === 0) return
    const gone = new Promise<void>((resolve) => {
      this.#onLastExit = resolve
    })
    const limits = [...this.#handles.keys()].map((slotIndex) => this.#limitExit(slotIndex))
    for (const handle of [...this.#handles.values()]) handle.terminate()
    await gone
    for (const limit of limits) limit.cancel()
  }

  #limitExit(slotIndex: number): Timer {
    const delayMs = jobOf(this.#state.slots[slotIndex])?.cancellationTimeoutMs ?? 0
    return this.#options.clock.schedule(delayMs, () => {
      if (this.#handles.has(slotIndex)) this.#options.killProcess(stuckThread(slotIndex, delayMs))
    })
  }

  #perform(effect: TaskManagerEffect): void {
    switch (effect.type) {
      case 'startSlot':
        this.#startSlot(effect.slotIndex, effect.job)
        return
      case 'sendDeployment':
        this.#sendDeployment(effect)
        return
      case 'toSlot':
        this.#handles.get(effect.slotIndex)?.send(effect.message)
        return
      case 'terminateSlot':
        this.#handles.get(effect.slotIndex)?.terminate()
        return
      case 'killProcess':
        this.#options.killProcess(effect.error)
        return
      case 'report':
        this.#report(effect.jobId, effect.slotIndex, effect.message)
        return
      case 'slotFreed': {
        const slot = { taskManager: this.#context.self.address, slotIndex: effect.slotIndex }
        this.#context.tell(jobManagerReference, { type: 'slotFreed', slot, jobId: effect.jobId })
        return
      }
      case 'setTimer':
        this.#timers.set(effect.timer, effect.delayMs)
        return
      case 'cancelTimer':
        this.#timers.cancel(effect.timer)
        return
      default:
        unreachable(effect)
    }
  }

  #startSlot(slotIndex: number, job: SlotJob): void {
    const { slotHost, slotMemory: memory } = this.#options
    try {
      const handle = slotHost.start(
        { ...job.start, slotIndex, memory },
        {
          message: (message) => this.#context.tell(this.#context.self, { type: 'fromSlot', slotIndex, message }),
          exit: (cause) => this.#exited(slotIndex, cause),
        },
      )
      this.#handles.set(slotIndex, handle)
    } catch (error) {
      const reason = `it could not be started: ${messageOf(error)}`
      this.#exited(slotIndex, { type: 'died', code: 'MR_SLOT_LOST', reason })
    }
  }

  #exited(slotIndex: number, cause: SlotExit): void {
    this.#handles.delete(slotIndex)
    this.#context.tell(this.#context.self, { type: 'slotExited', slotIndex, cause })
    if (this.#handles.size === 0) this.#onLastExit?.()
  }

  #sendDeployment(deployment: Extract<TaskManagerEffect, { readonly type: 'sendDeployment' }>): void {
    const { deploymentId, connections, remoteConnections, slots } = deployment
    const { slotHost, remoteLinks } = this.#options
    const peers = new Map<number, { readonly jobSlot: number; readonly port: PortHandle }[]>()
    for (const { jobSlot } of slots) peers.set(jobSlot, [])
    for (const [lower, higher] of connections) {
      const [lowerPort, higherPort] = slotHost.connect()
      peers.get(lower)?.push({ jobSlot: higher, port: lowerPort })
      peers.get(higher)?.push({ jobSlot: lower, port: higherPort })
    }
    for (const { jobSlot, remote } of remoteConnections) {
      const [port, ours] = slotHost.connect()
      peers.get(jobSlot)?.push({ jobSlot: remote.jobSlot, port })
      const { jobSlot: remoteJobSlot, taskManager, dataAddress } = remote
      const link = { deploymentId, jobSlot, remoteJobSlot, taskManager, dataAddress }
      remoteLinks.connect(link, slotHost.portOf(ours))
    }
    for (const { slotIndex, jobSlot, subtasks } of slots) {
      const own = peers.get(jobSlot) ?? []
      const message = { type: 'deploy', jobSlot, subtasks, peers: own.map((peer) => peer.jobSlot) } as const
      this.#handles.get(slotIndex)?.send(
        message,
        own.map(({ port }) => port),
      )
    }
  }

  #report(jobId: JobId, slotIndex: number, message: FromSlot): void {
    const jobMaster = jobMasterReference(jobId)
    if (message.type === 'metrics') {
      const slot = `${this.#context.self.address}/${slotIndex}`
      this.#context.tell(jobMaster, { type: 'metrics', slot, report: message })
    } else if (message.type !== 'ready' && message.type !== 'slotFailed') {
      this.#context.tell(jobMaster, { type: 'attempt', event: message })
    }
  }
}
