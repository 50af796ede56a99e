import { type Decision, inSequence, unchanged, unreachable } from '../decision.ts'
import { giveInventories, gone, greet, inventoriesWanted, notAwaited, wantInventories } from './inventories.ts'
import { handOver, leaving, vacated } from './leaving.ts'
import {
  heardFrom,
  type ListedTaskManager,
  type Member,
  type Membership,
  type MembershipMessage,
  memberOf,
  withMember,
} from './membership.ts'
import { withInventory } from './rebuilt-slots.ts'
import { grantWaiting } from './slots.ts'
import type { JobManagerEffect, JobManagerMessage, JobManagerState } from './state.ts'

type JobManagerDecision = Decision<JobManagerState, JobManagerEffect>
type MessageOf<Type extends MembershipMessage['type']> = Extract<MembershipMessage, { readonly type: Type }>

/** A read waits at most a second for entries, so that a longer time between two was not spent listening (R26). */
const longestReadMs = 2000

/** The part of a JobManager's steps that knows TaskManagers of other processes. */
export function decideMembership(state: JobManagerState, message: MembershipMessage): JobManagerDecision {
  const { membership } = state
  if (membership === undefined) return unchanged(state)
  switch (message.type) {
    case 'lead':
      return lead(state, membership, message)
    case 'taskManagerListed':
      return listed(state, membership, message.listed)
    case 'tick':
      return tick(state, membership, message)
    case 'interrupted':
      return greet(state, message.taskManager === undefined ? undefined : [message.taskManager]).decision
    case 'inventoriesWanted':
      return inventoriesWanted(state, message)
    case 'connectionRefused':
      return lostIfMember(state, message.taskManager, 'nothing listens on its data address any more')
    case 'peerLost':
      return inSequence(heard(state, message.by), [(current) => probe(current, message.taskManager)])
    case 'probeDue':
      return probeDue(state, membership, message)
    case 'vacated':
      return vacated(state, message)
    case 'tokenRefused':
      return { state: heard(state, message.taskManager), effects: [{ type: 'superseded', highest: message.highest }] }
    default:
      return fromMember(state, membership, message)
  }
}

/** From a TaskManager that was greeted. One that is no member was declared lost, maybe while it was paused: it has to know (R22). */
function fromMember(
  state: JobManagerState,
  membership: Membership,
  message: MessageOf<'inventory' | 'heartbeat' | 'leaving' | 'messagesLost'>,
): JobManagerDecision {
  const { taskManager } = message
  const member = memberOf(membership, taskManager)
  if (member === undefined) {
    return { state, effects: [{ type: 'declareLost', taskManager, reason: 'it was not heard from' }] }
  }
  const next = { ...state, membership: heardFrom(membership, member) }
  switch (message.type) {
    case 'inventory':
      return inventory(next, member, message)
    case 'heartbeat':
      return { state: next, effects: [{ type: 'trim', taskManager, lowestKept: message.handled }] }
    case 'leaving':
      return leaving(next, taskManager)
    case 'messagesLost':
      return messagesLost(next, taskManager)
    default:
      return unreachable(message)
  }
}

/** R23: everything that the durable store knows is asked what it has; jobs wait for the answers. */
function lead(state: JobManagerState, membership: Membership, message: MessageOf<'lead'>): JobManagerDecision {
  const running = message.jobs.filter((job) => job.running)
  const members = message.taskManagers.map((entry) => newMember(entry, membership))
  const next: JobManagerState = {
    ...state,
    jobs: message.jobs.map(({ jobId, requestId, running: runs }) => ({ jobId, requestId, running: runs })),
    membership: {
      ...membership,
      members,
      held: running.flatMap(({ jobId, held }) => held.map((slot) => ({ jobId, slot }))),
    },
  }
  const adopted = running.map(({ jobId }) => ({ type: 'adoptJob', jobId }) as const)
  const tried = members.map((member) => tryConnection(member))
  return inSequence(next, [
    (current) => ({ state: current, effects: adopted }),
    (current) =>
      wantInventories(
        current,
        running.map(({ jobId }) => ({ jobId, request: 0 })),
      ),
    (current) => ({ state: current, effects: tried }),
  ])
}

function newMember(entry: ListedTaskManager, membership: Membership): Member {
  const { listenedMs: heardAtMs, round: greeted } = membership
  return { listed: entry, heardAtMs, greeted, answered: undefined, probe: undefined, leaving: undefined }
}

/** A TaskManager says so until it gets its Hello; that comes when its entry is durable. */
export function registered(
  state: JobManagerState,
  message: Extract<JobManagerMessage, { readonly type: 'registerTaskManager' }>,
): JobManagerDecision {
  const { membership } = state
  if (membership === undefined) return unchanged(state)
  const { type, ...entry } = message
  const { taskManager } = entry
  if (membership.lost.includes(taskManager)) {
    return { state, effects: [{ type: 'declareLost', taskManager, reason: 'it was not heard from' }] }
  }
  if (memberOf(membership, taskManager) === undefined) {
    return { state, effects: [{ type: 'listTaskManager', listed: entry }] }
  }
  return greet(heard(state, taskManager), [taskManager]).decision
}

