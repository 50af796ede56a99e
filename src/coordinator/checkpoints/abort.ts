import type { ErrorData } from '../../common/errors.ts'
import type { AttemptId, CheckpointId } from '../../common/ids.ts'
import type { Decision, Moment } from '../decision.ts'
import { unchanged } from '../decision.ts'
import { scheduleNext } from './schedule.ts'
import type { CheckpointEffect, CheckpointFacts, CheckpointsState, OpenCheckpoint } from './state.ts'

type CheckpointDecision = Decision<CheckpointsState, CheckpointEffect>

/** How long no checkpoint begins after an aborted one, so that a storage that refuses at once is not asked without end. */
const heldBackMs = 200

export interface Abort {
  /** undefined: no id was minted. */
  readonly checkpointId: CheckpointId | undefined
  readonly startedMs: number
  readonly reason: ErrorData
  /** Whether it counts among the tolerable failures: a region's failure does not. */
  readonly counts: boolean
}

export function afterAbort(
  facts: CheckpointFacts,
  state: CheckpointsState,
  abort: Abort,
  now: Moment,
): CheckpointDecision {
  const failuresInRow = abort.counts ? state.failuresInRow + 1 : state.failuresInRow
  const idle: CheckpointsState = {
    ...state,
    phase: { type: 'idle' },
    heldBack: true,
    failed: state.failed + 1,
    failuresInRow,
    lastFailure: abort.reason,
  }
  const scheduled = scheduleNext(facts, idle, abort.startedMs, now)
  const effects: CheckpointEffect[] = [
    ...scheduled.effects,
    { type: 'setTimer', timer: { type: 'checkpointHeldBack' }, delayMs: heldBackMs },
  ]
  const { checkpointId, reason } = abort
  if (checkpointId !== undefined) {
    effects.push({ type: 'cancelTimer', timer: { type: 'checkpointTimeout', checkpointId } })
  }
  effects.push({ type: 'announceAborted', checkpointId, reason })
  if (!abort.counts || failuresInRow <= facts.settings.tolerableFailedCheckpoints) {
    return { state: scheduled.state, effects }
  }
  effects.push({ type: 'checkpointsFailed', error: tooManyFailures(facts, failuresInRow, abort.reason) })
  return { state: { ...scheduled.state, failuresInRow: 0 }, effects }
}

function tooManyFailures(facts: CheckpointFacts, failures: number, reason: ErrorData): ErrorData {
  const { tolerableFailedCheckpoints } = facts.settings
  return {
    code: 'MR_CHECKPOINT_FAILURES',
    message: `${failures} checkpoints in a row failed, execution.checkpointing.tolerable-failed-checkpoints is ${tolerableFailedCheckpoints}; the last: ${reason.message}`,
  }
}

/**
 * A region has failed, or the job ends: the checkpoint that is open will not be complete (R13). One whose completion is
 * undetermined is not touched (R3).
 */
export function abortOpenCheckpoint(
  facts: CheckpointFacts,
  state: CheckpointsState,
  reason: ErrorData,
  now: Moment,
): CheckpointDecision {
  switch (state.phase.type) {
    case 'idle':
    case 'completing':
      return unchanged(state)
    case 'beginning':
      return unchanged({ ...state, phase: { type: 'beginning', abandoned: true } })
    case 'open':
      return abortCheckpoint(facts, state, { checkpoint: state.phase.checkpoint, reason, counts: false }, now)
  }
}

export function checkpointDeclined(
  facts: CheckpointFacts,
  state: CheckpointsState,
  declined: { readonly attemptId: AttemptId; readonly checkpointId: CheckpointId; readonly error: ErrorData },
  now: Moment,
): CheckpointDecision {
  const checkpoint = openCheckpoint(state, declined.checkpointId)
  const expected = checkpoint?.parts.some((part) => part.type === 'expected' && part.attemptId === declined.attemptId)
  if (checkpoint === undefined || expected !== true) return unchanged(state)
  const message = `checkpoint ${checkpoint.barrier.id} was declined by a subtask: ${declined.error.message}`
  const reason = { ...declined.error, code: 'MR_CHECKPOINT_DECLINED', message } as const
  return abortCheckpoint(facts, state, { checkpoint, reason, counts: true }, now)
}

export function checkpointTimedOut(
  facts: CheckpointFacts,
  state: CheckpointsState,
  id: CheckpointId,
  now: Moment,
): CheckpointDecision {
  const checkpoint = openCheckpoint(state, id)
  if (checkpoint === undefined) return unchanged(state)
  const missing = checkpoint.parts.flatMap((part, index) => (part.type === 'expected' ? [index] : []))
  const first = facts.graph.subtasks[missing[0] ?? 0]
  const vertex = facts.plan.vertices.find((candidate) => candidate.id === first?.vertexId)
  const reason: ErrorData = {
    code: 'MR_CHECKPOINT_TIMEOUT',
    message: `checkpoint ${id} was not complete within ${facts.settings.timeoutMs} ms: ${missing.length} of ${checkpoint.parts.length} subtasks have not acknowledged it, such as subtask ${first?.subtaskIndex} of '${vertex?.name}'`,
  }
  return abortCheckpoint(facts, state, { checkpoint, reason, counts: true }, now)
}

/** The parts do not fit together (R1). It was found before the record was handed to the store, so it is not undetermined. */
export function completionRefused(
  facts: CheckpointFacts,
  state: CheckpointsState,
  refusal: { readonly id: CheckpointId; readonly error: ErrorData },
  now: Moment,
): CheckpointDecision {
  if (state.phase.type !== 'completing' || state.phase.record.id !== refusal.id) return unchanged(state)
  const { checkpoint } = state.phase
  return abortCheckpoint(facts, state, { checkpoint, reason: refusal.error, counts: true }, now)
}

export function openCheckpoint(state: CheckpointsState, id: CheckpointId): OpenCheckpoint | undefined {
  if (state.phase.type !== 'open' || state.phase.checkpoint.barrier.id !== id) return undefined
  return state.phase.checkpoint
}

function abortCheckpoint(
  facts: CheckpointFacts,
  state: CheckpointsState,
  abort: { readonly checkpoint: OpenCheckpoint; readonly reason: ErrorData; readonly counts: boolean },
  now: Moment,
): CheckpointDecision {
  const { checkpoint, reason, counts } = abort
  const checkpointId = checkpoint.barrier.id
  return afterAbort(facts, state, { checkpointId, startedMs: checkpoint.startedMs, reason, counts }, now)
}
