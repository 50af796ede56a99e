import type { FromSlot } from '../../task/slot-protocol.ts'
import { type Decision, inSequence, unchanged, unreachable } from '../decision.ts'
import { cancelAttempts, failDeployments, patienceIsOver, releaseSlots, threadIsStuck } from './cancelling.ts'
import { deploy, prepareSlots, sendWaiting } from './deployments.ts'
import { withAcknowledgedEnds, withCommanded, withEnds, withReported } from './progress.ts'
import { attemptGone, endOf, failWaiting, report, slotExited, terminate, withSlot } from './slots.ts'
import { jobOf, type TaskManagerEffect, type TaskManagerMessage, type TaskManagerState } from './state.ts'

type TaskManagerDecision = Decision<TaskManagerState, TaskManagerEffect>

/** One step of a TaskManager. Time comes in as timers only. */
export function decide(state: TaskManagerState, message: TaskManagerMessage): TaskManagerDecision {
  const decision = handle(state, message)
  return state.keepsEnds ? { ...decision, state: withEnds(state, decision) } : decision
}

function handle(state: TaskManagerState, message: TaskManagerMessage): TaskManagerDecision {
  switch (message.type) {
    case 'prepareSlots':
      return prepareSlots(state, message.job, message.slotIndexes)
    case 'deploy':
      return deploy(state, message)
    case 'cancelAttempts':
      return inSequence(state, [(current) => cancelAttempts(current, message.jobId, message.attemptIds), sendWaiting])
    case 'endsAcknowledged':
      return unchanged(withAcknowledgedEnds(state, message.attemptIds))
    case 'toSlots':
      return {
        state: withCommanded(state, message.slotIndexes, message.message),
        effects: message.slotIndexes
          .filter((slotIndex) => state.slots[slotIndex]?.type === 'running')
          .map((slotIndex) => ({ type: 'toSlot', slotIndex, message: message.message })),
      }
    case 'releaseSlots':
      return releaseSlots(state, message.jobId, message.slotIndexes)
    case 'fromSlot':
      return fromSlot(state, message.slotIndex, message.message)
    case 'linksLost':
      return failDeployments(state, message.deployments, message.error)
    case 'slotExited':
      return inSequence(state, [(current) => slotExited(current, message.slotIndex, message.cause), sendWaiting])
    case 'timer':
      return message.timer.type === 'terminateSlot'
        ? patienceIsOver(state, message.timer.slotIndex)
        : threadIsStuck(state, message.timer.slotIndex)
    default:
      return unreachable(message)
  }
}

function fromSlot(state: TaskManagerState, slotIndex: number, message: FromSlot): TaskManagerDecision {
  const slot = state.slots[slotIndex]
  if (slot === undefined || jobOf(slot) === undefined) return unchanged(state)
  // The last counts are worth having; everything else of a thread that was told to end is old.
  if (message.type === 'metrics') return { state, effects: [report(state, slotIndex, message)] }
  if (slot.type === 'stopping') return unchanged(state)
  switch (message.type) {
    case 'ready':
      if (slot.type !== 'starting') return unchanged(state)
      return sendWaiting(withSlot(state, slotIndex, { type: 'running', job: slot.job, attempts: [], used: false }))
    case 'slotFailed':
      return inSequence(state, [
        (current) => failAttempts(current, slotIndex, message),
        (current) => failWaiting(current, slotIndex, message.error),
        (current) => terminate(current, slotIndex, false),
      ])
    case 'finished':
    case 'canceled':
    case 'failed': {
      const reported = report(state, slotIndex, endOf(state, slotIndex, message))
      const gone = attemptGone(state, slotIndex, message)
      return { state: gone.state, effects: [reported, ...gone.effects] }
    }
    default:
      return { state: withReported(state, slotIndex, message), effects: [report(state, slotIndex, message)] }
  }
}

/** The whole slot can not go on: so can none of its attempts. */
function failAttempts(
  state: TaskManagerState,
  slotIndex: number,
  { error }: Extract<FromSlot, { readonly type: 'slotFailed' }>,
): TaskManagerDecision {
  const slot = state.slots[slotIndex]
  if (slot?.type !== 'running') return unchanged(state)
  return {
    state: withSlot(state, slotIndex, { ...slot, attempts: [] }),
    effects: slot.attempts.map(({ attemptId }) => report(state, slotIndex, { type: 'failed', attemptId, error })),
  }
}
