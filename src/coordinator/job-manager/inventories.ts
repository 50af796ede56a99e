import { type Decision, inSequence, unchanged } from '../decision.ts'
import type { Adoption, Membership, MembershipMessage } from './membership.ts'
import { grantWaiting, isSame, slotsLost } from './slots.ts'
import type { JobManagerEffect, JobManagerState } from './state.ts'

type JobManagerDecision = Decision<JobManagerState, JobManagerEffect>

/** Says Hello under a new round to these members, or to all. */
export function greet(
  state: JobManagerState,
  taskManagers?: readonly string[],
): { readonly decision: JobManagerDecision; readonly round: number; readonly greeted: readonly string[] } {
  const { membership } = state
  if (membership === undefined) return { decision: unchanged(state), round: 0, greeted: [] }
  const round = membership.round + 1
  const greeted: string[] = []
  const members = membership.members.map((member) => {
    const { taskManager } = member.listed
    if (taskManagers?.includes(taskManager) === false) return member
    greeted.push(taskManager)
    return { ...member, greeted: round }
  })
  const effects = greeted.map((taskManager) => ({ type: 'hello', taskManager, round }) as const)
  return { decision: { state: { ...state, membership: { ...membership, round, members } }, effects }, round, greeted }
}

/** It asks anew for the slots that it needs: what it was granted and does not know of is free again. */
export function inventoriesWanted(
  state: JobManagerState,
  { jobId, request, held }: Extract<MembershipMessage, { readonly type: 'inventoriesWanted' }>,
): JobManagerDecision {
  const slots = state.slots.map((slot) =>
    slot.jobId !== jobId || slot.releasing || held.some((address) => isSame(address, slot.address))
      ? slot
      : { ...slot, jobId: undefined },
  )
  const waiting = state.waiting.filter((other) => other.jobId !== jobId)
  return inSequence({ ...state, slots, waiting }, [
    (current) => wantInventories(current, [{ jobId, request }]),
    grantWaiting,
  ])
}

/** Each job gets what all members answer to one Hello, which is said after everything that the job has told them. */
export function wantInventories(
  state: JobManagerState,
  jobs: readonly Pick<Adoption, 'jobId' | 'request'>[],
): JobManagerDecision {
  return inSequence(state, [
    (current) => {
      const { decision, round, greeted: awaited } = greet(current)
      const { membership } = decision.state
      if (membership === undefined) return decision
      const others = membership.adoptions.filter(({ jobId }) => !jobs.some((job) => job.jobId === jobId))
      const adoptions = [...others, ...jobs.map((job) => ({ ...job, round, awaited }))]
      return { ...decision, state: { ...decision.state, membership: { ...membership, adoptions } } }
    },
    giveInventories,
  ])
}

/** To the jobs for which nobody is awaited any more. */
export function giveInventories(state: JobManagerState): JobManagerDecision {
  const { membership } = state
  if (membership === undefined) return unchanged(state)
  const complete = membership.adoptions.filter(({ awaited }) => awaited.length === 0)
  if (complete.length === 0) return unchanged(state)
  const inventories = membership.members.flatMap(({ answered }) => (answered === undefined ? [] : [answered.inventory]))
  const adoptions = membership.adoptions.filter((adoption) => !complete.includes(adoption))
  const held = membership.held.filter((slot) => !complete.some(({ jobId }) => jobId === slot.jobId))
  return {
    state: { ...state, membership: { ...membership, adoptions, held } },
    effects: complete.map(({ jobId, request }) => ({ type: 'giveInventories', jobId, request, inventories })),
  }
}

/** From now on this member is awaited by nobody who asked up to this round. */
export function notAwaited(membership: Membership, taskManager: string, round: number): Membership {
  const adoptions = membership.adoptions.map((adoption) =>
    adoption.round > round
      ? adoption
      : { ...adoption, awaited: adoption.awaited.filter((awaited) => awaited !== taskManager) },
  )
  return { ...membership, adoptions }
}

/** It is no member any more: its slots go, and those of its jobs restart elsewhere. */
export function gone(state: JobManagerState, taskManager: string): JobManagerDecision {
  const { membership } = state
  if (membership === undefined) return unchanged(state)
  const members = membership.members.filter(({ listed: entry }) => entry.taskManager !== taskManager)
  const without = { ...membership, members, lost: [...membership.lost, taskManager] }
  const next = { ...state, membership: notAwaited(without, taskManager, Number.POSITIVE_INFINITY) }
  return inSequence<JobManagerState, JobManagerEffect>(next, [
    (current) => slotsLost(current, taskManager),
    (current) => ({ state: current, effects: [{ type: 'unlistTaskManager', taskManager }] }),
    giveInventories,
  ])
}
