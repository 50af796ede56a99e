import { unreachable } from '../coordinator/decision.ts'
import {
  decideMembership,
  joinCluster,
  type MembershipEffect,
  type MembershipMessage,
  type TaskManagerMembership,
} from '../coordinator/task-manager/membership.ts'
import { inventoryOf } from '../coordinator/task-manager/progress.ts'
import type { TaskManagerState } from '../coordinator/task-manager/state.ts'
import { jobManagerReference, type TaskManagerInbox } from './addresses.ts'
import type { TaskManagerCluster } from './cluster-ports.ts'
import type { ActorContext } from './runtime/actor.ts'

export interface MemberFacts {
  readonly cluster: TaskManagerCluster
  readonly numberOfSlots: number
  readonly dataAddress: string
  state(): TaskManagerState
}

/** What a TaskManager and the leader tell each other beside jobs: registration, heartbeats, inventories. */
export class TaskManagerMember {
  readonly #context: ActorContext<TaskManagerInbox>
  readonly #facts: MemberFacts
  #state: TaskManagerMembership
  #ended = false

  constructor(context: ActorContext<TaskManagerInbox>, facts: MemberFacts) {
    this.#context = context
    this.#facts = facts
    const { state, effects } = joinCluster(facts.cluster.heartbeatIntervalMs)
    this.#state = state
    for (const effect of effects) this.#perform(effect)
    facts.cluster.obeyed.onRefused = () => this.#tellHighest()
  }

  receive(message: MembershipMessage): void {
    const { state, effects } = decideMembership(this.#state, message)
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  /** Messages may have been lost (R22): whether it was declared lost meanwhile is seen from its stream. */
  async interrupted(): Promise<void> {
    try {
      const inboxExists = await this.#facts.cluster.inboxExists()
      if (!this.#ended) this.#context.tell(this.#context.self, { type: 'interrupted', inboxExists })
    } catch {
      // The store can not be asked: the transport interrupts again when it can be read.
    }
  }

  end(): void {
    this.#ended = true
    this.#facts.cluster.obeyed.onRefused = () => {}
  }

  /** I4: an old leader learns that there is a newer one; where the same epoch was given twice, one of them claims again. */
  #tellHighest(): void {
    const { token } = this.#facts.cluster.obeyed
    if (token === undefined || this.#ended) return
    const taskManager = this.#context.self.address
    this.#context.tell(jobManagerReference, { type: 'tokenRefused', taskManager, highest: token })
  }

  #perform(effect: MembershipEffect): void {
    const { cluster, numberOfSlots, dataAddress } = this.#facts
    const taskManager = this.#context.self.address
    switch (effect.type) {
      case 'register': {
        const { host, pid } = cluster
        const registration = { taskManager, numberOfSlots, dataAddress, host, pid }
        this.#context.tell(jobManagerReference, { type: 'registerTaskManager', ...registration })
        return
      }
      case 'sendInventory':
        this.#sendInventory(effect.round)
        return
      case 'sendHeartbeat':
        this.#context.tell(jobManagerReference, { type: 'heartbeat', taskManager, handled: cluster.position() })
        return
      case 'reportPeerLost':
        this.#context.tell(jobManagerReference, { type: 'peerLost', taskManager: effect.taskManager, by: taskManager })
        return
      case 'announceLeaving':
        this.#context.tell(jobManagerReference, { type: 'leaving', taskManager })
        return
      case 'reportMessagesLost':
        this.#context.tell(jobManagerReference, { type: 'messagesLost', taskManager })
        return
      case 'giveUp':
        cluster.giveUp(effect.error)
        return
      case 'left':
        cluster.left(effect.clean)
        return
      case 'setMembershipTimer':
        this.#context.schedule(effect.delayMs, { type: 'membershipTimer', timer: effect.timer })
        return
      default:
        unreachable(effect)
    }
  }

  /** Made now: everything that was told before the Hello is handled. */
  #sendInventory(round: number): void {
    const taskManager = this.#context.self.address
    const { obeyed } = this.#facts.cluster
    const inventory = inventoryOf(this.#facts.state(), {
      taskManager,
      highestToken: obeyed.token,
      lostPeers: this.#state.lostPeers,
    })
    this.#context.tell(jobManagerReference, { type: 'inventory', taskManager, round, inventory })
  }
}

const membershipTypes: ReadonlySet<string> = new Set<MembershipMessage['type']>([
  'hello',
  'heartbeat',
  'declaredLost',
  'released',
  'peerLost',
  'leave',
  'interrupted',
  'membershipTimer',
])

export function isMembershipMessage(message: TaskManagerInbox): message is MembershipMessage {
  return membershipTypes.has(message.type)
}