function listed(state: JobManagerState, membership: Membership, entry: ListedTaskManager): JobManagerDecision {
  const { taskManager } = entry
  if (memberOf(membership, taskManager) !== undefined || membership.lost.includes(taskManager)) return unchanged(state)
  const members = [...membership.members, newMember(entry, membership)]
  const { decision } = greet({ ...state, membership: { ...membership, members } }, [taskManager])
  const { host, pid, numberOfSlots } = entry
  const text = `the ${taskManager} on ${host} (process ${pid}) has joined with ${numberOfSlots} slots`
  return { state: decision.state, effects: [...decision.effects, { type: 'log', level: 'info', text }] }
}

function inventory(
  state: JobManagerState,
  member: Member,
  { taskManager, round, inventory: told }: MessageOf<'inventory'>,
): JobManagerDecision {
  if (state.membership === undefined || (member.answered?.round ?? 0) > round) return unchanged(state)
  const answered = { round, inventory: told }
  const current = memberOf(state.membership, taskManager) ?? member
  const membership = notAwaited(withMember(state.membership, { ...current, answered }), taskManager, round)
  return inSequence({ ...state, membership }, [
    (next) => withInventory(next, member.listed, told),
    giveInventories,
    grantWaiting,
    handOver,
    ...(told.lostPeers ?? []).map((peer) => (next: JobManagerState) => probe(next, peer)),
  ])
}

function messagesLost(state: JobManagerState, taskManager: string): JobManagerDecision {
  const jobs = new Set(
    state.slots.flatMap(({ address, jobId, releasing }) =>
      address.taskManager === taskManager && jobId !== undefined && !releasing ? [jobId] : [],
    ),
  )
  const { decision } = greet(state, [taskManager])
  return {
    state: decision.state,
    effects: [...decision.effects, ...[...jobs].map((jobId) => ({ type: 'adoptAgain', jobId }) as const)],
  }
}

function heard(state: JobManagerState, taskManager: string): JobManagerState {
  const { membership } = state
  const member = membership === undefined ? undefined : memberOf(membership, taskManager)
  if (membership === undefined || member === undefined) return state
  return { ...state, membership: heardFrom(membership, member) }
}

// ---- who lives ----

function tick(state: JobManagerState, membership: Membership, { readAtMs }: MessageOf<'tick'>): JobManagerDecision {
  const passedMs = Math.min(Math.max(0, readAtMs - (membership.readAtMs ?? readAtMs)), longestReadMs)
  const listenedMs = membership.listenedMs + passedMs
  const next: JobManagerState = { ...state, membership: { ...membership, listenedMs, readAtMs } }
  return inSequence(
    next,
    membership.members.map((member) => (current) => tickOf(current, member, listenedMs - member.heardAtMs)),
  )
}

function tickOf(state: JobManagerState, member: Member, silentMs: number): JobManagerDecision {
  const { membership } = state
  if (membership === undefined) return unchanged(state)
  const { heartbeatIntervalMs, heartbeatTimeoutMs } = membership.timeouts
  const { taskManager } = member.listed
  if (silentMs > heartbeatTimeoutMs) {
    return lost(state, taskManager, `it was not heard from for ${heartbeatTimeoutMs} ms (heartbeat.timeout)`)
  }
  const demanded = silentMs > 2 * heartbeatIntervalMs
  const unanswered = (member.answered?.round ?? -1) < member.greeted
  const sent = unanswered
    ? ({ type: 'hello', taskManager, round: member.greeted } as const)
    : ({ type: 'heartbeat', taskManager, demanded } as const)
  return { state, effects: demanded ? [sent, tryConnection(member)] : [sent] }
}

function tryConnection({ listed: { taskManager, dataAddress } }: Member): JobManagerEffect {
  return { type: 'tryConnection', taskManager, dataAddress }
}

/** A data connection to it broke: either that connection is bad, or the process is dead, which has to be known soon. */
function probe(state: JobManagerState, taskManager: string): JobManagerDecision {
  const { membership } = state
  const member = membership === undefined ? undefined : memberOf(membership, taskManager)
  if (membership === undefined || member === undefined || member.probe !== undefined) return unchanged(state)
  const number = membership.probes + 1
  const { probeMs: delayMs } = membership.timeouts
  return {
    state: { ...state, membership: { ...withMember(membership, { ...member, probe: number }), probes: number } },
    effects: [
      { type: 'heartbeat', taskManager, demanded: true },
      tryConnection(member),
      { type: 'setProbeTimer', taskManager, number, delayMs },
    ],
  }
}

function probeDue(
  state: JobManagerState,
  membership: Membership,
  { taskManager, number, late }: MessageOf<'probeDue'>,
): JobManagerDecision {
  const member = memberOf(membership, taskManager)
  if (member?.probe !== number) return unchanged(state)
  if (late) {
    const again = withMember(membership, { ...member, probe: undefined })
    return probe({ ...state, membership: again }, taskManager)
  }
  const { probeMs } = membership.timeouts
  return lost(state, taskManager, `a data connection to it broke, and it did not answer within ${probeMs} ms`)
}

function lostIfMember(state: JobManagerState, taskManager: string, reason: string): JobManagerDecision {
  const { membership } = state
  if (membership === undefined || memberOf(membership, taskManager) === undefined) return unchanged(state)
  return lost(state, taskManager, reason)
}

/** For good: it is told, if it can still hear, and its entry and stream go (R22). */
function lost(state: JobManagerState, taskManager: string, reason: string): JobManagerDecision {
  return inSequence(state, [
    () => ({
      state,
      effects: [
        { type: 'log', level: 'warn', text: `the ${taskManager} is lost: ${reason}` },
        { type: 'declareLost', taskManager, reason },
      ],
    }),
    (current) => gone(current, taskManager),
  ])
}
