import type { JobId } from '../../common/ids.ts'
import { type Decision, unchanged } from '../decision.ts'
import { decideMembership, registered } from './members.ts'
import { grantWaiting, refuse, requestSlots, slotFreed, slotsLost, withSlotsOf } from './slots.ts'
import type { JobManagerEffect, JobManagerMessage, JobManagerState } from './state.ts'

type JobManagerDecision = Decision<JobManagerState, JobManagerEffect>

/** One step of a JobManager: jobs, TaskManagers and who has which slot. */
export function decide(state: JobManagerState, message: JobManagerMessage): JobManagerDecision {
  switch (message.type) {
    case 'registerTaskManager':
      return state.membership === undefined ? grantWaiting(withSlotsOf(state, message)) : registered(state, message)
    case 'taskManagerLost':
      return slotsLost(state, message.taskManager)
    case 'submitJob':
      return submitJob(state, message)
    case 'jobRecorded':
      return jobRecorded(state, message.jobId)
    case 'jobNotRecorded':
      return unchanged({ ...state, jobs: state.jobs.filter((job) => job.jobId !== message.jobId) })
    case 'requestSlots':
      return requestSlots(state, message)
    case 'jobEnded':
      return jobEnded(state, message)
    case 'jobMasterGone':
      return jobMasterGone(state, message.jobId)
    case 'slotFreed':
      return slotFreed(state, message)
    case 'slotRequestTimeout':
      return refuse(state, message.request)
    default:
      return decideMembership(state, message)
  }
}

/** R24: a repeated request gets the first answer. */
function submitJob(
  state: JobManagerState,
  message: Extract<JobManagerMessage, { readonly type: 'submitJob' }>,
): JobManagerDecision {
  const { requestId, client, submission } = message
  const known = state.jobs.find((job) => job.requestId === requestId)
  if (known?.recording !== undefined) {
    const recording = { clients: [...known.recording.clients, client] }
    return unchanged({ ...state, jobs: state.jobs.map((job) => (job === known ? { ...job, recording } : job)) })
  }
  const { jobId } = submission
  if (known !== undefined) return { state, effects: [{ type: 'submitted', client, jobId: known.jobId }] }
  const job = { jobId, requestId, running: true }
  if (state.membership === undefined) {
    return {
      state: { ...state, jobs: [...state.jobs, job] },
      effects: [
        { type: 'submitted', client, jobId },
        { type: 'startJobMaster', submission, client },
      ],
    }
  }
  const recorded = { ...job, recording: { clients: [client] } }
  return {
    state: { ...state, jobs: [...state.jobs, recorded] },
    effects: [{ type: 'recordJob', submission, requestId, client }],
  }
}

/** Only now is the client answered: a leader that dies after that leaves the job to the next one (R24). */
function jobRecorded(state: JobManagerState, jobId: JobId): JobManagerDecision {
  const job = state.jobs.find((candidate) => candidate.jobId === jobId)
  if (job?.recording === undefined) return unchanged(state)
  const { recording, ...rest } = job
  const answers = recording.clients.map((client) => ({ type: 'submitted', client, jobId }) as const)
  return {
    state: { ...state, jobs: state.jobs.map((other) => (other === job ? rest : other)) },
    effects: [...answers, { type: 'adoptJob', jobId }, { type: 'giveInventories', jobId, request: 0, inventories: [] }],
  }
}

/** It has done all that was to be done, if it has said how the job ended: else this process leads no more. */
function jobMasterGone(state: JobManagerState, jobId: JobId): JobManagerDecision {
  const job = state.jobs.find((candidate) => candidate.jobId === jobId)
  if (state.membership === undefined || job === undefined) return unchanged(state)
  if (job.running) return { state, effects: [{ type: 'ledNoMore', jobId }] }
  const { outcome } = job
  return outcome === 'FINISHED' || outcome === 'CANCELED'
    ? { state, effects: [{ type: 'forgetJob', jobId }] }
    : unchanged(state)
}

function jobEnded(
  state: JobManagerState,
  { jobId, outcome }: Extract<JobManagerMessage, { readonly type: 'jobEnded' }>,
): JobManagerDecision {
  const end = { running: false, ...(outcome === undefined ? {} : { outcome }) }
  const jobs = state.jobs.map((job) => (job.jobId === jobId ? { ...job, ...end } : job))
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
