import type { ErrorData } from '../../common/errors.ts'
import { type Decision, unchanged, unreachable } from '../decision.ts'

/** What a TaskManager is to the cluster. Plain data, changed by `decideMembership` alone. */
export interface TaskManagerMembership {
  /** `registering`: no leader has said Hello yet. `ended`: it has given up, or was released. */
  readonly phase: 'registering' | 'member' | 'leaving' | 'ended'
  /** TaskManagers whose data connections to this one broke. */
  readonly lostPeers: readonly string[]
  readonly heartbeatIntervalMs: number
}

export type MembershipMessage =
  /** From a leader: who is there, and what it has (R23 b). `round` comes back with the answer. */
  | { readonly type: 'hello'; readonly round: number }
  /** `demanded`: it is answered at once, else at the next interval. */
  | { readonly type: 'heartbeat'; readonly demanded: boolean }
  /** The leader has given this TaskManager up: its jobs go on elsewhere. */
  | { readonly type: 'declaredLost'; readonly reason: string }
  /** A TaskManager that wants to leave may go (R29). */
  | { readonly type: 'released' }
  /** Of this process: a data connection broke, or could not be had. */
  | { readonly type: 'peerLost'; readonly taskManager: string }
  /** Of this process: SIGTERM (R29). */
  | { readonly type: 'leave'; readonly graceMs: number }
  /** Of this process: messages may have been lost (R22). `inboxExists`: whether its stream is still there. */
  | { readonly type: 'interrupted'; readonly inboxExists: boolean }
  | { readonly type: 'membershipTimer'; readonly timer: MembershipTimer }

export type MembershipTimer = { readonly type: 'heartbeatDue' } | { readonly type: 'graceOver' }

export type MembershipEffect =
  | { readonly type: 'register' }
  | { readonly type: 'sendInventory'; readonly round: number }
  | { readonly type: 'sendHeartbeat' }
  | { readonly type: 'reportPeerLost'; readonly taskManager: string }
  | { readonly type: 'announceLeaving' }
  | { readonly type: 'reportMessagesLost' }
  /** Everything ends and the process exits, for its supervisor to start it anew under a new id. */
  | { readonly type: 'giveUp'; readonly error: ErrorData }
  /** The process may exit; `clean` false: the time was over before its slots were empty (R29). */
  | { readonly type: 'left'; readonly clean: boolean }
  | { readonly type: 'setMembershipTimer'; readonly timer: MembershipTimer; readonly delayMs: number }

/** A peer that lives only answers once more when a new leader asks it. */
const rememberedPeers = 100

type MembershipDecision = Decision<TaskManagerMembership, MembershipEffect>

export function joinCluster(heartbeatIntervalMs: number): MembershipDecision {
  const state: TaskManagerMembership = { phase: 'registering', lostPeers: [], heartbeatIntervalMs }
  return { state, effects: [{ type: 'register' }, nextHeartbeat(state)] }
}

/** One step. Without a leader a TaskManager goes on with what it has, for ever: its attempts run (R23). */
export function decideMembership(state: TaskManagerMembership, message: MembershipMessage): MembershipDecision {
  if (state.phase === 'ended') return unchanged(state)
  switch (message.type) {
    case 'hello':
      return greeted(state, message.round)
    case 'heartbeat':
      return message.demanded ? { state, effects: [{ type: 'sendHeartbeat' }] } : unchanged(state)
    case 'declaredLost':
      return giveUp(state, message.reason)
    case 'released':
      return state.phase === 'leaving' ? left(state, true) : unchanged(state)
    case 'peerLost':
      return peerLost(state, message.taskManager)
    case 'leave':
      return leave(state, message.graceMs)
    case 'interrupted':
      return interrupted(state, message.inboxExists)
    case 'membershipTimer':
      return message.timer.type === 'graceOver' ? left(state, false) : heartbeatDue(state)
    default:
      return unreachable(message)
  }
}

function greeted(state: TaskManagerMembership, round: number): MembershipDecision {
  const inventory = { type: 'sendInventory', round } as const
  if (state.phase === 'registering') return { state: { ...state, phase: 'member' }, effects: [inventory] }
  // A new leader does not know of it yet.
  if (state.phase === 'leaving') return { state, effects: [inventory, { type: 'announceLeaving' }] }
  return { state, effects: [inventory] }
}

function heartbeatDue(state: TaskManagerMembership): MembershipDecision {
  const { phase } = state
  const sent = { type: phase === 'registering' ? 'register' : 'sendHeartbeat' } as const
  return { state, effects: [sent, nextHeartbeat(state)] }
}

function nextHeartbeat({ heartbeatIntervalMs: delayMs }: TaskManagerMembership): MembershipEffect {
  return { type: 'setMembershipTimer', timer: { type: 'heartbeatDue' }, delayMs }
}

/** Told to the leader at once, and to each later one in the inventory: the one that was told may be dead. */
function peerLost(state: TaskManagerMembership, taskManager: string): MembershipDecision {
  const lostPeers = [...state.lostPeers.filter((peer) => peer !== taskManager), taskManager].slice(-rememberedPeers)
  return { state: { ...state, lostPeers }, effects: [{ type: 'reportPeerLost', taskManager }] }
}

/** R29. Who has not been greeted yet has nothing to hand over. */
function leave(state: TaskManagerMembership, graceMs: number): MembershipDecision {
  if (state.phase === 'registering') return left(state, true)
  if (state.phase === 'leaving') return unchanged(state)
  return {
    state: { ...state, phase: 'leaving' },
    effects: [
      { type: 'announceLeaving' },
      { type: 'setMembershipTimer', timer: { type: 'graceOver' }, delayMs: graceMs },
    ],
  }
}

/** A stream that is gone was deleted with this TaskManager, which was declared lost: it never comes back under its name (R22). */
function interrupted(state: TaskManagerMembership, inboxExists: boolean): MembershipDecision {
  if (!inboxExists) return giveUp(state, 'its inbox is gone')
  return state.phase === 'registering' ? unchanged(state) : { state, effects: [{ type: 'reportMessagesLost' }] }
}

function giveUp(state: TaskManagerMembership, reason: string): MembershipDecision {
  const message = `this TaskManager was declared lost: ${reason}; it ends all that it has and begins anew`
  const error: ErrorData = { code: 'MR_TASK_MANAGER_LOST', message }
  return { state: { ...state, phase: 'ended' }, effects: [{ type: 'giveUp', error }] }
}

function left(state: TaskManagerMembership, clean: boolean): MembershipDecision {
  return { state: { ...state, phase: 'ended' }, effects: [{ type: 'left', clean }] }
}
