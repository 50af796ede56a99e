import type { ErrorData } from '../../common/errors.ts'
import type { CheckpointId } from '../../common/ids.ts'
import type { CheckpointRecord } from '../../state/checkpoint-record.ts'
import type { Decision } from '../decision.ts'
import { unchanged } from '../decision.ts'
import { partOf } from './parts.ts'
import type { CheckpointEffect, CheckpointFacts, CheckpointsState } from './state.ts'

type CheckpointDecision = Decision<CheckpointsState, CheckpointEffect>

const retryMs = 500

/**
 * After a completion: the subtasks that listed something to commit. Those of an older checkpoint that have not reported
 * yet list the same again (R16: lists accumulate), so the newest is enough; those that have finished since have
 * committed. A record that lists nothing counts as committed by itself.
 */
export function expectCommits(
  facts: CheckpointFacts,
  state: CheckpointsState,
  record: CheckpointRecord,
  finished: ReadonlySet<number>,
): CheckpointDecision {
  const lists = facts.graph.subtasks.filter((place) => partOf(record, place)?.hasCommittables === true)
  const subtasks = lists.map(({ index }) => index).filter((index) => !finished.has(index))
  if (lists.length === 0) return unchanged({ ...state, commits: { type: 'settled' } })
  if (subtasks.length === 0) return mark(state, record.id)
  return unchanged({ ...state, commits: { type: 'waiting', checkpointId: record.id, subtasks } })
}

function mark(state: CheckpointsState, checkpointId: CheckpointId): CheckpointDecision {
  return {
    state: { ...state, commits: { type: 'marking', checkpointId } },
    effects: [{ type: 'markCommitted', checkpointId }],
  }
}

/** A subtask has committed all its lists up to this checkpoint; with the last one the record is marked (R17). */
export function subtaskCommitted(
  state: CheckpointsState,
  committed: { readonly subtask: number; readonly checkpointId: CheckpointId },
): CheckpointDecision {
  const { commits } = state
  if (commits.type !== 'waiting' || committed.checkpointId < commits.checkpointId) return unchanged(state)
  const { checkpointId } = commits
  const subtasks = commits.subtasks.filter((subtask) => subtask !== committed.subtask)
  if (subtasks.length > 0) return unchanged({ ...state, commits: { type: 'waiting', checkpointId, subtasks } })
  return mark(state, checkpointId)
}

export function markedCommitted(state: CheckpointsState, id: CheckpointId): CheckpointDecision {
  if (state.commits.type !== 'marking' || state.commits.checkpointId !== id) return unchanged(state)
  return unchanged({ ...state, commits: { type: 'settled' } })
}

/** All is committed, only the mark is missing: it is written again until it is there, and the job does not finish before (R12). */
export function markFailed(
  state: CheckpointsState,
  failure: { readonly id: CheckpointId; readonly error: ErrorData },
): CheckpointDecision {
  if (state.commits.type !== 'marking' || state.commits.checkpointId !== failure.id) return unchanged(state)
  const timer = { type: 'markRetry', checkpointId: failure.id } as const
  return {
    state: { ...state, lastFailure: failure.error },
    effects: [{ type: 'setTimer', timer, delayMs: retryMs }],
  }
}

export function retryMark(state: CheckpointsState, id: CheckpointId): CheckpointDecision {
  if (state.commits.type !== 'marking' || state.commits.checkpointId !== id) return unchanged(state)
  return { state, effects: [{ type: 'markCommitted', checkpointId: id }] }
}
