import { type Decision, inSequence, unchanged } from '../decision.ts'
import { gone } from './inventories.ts'
import { type Member, type MembershipMessage, memberOf, withMember } from './membership.ts'
import { freeSlots } from './slots.ts'
import type { JobManagerEffect, JobManagerState, KnownSlot } from './state.ts'

type JobManagerDecision = Decision<JobManagerState, JobManagerEffect>

/** R29: it gets no new slots; its jobs take a checkpoint to go on from elsewhere. */
export function leaving(state: JobManagerState, taskManager: string): JobManagerDecision {
  const { membership } = state
  const member = membership === undefined ? undefined : memberOf(membership, taskManager)
  if (membership === undefined || member === undefined) return unchanged(state)
  const vacated = member.leaving?.vacated ?? []
  const next = { ...state, membership: withMember(membership, { ...member, leaving: { vacated } }) }
  const jobs = new Set(slotsInUse(next, taskManager).flatMap(({ jobId }) => (jobId === undefined ? [] : [jobId])))
  const asked = [...jobs].map((jobId) => ({ type: 'vacate', jobId, taskManager }) as const)
  return inSequence<JobManagerState, JobManagerEffect>(next, [
    (current) => ({ state: current, effects: asked }),
    handOver,
  ])
}

export function vacated(
  state: JobManagerState,
  { taskManager, jobId }: Extract<MembershipMessage, { readonly type: 'vacated' }>,
): JobManagerDecision {
  const { membership } = state
  const member = membership === undefined ? undefined : memberOf(membership, taskManager)
  if (membership === undefined || member?.leaving === undefined) return unchanged(state)
  const left = { vacated: [...member.leaving.vacated, jobId] }
  return handOver({ ...state, membership: withMember(membership, { ...member, leaving: left }) })
}

/** Lets those go whose jobs can go on elsewhere: from a checkpoint, and in slots that are free now. */
export function handOver(state: JobManagerState): JobManagerDecision {
  const members = state.membership?.members ?? []
  return inSequence(
    state,
    members.map((member) => (current) => handOverIfPossible(current, member)),
  )
}

function handOverIfPossible(state: JobManagerState, { listed, leaving: left }: Member): JobManagerDecision {
  const { taskManager } = listed
  if (left === undefined) return unchanged(state)
  const used = slotsInUse(state, taskManager)
  const canGo = used.every(({ jobId }) => jobId !== undefined && left.vacated.includes(jobId))
  if (!canGo || freeSlots(state).length < used.length) return unchanged(state)
  return inSequence<JobManagerState, JobManagerEffect>(state, [
    (current) => ({ state: current, effects: [{ type: 'releaseTaskManager', taskManager }] }),
    (current) => gone(current, taskManager),
  ])
}

function slotsInUse(state: JobManagerState, taskManager: string): readonly KnownSlot[] {
  return state.slots.filter(
    ({ address, jobId, releasing }) => address.taskManager === taskManager && jobId !== undefined && !releasing,
  )
}
