import type { ErrorData } from '../../common/errors.ts'
import type { AttemptId, DeploymentId, JobId } from '../../common/ids.ts'
import { type Decision, inSequence, unchanged } from '../decision.ts'
import { terminate, withSlot } from './slots.ts'
import type { RunningSlot, TaskManagerEffect, TaskManagerState } from './state.ts'

type TaskManagerDecision = Decision<TaskManagerState, TaskManagerEffect>

/**
 * How long attempts may take to end by themselves where the whole slot is given up: enough to abort what is open, short
 * enough that a job whose function loops for ever is cancelled within a second.
 */
const cooperativeMs = 500

/** Ends attempts. Each is answered by `canceled` when it is gone, also one that was never started or is gone already. */
export function cancelAttempts(
  state: TaskManagerState,
  jobId: JobId,
  attemptIds: readonly AttemptId[],
): TaskManagerDecision {
  const inSlots = state.slots.flatMap((slot) =>
    slot.type === 'running' || slot.type === 'stopping' ? slot.attempts.map(({ attemptId }) => attemptId) : [],
  )
  const elsewhere = attemptIds.filter((attemptId) => !inSlots.includes(attemptId))
  return inSequence(state, [
    (current) => forget(current, jobId, elsewhere),
    ...state.slots.map(
      (_, slotIndex) => (current: TaskManagerState) => cancelInSlot(current, slotIndex, { attemptIds }),
    ),
  ])
}

/** The attempts of these deployments can not go on: they are cancelled, and have failed when they are gone. */
export function failDeployments(
  state: TaskManagerState,
  deployments: readonly DeploymentId[],
  failure: ErrorData,
): TaskManagerDecision {
  return inSequence(
    state,
    state.slots.map((slot, slotIndex) => (current: TaskManagerState) => {
      const attempts = slot.type === 'running' ? slot.attempts : []
      const attemptIds = attempts
        .filter(({ deploymentId }) => deployments.includes(deploymentId))
        .map(({ attemptId }) => attemptId)
      return cancelInSlot(current, slotIndex, { attemptIds, failure })
    }),
  )
}

/** Attempts of deployments that were not sent yet. A region is cancelled as a whole, so nothing of such a deployment is left. */
function forget(state: TaskManagerState, jobId: JobId, attemptIds: readonly AttemptId[]): TaskManagerDecision {
  const waiting = state.waiting.filter(
    ({ slots }) => !slots.some(({ subtasks }) => subtasks.some(({ attemptId }) => attemptIds.includes(attemptId))),
  )
  return {
    state: { ...state, waiting },
    effects: attemptIds.map((attemptId) => ({
      type: 'report',
      jobId,
      slotIndex: -1,
      message: { type: 'canceled', attemptId },
    })),
  }
}

function cancelInSlot(
  state: TaskManagerState,
  slotIndex: number,
  { attemptIds, failure }: { readonly attemptIds: readonly AttemptId[]; readonly failure?: ErrorData },
): TaskManagerDecision {
  const slot = state.slots[slotIndex]
  if (slot?.type !== 'running' && slot?.type !== 'stopping') return unchanged(state)
  const here = slot.attempts.filter(({ attemptId, cancelling }) => !cancelling && attemptIds.includes(attemptId))
  if (here.length === 0) return unchanged(state)
  const attempts = slot.attempts.map((attempt) =>
    here.includes(attempt) ? { ...attempt, cancelling: true, failure } : attempt,
  )
  const next = withSlot(state, slotIndex, { ...slot, attempts })
  if (slot.type === 'stopping') return unchanged(next)
  return {
    state: next,
    effects: [
      { type: 'toSlot', slotIndex, message: { type: 'cancel', attemptIds: here.map(({ attemptId }) => attemptId) } },
      {
        type: 'setTimer',
        timer: { type: 'terminateSlot', slotIndex },
        delayMs: patienceMs({ ...slot, attempts }),
      },
    ],
  }
}

/** With another region in the slot, terminating it costs that region a restart: the attempts get all the time there is. */
function patienceMs(slot: RunningSlot): number {
  const alone = slot.attempts.every(({ cancelling }) => cancelling)
  return alone ? Math.min(cooperativeMs, slot.job.cancellationTimeoutMs) : slot.job.cancellationTimeoutMs
}

/** The attempts did not end by themselves. */
export function patienceIsOver(state: TaskManagerState, slotIndex: number): TaskManagerDecision {
  const slot = state.slots[slotIndex]
  if (slot?.type !== 'running' || !slot.attempts.some(({ cancelling }) => cancelling)) return unchanged(state)
  return terminate(state, slotIndex, false)
}

/** The thread did not end: the process has to, and its supervisor starts it again (R32). */
export function threadIsStuck(state: TaskManagerState, slotIndex: number): TaskManagerDecision {
  const slot = state.slots[slotIndex]
  if (slot?.type !== 'stopping') return unchanged(state)
  return {
    state,
    effects: [{ type: 'killProcess', error: stuckThread(slotIndex, slot.job.cancellationTimeoutMs) }],
  }
}

export function stuckThread(slotIndex: number, timeoutMs: number): ErrorData {
  const message = `the thread of slot ${slotIndex} did not end within ${timeoutMs} ms (task.cancellation.timeout): native code blocks it, the process ends itself`
  return { code: 'MR_CANCELLATION_TIMEOUT', message }
}

/** The job has ended: its slots are given back, each when its thread has gone (R32). */
export function releaseSlots(
  state: TaskManagerState,
  jobId: JobId,
  slotIndexes: readonly number[],
): TaskManagerDecision {
  const waiting = state.waiting.filter((deployment) => deployment.jobId !== jobId)
  return inSequence<TaskManagerState, TaskManagerEffect>(
    { ...state, waiting },
    slotIndexes.map((slotIndex) => (current) => releaseSlot(current, slotIndex, jobId)),
  )
}

function releaseSlot(state: TaskManagerState, slotIndex: number, jobId: JobId): TaskManagerDecision {
  const slot = state.slots[slotIndex]
  const freed: TaskManagerDecision = { state, effects: [{ type: 'slotFreed', slotIndex, jobId }] }
  if (slot === undefined || slot.type === 'free') return freed
  if (slot.job.start.jobId !== jobId) return unchanged(state)
  if (slot.type === 'stopping') return unchanged(withSlot(state, slotIndex, { ...slot, released: true }))
  if (slot.type !== 'reserved') return terminate(state, slotIndex, true)
  return { ...freed, state: withSlot(state, slotIndex, { type: 'free' }) }
}
