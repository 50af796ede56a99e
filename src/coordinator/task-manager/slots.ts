import type { ErrorData } from '../../common/errors.ts'
import type { SlotExit } from '../../task/slot-host.ts'
import type { FromSlot } from '../../task/slot-protocol.ts'
import { type Decision, replaced, unchanged } from '../decision.ts'
import { jobOf, type SlotAttempt, type SlotState, type TaskManagerEffect, type TaskManagerState } from './state.ts'

type TaskManagerDecision = Decision<TaskManagerState, TaskManagerEffect>

export function withSlot(state: TaskManagerState, slotIndex: number, slot: SlotState): TaskManagerState {
  return { ...state, slots: replaced(state.slots, slotIndex, slot) }
}

/** Tells the thread to end. If it does not, native code blocks it, and the whole process has to go (R32). */
export function terminate(state: TaskManagerState, slotIndex: number, released: boolean): TaskManagerDecision {
  const slot = state.slots[slotIndex]
  if (slot?.type !== 'starting' && slot?.type !== 'running') return unchanged(state)
  const attempts = slot.type === 'running' ? slot.attempts : []
  return {
    state: withSlot(state, slotIndex, { type: 'stopping', job: slot.job, attempts, released }),
    effects: [
      { type: 'cancelTimer', timer: { type: 'terminateSlot', slotIndex } },
      { type: 'terminateSlot', slotIndex },
      { type: 'setTimer', timer: { type: 'killProcess', slotIndex }, delayMs: slot.job.cancellationTimeoutMs },
    ],
  }
}

/** The thread is gone, and with it every attempt that was in it; only now is the slot free (R32). */
export function slotExited(state: TaskManagerState, slotIndex: number, cause: SlotExit): TaskManagerDecision {
  const slot = state.slots[slotIndex]
  const job = jobOf(slot)
  if (slot === undefined || job === undefined || slot.type === 'reserved') return unchanged(state)
  const error = exitError(slotIndex, cause)
  const effects: TaskManagerEffect[] = attemptsIn(slot).map(({ attemptId, cancelling, failure }) =>
    report(
      state,
      slotIndex,
      cancelling && failure === undefined
        ? { type: 'canceled', attemptId }
        : { type: 'failed', attemptId, error: failure ?? error },
    ),
  )
  effects.push({ type: 'cancelTimer', timer: { type: 'terminateSlot', slotIndex } })
  effects.push({ type: 'cancelTimer', timer: { type: 'killProcess', slotIndex } })
  if (slot.type === 'stopping' && slot.released) {
    effects.push({ type: 'slotFreed', slotIndex, jobId: job.start.jobId })
    return { state: withSlot(state, slotIndex, { type: 'free' }), effects }
  }
  const reserved = withSlot(state, slotIndex, { type: 'reserved', job })
  if (slot.type === 'stopping') return { state: reserved, effects }
  const failed = failWaiting(reserved, slotIndex, error)
  return { state: failed.state, effects: [...effects, ...failed.effects] }
}

function attemptsIn(slot: SlotState): readonly SlotAttempt[] {
  return slot.type === 'running' || slot.type === 'stopping' ? slot.attempts : []
}

function exitError(slotIndex: number, cause: SlotExit): ErrorData {
  const code = cause.type === 'died' ? cause.code : 'MR_SLOT_LOST'
  const reason = cause.type === 'died' ? cause.reason : 'it was terminated'
  return { code, message: `the thread of slot ${slotIndex} has ended: ${reason}` }
}

/** The deployments that wait for a slot which can not be had: their attempts in it have failed, the rest is cancelled by the JobMaster. */
export function failWaiting(state: TaskManagerState, slotIndex: number, error: ErrorData): TaskManagerDecision {
  const effects: TaskManagerEffect[] = []
  const waiting = state.waiting.filter(({ slots }) => {
    const here = slots.find((entry) => entry.slotIndex === slotIndex)
    for (const { attemptId } of here?.subtasks ?? []) {
      effects.push(report(state, slotIndex, { type: 'failed', attemptId, error }))
    }
    return here === undefined
  })
  return { state: { ...state, waiting }, effects }
}

/** An attempt has ended. A thread in which one failed or was cancelled ends as soon as no other lives in it. */
export function attemptGone(state: TaskManagerState, slotIndex: number, gone: AttemptEnd): TaskManagerDecision {
  const slot = state.slots[slotIndex]
  if (slot?.type !== 'running') return unchanged(state)
  const attempts = slot.attempts.filter(({ attemptId }) => attemptId !== gone.attemptId)
  const used = slot.used || gone.type !== 'finished'
  const next = withSlot(state, slotIndex, { ...slot, attempts, used })
  if (attempts.length === 0 && used) return terminate(next, slotIndex, false)
  const effects: TaskManagerEffect[] = []
  // A failed attempt stays in its slot, and its channels open, until it is told to go.
  if (gone.type === 'failed') {
    effects.push({ type: 'toSlot', slotIndex, message: { type: 'cancel', attemptIds: [gone.attemptId] } })
  }
  if (!attempts.some(({ cancelling }) => cancelling)) {
    effects.push({ type: 'cancelTimer', timer: { type: 'terminateSlot', slotIndex } })
  }
  return { state: next, effects }
}

/** How the end of an attempt is told: one that was cancelled since it could not go on has failed. */
export function endOf(state: TaskManagerState, slotIndex: number, end: AttemptEnd): AttemptEnd {
  const slot = state.slots[slotIndex]
  const attempt = slot === undefined ? undefined : attemptsIn(slot).find(({ attemptId }) => attemptId === end.attemptId)
  if (end.type !== 'canceled' || attempt?.failure === undefined) return end
  return { type: 'failed', attemptId: end.attemptId, error: attempt.failure }
}

type AttemptEnd = Extract<FromSlot, { readonly type: 'finished' | 'canceled' | 'failed' }>

export function report(state: TaskManagerState, slotIndex: number, message: FromSlot): TaskManagerEffect {
  const job = jobOf(state.slots[slotIndex])
  if (job === undefined) throw new TypeError(`slot ${slotIndex} has no job to report to`)
  return { type: 'report', jobId: job.start.jobId, slotIndex, message }
}
