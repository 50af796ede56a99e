import type { Decision, Moment } from '../decision.ts'
import { unchanged } from '../decision.ts'
import type { CheckpointEffect, CheckpointFacts, CheckpointsState } from './state.ts'

type CheckpointDecision = Decision<CheckpointsState, CheckpointEffect>

/** The next one is due an interval after the start of this one, and `minPauseMs` after its end at the earliest. */
export function scheduleNext(
  facts: CheckpointFacts,
  state: CheckpointsState,
  startedMs: number,
  now: Moment,
): CheckpointDecision {
  const { intervalMs, minPauseMs } = facts.settings
  const delayMs = Math.max(minPauseMs, startedMs + intervalMs - now.monotonicMs, 0)
  const number = state.timer + 1
  return {
    state: { ...state, due: false, timer: number },
    effects: [
      { type: 'cancelTimer', timer: { type: 'checkpointDue', number: state.timer } },
      { type: 'setTimer', timer: { type: 'checkpointDue', number }, delayMs },
    ],
  }
}

/** An interval has passed. Timers that were replaced may still arrive: only the newest counts. */
export function intervalPassed(state: CheckpointsState, number: number): CheckpointDecision {
  return unchanged(number === state.timer ? { ...state, due: true } : state)
}

/** Somebody asks for one now. Where one is in work, that is the one. */
export function checkpointWanted(state: CheckpointsState): CheckpointDecision {
  return unchanged({ ...state, due: true })
}

/** A moment has passed since the last abort. */
export function noLongerHeldBack(state: CheckpointsState): CheckpointDecision {
  return unchanged({ ...state, heldBack: false })
}
