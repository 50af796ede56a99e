import type { JobId } from '../../common/ids.ts'
import { type Decision, inSequence, unchanged, unreachable } from '../decision.ts'
import type { JobManagerEffect, JobManagerMessage, JobManagerState, KnownSlot, SlotRequest } from './state.ts'

type JobManagerDecision = Decision<JobManagerState, JobManagerEffect>

/** One step of a JobManager: jobs, TaskManagers and who has which slot. */
export function decide(state: JobManagerState, message: JobManagerMessage): JobManagerDecision {
  switch (message.type) {
    case 'registerTaskManager':
      return grantWaiting(withTaskManager(state, message))
    case 'taskManagerLost':
      return taskManagerLost(state, message.taskManager)
    case 'submitJob':
      return submitJob(state, message)
    case 'requestSlots':
      return requestSlots(state, message)
    case 'jobEnded':
      return jobEnded(state, message.jobId)
    case 'slotFreed':
      return slotFreed(state, message)
    case 'slotRequestTimeout':
      return refuse(state, message.jobId)
    default:
      return unreachable(message)
  }
}

function withTaskManager(
  state: JobManagerState,
  registered: Extract<JobManagerMessage, { readonly type: 'registerTaskManager' }>,
): JobManagerState {
  const { taskManager, numberOfSlots, dataAddress } = registered
  const others = state.slots.filter((slot) => slot.address.taskManager !== taskManager)
  const own = Array.from({ length: numberOfSlots }, (_, slotIndex): KnownSlot => {
    return { address: { taskManager, slotIndex }, dataAddress, jobId: undefined, releasing: false }
  })
  return { ...state, slots: [...others, ...own] }
}

function taskManagerLost(state: JobManagerState, taskManager: string): JobManagerDecision {
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

/** R24: a repeated request gets the first answer. */
function submitJob(
  state: JobManagerState,
  message: Extract<JobManagerMessage, { readonly type: 'submitJob' }>,
): JobManagerDecision {
  const { requestId, client, submission } = message
  const answer = { type: 'submitted', client, jobId: submission.jobId } as const
  if (state.jobs.some((job) => job.requestId === requestId)) return { state, effects: [answer] }
  const job = { jobId: submission.jobId, requestId, running: true }
  return {
    state: { ...state, jobs: [...state.jobs, job] },
    effects: [answer, { type: 'startJobMaster', submission, client }],
  }
}

function requestSlots(state: JobManagerState, request: SlotRequest): JobManagerDecision {
  const { jobId, count } = request
  const granted = grantWaiting({ ...state, waiting: [...state.waiting, { jobId, count }] })
  if (!granted.state.waiting.some((waiting) => waiting.jobId === jobId)) return granted
  if (state.slotRequestTimeoutMs === 0) return inSequence(granted.state, [() => granted, refuseHopeless])
  const timer = { type: 'setTimer', jobId, delayMs: state.slotRequestTimeoutMs } as const
  return { state: granted.state, effects: [...granted.effects, timer] }
}

/**
 * Where no TaskManager can come later: refuses the requests for which those before them leave too few slots. Slots whose
 * threads are about to end are as good as there: waiting for them takes milliseconds.
 */
function refuseHopeless(state: JobManagerState): JobManagerDecision {
  if (state.slotRequestTimeoutMs > 0) return unchanged(state)
  let left = state.slots.filter((slot) => slot.jobId === undefined || slot.releasing).length
  for (const { jobId, count } of state.waiting) {
    left -= count
    if (left < 0) return inSequence(state, [(current) => refuse(current, jobId), refuseHopeless])
  }
  return unchanged(state)
}

/** All slots of a request at once or none, first come first served, so that two jobs never wait for each other's slots. */
function grantWaiting(state: JobManagerState): JobManagerDecision {
  const request = state.waiting[0]
  if (request === undefined) return unchanged(state)
  const free = state.slots.filter((slot) => slot.jobId === undefined)
  if (free.length < request.count) return unchanged(state)
  const taken = free.slice(0, request.count)
  const slots = state.slots.map((slot) => (taken.includes(slot) ? { ...slot, jobId: request.jobId } : slot))
  const rest = grantWaiting({ ...state, slots, waiting: state.waiting.slice(1) })
  const granted = taken.map(({ address, dataAddress }) => ({ ...address, dataAddress }))
  const grant = { type: 'grantSlots', jobId: request.jobId, slots: granted } as const
  return { state: rest.state, effects: [grant, ...rest.effects] }
}

function refuse(state: JobManagerState, jobId: JobId): JobManagerDecision {
  const request = state.waiting.find((waiting) => waiting.jobId === jobId)
  if (request === undefined) return unchanged(state)
  const available = state.slots.filter((slot) => slot.jobId === undefined).length
  const waiting = state.waiting.filter((other) => other !== request)
  const rest = grantWaiting({ ...state, waiting })
  return {
    state: rest.state,
    effects: [{ type: 'refuseSlots', jobId, required: request.count, available }, ...rest.effects],
  }
}

function jobEnded(state: JobManagerState, jobId: JobId): JobManagerDecision {
  const jobs = state.jobs.map((job) => (job.jobId === jobId ? { ...job, running: false } : job))
  const slots = state.slots.map((slot) => (slot.jobId === jobId ? { ...slot, releasing: true } : slot))
  const waiting = state.waiting.filter((request) => request.jobId !== jobId)
  const granted = grantWaiting({ ...state, jobs, slots, waiting })
  const released = slots.filter((slot) => slot.releasing && slot.jobId === jobId).map(({ address }) => address)
  if (released.length === 0) return granted
  return {
    state: granted.state,
    effects: [{ type: 'releaseSlots', jobId, slots: released }, ...granted.effects],
  }
}

function slotFreed(
  state: JobManagerState,
  freed: Extract<JobManagerMessage, { readonly type: 'slotFreed' }>,
): JobManagerDecision {
  const slots = state.slots.map((slot) => {
    const same = slot.address.taskManager === freed.slot.taskManager && slot.address.slotIndex === freed.slot.slotIndex
    return same && slot.jobId === freed.jobId ? { ...slot, jobId: undefined, releasing: false } : slot
  })
  return grantWaiting({ ...state, slots })
}
