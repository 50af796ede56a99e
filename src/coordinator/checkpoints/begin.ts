import type { ErrorData } from '../../common/errors.ts'
import { type CheckpointId, noCheckpoint } from '../../common/ids.ts'
import type { Decision, Moment } from '../decision.ts'
import { unchanged } from '../decision.ts'
import { afterAbort } from './abort.ts'
import { completeIfAllThere } from './complete.ts'
import { carriedPart } from './parts.ts'
import { scheduleNext } from './schedule.ts'
import type {
  CheckpointEffect,
  CheckpointFacts,
  CheckpointPart,
  CheckpointParticipant,
  CheckpointsState,
} from './state.ts'

type CheckpointDecision = Decision<CheckpointsState, CheckpointEffect>

/** Asks the store for the next id. Only from `idle`: one checkpoint at a time (R2). */
export function beginCheckpoint(state: CheckpointsState): CheckpointDecision {
  if (state.phase.type !== 'idle' || state.heldBack) return unchanged(state)
  return {
    state: { ...state, phase: { type: 'beginning', abandoned: false }, due: false },
    effects: [{ type: 'beginCheckpoint' }],
  }
}

/** The id is minted and durable: only now is anything triggered (R2). An abandoned one leaves its id unused for good. */
export function checkpointBegun(
  facts: CheckpointFacts,
  state: CheckpointsState,
  begun: { readonly id: CheckpointId; readonly participants: readonly CheckpointParticipant[] },
  now: Moment,
): CheckpointDecision {
  if (state.phase.type !== 'beginning') return unchanged(state)
  if (state.phase.abandoned) return scheduleNext(facts, { ...state, phase: { type: 'idle' } }, now.monotonicMs, now)
  const parts: CheckpointPart[] = []
  for (const [index, participant] of begun.participants.entries()) {
    if (participant.type === 'live') parts.push({ type: 'expected', attemptId: participant.attemptId })
    else {
      const record = carriedPart(facts, state, index)
      if (record === undefined) return checkpointBeginFailed(facts, state, missingPart(facts, index), now)
      parts.push({ type: 'carried', record })
    }
  }
  const base = state.incremental ? (state.latest?.id ?? noCheckpoint) : noCheckpoint
  const barrier = { id: begun.id, base, kind: 'checkpoint' } as const
  const checkpoint = { barrier, triggeredAt: now.epochMs, startedMs: now.monotonicMs, parts }
  const opened: CheckpointDecision = {
    state: { ...state, phase: { type: 'open', checkpoint } },
    effects: [
      { type: 'triggerCheckpoint', barrier },
      {
        type: 'setTimer',
        timer: { type: 'checkpointTimeout', checkpointId: begun.id },
        delayMs: facts.settings.timeoutMs,
      },
    ],
  }
  const completed = completeIfAllThere(facts, opened.state, now)
  return { state: completed.state, effects: [...opened.effects, ...completed.effects] }
}

export function checkpointBeginFailed(
  facts: CheckpointFacts,
  state: CheckpointsState,
  error: ErrorData,
  now: Moment,
): CheckpointDecision {
  if (state.phase.type !== 'beginning') return unchanged(state)
  const abort = { checkpointId: undefined, startedMs: now.monotonicMs, reason: error, counts: !state.phase.abandoned }
  return afterAbort(facts, state, abort, now)
}

function missingPart(facts: CheckpointFacts, subtask: number): ErrorData {
  const place = facts.graph.subtasks[subtask]
  return {
    code: 'MR_INTERNAL',
    message: `subtask ${place?.subtaskIndex} of vertex ${place?.vertexId} has finished, but no completed checkpoint says so (R12)`,
  }
}
