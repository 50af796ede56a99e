import type { JobId } from '../../common/ids.ts'
import { type Decision, inSequence, unchanged } from '../decision.ts'
import type { SlotAddress } from '../job-master/state.ts'
import { memberOf } from './membership.ts'
import type { JobManagerEffect, JobManagerMessage, JobManagerState, KnownSlot, SlotRequest } from './state.ts'

type JobManagerDecision = Decision<JobManagerState, JobManagerEffect>

export function withSlotsOf(
  state: JobManagerState,
  registered: { readonly taskManager: string; readonly numberOfSlots: number; readonly dataAddress: string },
): JobManagerState {
  const { taskManager, numberOfSlots, dataAddress } = registered
  const others = state.slots.filter((slot) => slot.address.taskManager !== taskManager)
  const own = Array.from({ length: numberOfSlots }, (_, slotIndex): KnownSlot => {
    return { address: { taskManager, slotIndex }, dataAddress, jobId: undefined, releasing: false }
  })
  return { ...state, slots: [...others, ...own] }
}

export function slotsLost(state: JobManagerState, taskManager: string): JobManagerDecision {
  const lost = state.slots.filter((slot) => slot.address.taskManager === taskManager)
  const jobs = new Set(lost.flatMap(({ jobId, releasing }) => (jobId === undefined || releasing ? [] : [jobId])))
  const without = { ...state, slots: state.slots.filter((slot) => !lost.includes(slot)) }
  const refused = refuseHopeless(without)
  return {
    state: refused.state,
    effects: [
      ...[...jobs].map((jobId) => ({ type: 'tellJobMaster', jobId, lost: taskManager }) as const),
      ...refused.effects,
    ],
  }
}

export function requestSlots(
  state: JobManagerState,
  { jobId, count }: { readonly jobId: JobId; readonly count: number },
): JobManagerDecision {
  const number = state.requests + 1
  const waiting = inLine(state, { number, jobId, count })
  const granted = grantWaiting({ ...state, requests: number, waiting })
  if (!granted.state.waiting.some((request) => request.number === number)) return granted
  if (state.slotRequestTimeoutMs === 0) return inSequence(granted.state, [() => granted, refuseHopeless])
  const timer = { type: 'setTimer', jobId, request: number, delayMs: state.slotRequestTimeoutMs } as const
  return { state: granted.state, effects: [...granted.effects, timer] }
}

/** In order of arrival, but jobs that have lost slots go before those that have none yet: they hold the others meanwhile. */
function inLine(state: JobManagerState, request: SlotRequest): readonly SlotRequest[] {
  const isReplacement = ({ jobId }: SlotRequest): boolean =>
    state.slots.some((slot) => slot.jobId === jobId && !slot.releasing)
  if (!isReplacement(request)) return [...state.waiting, request]
  const ahead = state.waiting.filter(isReplacement)
  return [...ahead, request, ...state.waiting.filter((other) => !ahead.includes(other))]
}

/**
 * Where no TaskManager can come later: refuses the requests for which those before them leave too few slots. Slots whose
 * threads are about to end are as good as there: waiting for them takes milliseconds.
 */
function refuseHopeless(state: JobManagerState): JobManagerDecision {
  if (state.slotRequestTimeoutMs > 0) return unchanged(state)
  let left = state.slots.filter((slot) => slot.jobId === undefined || slot.releasing).length
  for (const { number, count } of state.waiting) {
    left -= count
    if (left < 0) return inSequence(state, [(current) => refuse(current, number), refuseHopeless])
  }
  return unchanged(state)
}

/** All slots of a request at once or none, first come first served, so that two jobs never wait for each other's slots. */
export function grantWaiting(state: JobManagerState): JobManagerDecision {
  const request = state.waiting[0]
  if (request === undefined) return unchanged(state)
  const free = freeSlots(state)
  if (free.length < request.count) return unchanged(state)
  const taken = free.slice(0, request.count)
  const slots = state.slots.map((slot) => (taken.includes(slot) ? { ...slot, jobId: request.jobId } : slot))
  const rest = grantWaiting({ ...state, slots, waiting: state.waiting.slice(1) })
  const granted = taken.map(({ address, dataAddress }) => ({ ...address, dataAddress }))
  const grant = { type: 'grantSlots', jobId: request.jobId, slots: granted } as const
  return { state: rest.state, effects: [grant, ...rest.effects] }
}

/** A TaskManager that wants to leave gives none (R29). */
export function freeSlots({ slots, membership }: JobManagerState): readonly KnownSlot[] {
  return slots.filter(
    ({ jobId, address }) =>
      jobId === undefined &&
      (membership === undefined || memberOf(membership, address.taskManager)?.leaving === undefined),
  )
}

export function refuse(state: JobManagerState, number: number): JobManagerDecision {
  const request = state.waiting.find((waiting) => waiting.number === number)
  if (request === undefined) return unchanged(state)
  const available = freeSlots(state).length
  const waiting = state.waiting.filter((other) => other !== request)
  const rest = grantWaiting({ ...state, waiting })
  const { jobId, count: required } = request
  return { state: rest.state, effects: [{ type: 'refuseSlots', jobId, required, available }, ...rest.effects] }
}

export function slotFreed(
  state: JobManagerState,
  freed: Extract<JobManagerMessage, { readonly type: 'slotFreed' }>,
): JobManagerDecision {
  const slots = state.slots.map((slot) =>
    isSame(slot.address, freed.slot) && slot.jobId === freed.jobId
      ? { ...slot, jobId: undefined, releasing: false }
      : slot,
  )
  return grantWaiting({ ...state, slots })
}

export function isSame(one: SlotAddress, other: SlotAddress): boolean {
  return one.taskManager === other.taskManager && one.slotIndex === other.slotIndex
}
