import type { ErrorData } from '../../common/errors.ts'
import { abortOpenCheckpoint } from '../checkpoints/abort.ts'
import { type Decision, inSequence, type Moment, unchanged } from '../decision.ts'
import { withCheckpoints } from './checkpointing.ts'
import type { JobMasterEffect } from './messages.ts'
import type { JobMasterState, JobPhase } from './state.ts'
import { slotAddressOf, slotsInUse, withSubtask } from './subtasks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>
type Ending = Extract<JobPhase, { readonly type: 'ending' }>

/** Failing, cancelling, or stopping after a last checkpoint: every attempt is cancelled, then the job has ended. */
export function endJob(
  state: JobMasterState,
  outcome: Ending['outcome'],
  error: ErrorData | undefined,
  now: Moment,
): JobDecision {
  // A failure while the job is already being cancelled changes nothing any more.
  if (state.phase.type === 'ended' || state.phase.type === 'ending') return unchanged(state)
  const reason = error ?? { code: 'MR_CHECKPOINT_DECLINED', message: 'the job is being stopped' }
  return inSequence(state, [
    (current) => abort(current, reason, now),
    tellCheckpointsEnded,
    (current) =>
      cancelSubtasks(
        current,
        current.subtasks.map((_, index) => index),
      ),
    (current) => unchanged({ ...current, phase: { type: 'ending', outcome, error } }),
  ])
}

export function failJob(state: JobMasterState, error: ErrorData, now: Moment): JobDecision {
  const ending = endJob({ ...state, lastFailure: error }, 'FAILED', error, now)
  return { state: ending.state, effects: [{ type: 'log', level: 'error', text: error.message }, ...ending.effects] }
}

function abort(state: JobMasterState, reason: ErrorData, now: Moment): JobDecision {
  return withCheckpoints(state, (checkpoints, facts) => abortOpenCheckpoint(facts, checkpoints, reason, now))
}

/**
 * Sinks that are still there end the transactions that no completed checkpoint lists, which readers would wait for (R16).
 * Not while a completion is undetermined: its lists may be needed (R3).
 */
function tellCheckpointsEnded(state: JobMasterState): JobDecision {
  const { checkpoints, transactions } = state
  if (transactions === undefined || checkpoints === undefined || checkpoints.phase.type === 'completing') {
    return unchanged(state)
  }
  const message = { type: 'checkpointsEnded', newest: checkpoints.latest?.id ?? 0 } as const
  return { state, effects: [{ type: 'toSlots', slots: slotsInUse(state), message }] }
}

/** Asks the TaskManagers to end these attempts; each is gone when it says so. */
export function cancelSubtasks(state: JobMasterState, subtasks: readonly number[]): JobDecision {
  let next = state
  const attempts: Extract<JobMasterEffect, { readonly type: 'cancelAttempts' }>['attempts'][number][] = []
  for (const index of subtasks) {
    const execution = state.subtasks[index]
    const slot = slotAddressOf(state, index)
    if (execution?.type !== 'attempt' || execution.status === 'cancelling' || slot === undefined) continue
    next = withSubtask(next, index, { ...execution, status: 'cancelling' })
    attempts.push({ slot, attemptId: execution.attemptId })
  }
  return { state: next, effects: attempts.length === 0 ? [] : [{ type: 'cancelAttempts', attempts }] }
}

/** The last attempt is gone: the slots go back, and the job has its result. */
export function endedIfNothingIsLeft(state: JobMasterState): JobDecision {
  if (state.phase.type !== 'ending') return unchanged(state)
  if (state.subtasks.some((subtask) => subtask.type === 'attempt')) return unchanged(state)
  const { outcome, error } = state.phase
  return ended(state, outcome, error)
}

/** R12: FINISHED only when every sink subtask has reported its commit and the record is marked. */
export function finishedIfAllIsDone(state: JobMasterState): JobDecision {
  if (state.phase.type !== 'running' && state.phase.type !== 'suspending') return unchanged(state)
  if (!state.regions.every((region) => region.status.type === 'finished')) return unchanged(state)
  const { checkpoints } = state
  if (checkpoints !== undefined && checkpoints.commits.type !== 'settled') return unchanged(state)
  if (checkpoints?.phase.type === 'completing') return unchanged(state)
  return ended(state, 'FINISHED', undefined)
}

function ended(
  state: JobMasterState,
  outcome: Extract<JobPhase, { readonly type: 'ended' }>['outcome'],
  error: ErrorData | undefined,
): JobDecision {
  return {
    state: { ...state, phase: { type: 'ended', outcome, error } },
    effects: [{ type: 'jobEnded', outcome, error }],
  }
}
