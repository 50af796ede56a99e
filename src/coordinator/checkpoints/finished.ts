import { MillraceError } from '../../common/errors.ts'
import type { Decision, Moment } from '../decision.ts'
import { replaced, unchanged } from '../decision.ts'
import { subtaskCommitted } from './commits.ts'
import { completeIfAllThere } from './complete.ts'
import { carriedPart } from './parts.ts'
import type { CheckpointEffect, CheckpointFacts, CheckpointsState } from './state.ts'

type CheckpointDecision = Decision<CheckpointsState, CheckpointEffect>

/**
 * A subtask has finished: it has committed all (R12). Where an open checkpoint still expects it, the trigger came too
 * late for it, and its part is carried forward.
 */
export function subtaskFinished(
  facts: CheckpointFacts,
  state: CheckpointsState,
  subtask: number,
  now: Moment,
): CheckpointDecision {
  const checkpointId = state.latest?.id
  const committed = checkpointId === undefined ? unchanged(state) : subtaskCommitted(state, { subtask, checkpointId })
  const { phase } = committed.state
  if (phase.type !== 'open' || phase.checkpoint.parts[subtask]?.type !== 'expected') return committed
  const record = carriedPart(facts, committed.state, subtask)
  if (record === undefined) {
    throw new MillraceError('MR_INTERNAL', `subtask ${subtask} finished before a checkpoint said so (R12)`)
  }
  const parts = replaced(phase.checkpoint.parts, subtask, { type: 'carried', record })
  const carried: CheckpointsState = {
    ...committed.state,
    phase: { type: 'open', checkpoint: { ...phase.checkpoint, parts } },
  }
  const completed = completeIfAllThere(facts, carried, now)
  return { state: completed.state, effects: [...committed.effects, ...completed.effects] }
}
